import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { Readable } from 'node:stream'
import type { Running } from './collect.ts'

const openTimeout = 30_000
// What rc files may print before a command begins.
const longestPrelude = 16 * 1024 ** 2

export interface Master {
  readonly socket: string
  readonly host: string
  readonly name: string
  readonly lost: Promise<string>
}

/**
 * Begins a command on a master's connection. Where the host refuses a session, ssh would already have taken bytes of
 * stdin; so the command says first that it runs, and gets nothing before that.
 *
 * @throws an error with ssh's words when it did not begin
 */
export async function startThrough({ socket, host, name, lost }: Master, command: string): Promise<Running> {
  const marker = `pgoci-${randomUUID()}`
  const options = {
    ControlMaster: 'no',
    ControlPath: `"${socket.replaceAll('%', '%%')}"`,
    BatchMode: 'yes',
    LogLevel: 'ERROR',
    // Without its master, ssh would make a connection of its own.
    ProxyCommand: 'false',
  }
  const child = spawn(
    'ssh',
    [
      ...['-F', '/dev/null', '-T'],
      ...Object.entries(options).flatMap(([key, value]) => ['-o', `${key}=${value}`]),
      // csh and fish know these words, too.
      ...['--', host, `echo ${marker}; ${command}`],
    ],
    { stdio: 'pipe', detached: true, env: { ...process.env, SHELL: '/bin/sh' } },
  )
  child.stdin.on('error', () => {})
  // Status 255 is ssh's own, when the connection was lost.
  const closed = new Promise<number | undefined>((resolve) => {
    child.once('error', () => resolve(undefined))
    child.once('close', (code) => resolve(code === 255 ? undefined : (code ?? undefined)))
  })
  const before = await begun(child, { marker, closed })
  if (before !== undefined) {
    if (before.code === undefined)
      throw new Error(before.stderr.trim() || ((await whyLost(lost)).lost ?? 'ssh ended without a word'))
    const [stdout, stderr] = [Readable.from([Buffer.from(before.stdout)]), Readable.from([Buffer.from(before.stderr)])]
    return {
      ...{ name, stdin: child.stdin, stdout, stderr, stop: () => {} },
      // Not before both were read, as a process does.
      ended: Promise.all([once(stdout, 'end'), once(stderr, 'end')]).then(() => ({ code: before.code })),
    }
  }
  return {
    ...{ name, stdin: child.stdin, stdout: child.stdout, stderr: child.stderr },
    ended: closed.then(async (code) => (code === undefined ? { code, ...(await whyLost(lost)) } : { code })),
    stop: () => void child.kill(),
  }
}

/** Resolves with all that there is when the command ended without having begun, as under ForceCommand. */
async function begun(
  child: ChildProcessWithoutNullStreams,
  { marker, closed }: { marker: string; closed: Promise<number | undefined> },
): Promise<{ code: number | undefined; stdout: string; stderr: string } | undefined> {
  let stdout = Buffer.alloc(0)
  let stderr = Buffer.alloc(0)
  const onError = (chunk: Buffer) => {
    stderr = Buffer.concat([stderr, chunk]).subarray(-64 * 1024)
  }
  child.stderr.on('data', onError)
  const isBegun = new Promise<true>((resolve, reject) => {
    // A ForceCommand that waits for input ends with it, and then it is told as such.
    let timer = setTimeout(() => {
      child.stdin.end()
      timer = setTimeout(() => fail(`it starts no command in ${openTimeout / 1000} s`), 2000)
    }, openTimeout)
    closed.then(() => clearTimeout(timer))
    const fail = (why: string) => {
      child.kill()
      reject(new Error(why))
    }
    const onData = (chunk: Buffer) => {
      stdout = Buffer.concat([stdout, chunk])
      const at = stdout.indexOf(`${marker}\n`)
      if (at < 0 && stdout.length > longestPrelude) return fail('it prints without end before any command')
      if (at < 0) return
      clearTimeout(timer)
      child.stdout.off('data', onData).pause()
      child.stdout.unshift(stdout.subarray(at + marker.length + 1))
      resolve(true)
    }
    child.stdout.on('data', onData)
  })
  const first = await Promise.race([isBegun, closed.then((code) => ({ code }))])
  child.stderr.off('data', onError).pause()
  if (first !== true) return { ...first, stdout: stdout.toString(), stderr: stderr.toString() }
  child.stderr.unshift(stderr)
  return undefined
}

/** A master that lost its connection ends right after its commands. */
function whyLost(lost: Promise<string>): Promise<{ lost?: string }> {
  return Promise.race([
    lost.then((why) => ({ lost: why })),
    new Promise<{ lost?: string }>((resolve) => setTimeout(() => resolve({}), 1000).unref()),
  ])
}
