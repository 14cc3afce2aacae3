import { spawn } from 'node:child_process'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { type Connection, endpointName } from './connection.ts'
import type { DialOptions } from './dial.ts'
import type { Line } from './mending.ts'
import { startThrough } from './openssh-command.ts'
import { type HopFolder, recording, refusedKey, writeHops } from './openssh-files.ts'
import { isKeyRefused, notConnected } from './openssh-refusal.ts'
import { sshWords } from './openssh-words.ts'
import { dialTimeout, retried } from './retry.ts'
import { usualKeepalive } from './silence.ts'

/**
 * A connection by this machine's `ssh`, for what ssh2 cannot do: certificates, FIDO keys, GSSAPI, ProxyCommand. The
 * commands share one master, which asks nothing and ends with this process, however that ends.
 *
 * @throws ProviderError HOST_KEY_REFUSED with the line to paste, HOST_UNREACHABLE, LOGIN_REFUSED, BAD_INPUT
 */
export function dialOpenSsh(connection: Connection, options: DialOptions): Promise<Line> {
  return retried(connection, () => login(connection, options), options)
}

async function login(connection: Connection, options: DialOptions): Promise<Line> {
  options.signal?.throwIfAborted()
  const folder = await writeHops(connection)
  const master = await startMaster(folder, options)
  if ('line' in master) return master.line
  const { said } = master
  const known = isKeyRefused(said) ? await whyKeyRefused(connection, said, options) : undefined
  throw known ?? notConnected(connection, { ...master, timeout: dialTimeout(connection) })
}

/** ssh tells no key that it refuses, so it is asked once more, and the key that is shown is noted. */
async function whyKeyRefused(connection: Connection, said: string, options: DialOptions) {
  const folder = await recording(await writeHops(connection))
  const master = await startMaster(folder, { ...options, keep: true })
  if ('line' in master) await master.line.end()
  const refusal = await refusedKey(folder, said)
  await rm(folder.path, { recursive: true, force: true })
  return refusal
}

// Ends ssh when this process ends, even by SIGKILL: then its stdin does. And the folder goes with ssh.
const guard = `exec 3<&0
ssh "$@" </dev/null 3<&- &
ssh=$!
{ read -r line; kill "$ssh"; } <&3 2>/dev/null &
wait "$ssh"
code=$?
kill $! 2>/dev/null
[ -z "$PGOCI_SSH_FOLDER" ] || rm -rf "$PGOCI_SSH_FOLDER"
exit "$code"`
const connectedLine = 'pgoci-connected'

interface Ended {
  readonly code: number | undefined
  readonly said: string
}

async function startMaster(
  folder: HopFolder,
  options: DialOptions & { readonly keep?: boolean },
): Promise<{ readonly line: Line } | Ended> {
  const { signal, keepalive = usualKeepalive } = options
  const [{ endpoint } = { endpoint: undefined }] = folder.hops
  if (endpoint === undefined) throw new TypeError('Cannot connect without a host')
  const timeout = dialTimeout(endpoint)
  const socket = join(folder.path, 's')
  const own = {
    ControlMaster: 'yes',
    ControlPath: `"${socket.replaceAll('%', '%%')}"`,
    ControlPersist: 'no',
    ClearAllForwardings: 'yes',
    PermitLocalCommand: 'yes',
    LocalCommand: `echo ${connectedLine}`,
  }
  const words = sshWords(folder.hops, { timeout, keepalive }, [
    ...['-N', '-T'],
    ...Object.entries(own).flatMap(([name, value]) => ['-o', `${name}=${value}`]),
  ])
  const master = spawn('/bin/sh', ['-c', guard, 'sh', ...words], {
    stdio: 'pipe',
    // A terminal's Ctrl-C is for us alone; we end it when our commands have ended.
    detached: true,
    env: { ...process.env, SHELL: '/bin/sh', PGOCI_SSH_FOLDER: options.keep ? '' : folder.path },
  })
  master.stdin.on('error', () => {})
  let said = ''
  master.stderr.on('data', (chunk: Buffer) => {
    said = (said + chunk).slice(-8192)
  })
  const exited = new Promise<number | undefined>((resolve) => {
    master.once('error', (error) => {
      said ||= error.message
      resolve(undefined)
    })
    master.once('close', (code) => resolve(code ?? undefined))
  })
  const connected = new Promise<true>((resolve) => {
    let output = ''
    master.stdout.on('data', (chunk: Buffer) => {
      output = (output + chunk).slice(-200)
      if (output.includes(connectedLine)) resolve(true)
    })
  })
  const stop = () => master.stdin.end()
  const end = async () => {
    stop()
    const timer = setTimeout(() => killGroup(master.pid), 2000)
    await exited
    clearTimeout(timer)
  }
  const timer = setTimeout(() => {
    said += '\ntimed out'
    stop()
  }, timeout)
  signal?.addEventListener('abort', stop, { once: true })
  try {
    const first = await Promise.race([connected, exited])
    if (signal?.aborted) {
      await end()
      throw signal.reason
    }
    if (first !== true) return { code: first, said }
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener('abort', stop)
  }
  await Promise.all(folder.hops.map((_, index) => rm(join(folder.path, `${index}-key`), { force: true })))
  const lost = exited.then(() => said.trim().split('\n').at(-1) || 'ssh lost the connection')
  const name = endpointName(endpoint)
  return { line: { lost, start: (command) => startThrough({ socket, host: endpoint.host, name, lost }, command), end } }
}

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {
    // It has just ended.
  }
}
