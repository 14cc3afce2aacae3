import { existsSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { localTransport } from '../../src/host/local.ts'
import type { Transport } from '../../src/host/transport.ts'
import { temporaryFolder } from './folder.ts'
import { lacks } from './needs.ts'

/** Tools as hosts have them. Debian's busybox lacks comm and flock, which that of Alpine has, and none has curl: they are the real ones. */
const needed =
  'awk cat chmod comm cp curl cut date dd df dirname du env find flock grep gzip head id kill ln ls mkdir mktemp mv openssl readlink rm rmdir sed sha256sum sleep sort stat sync tail tar timeout touch tr true uname wget xargs sh'.split(
    ' ',
  )

/** A folder to be the whole PATH: the named tools only, from GNU or from busybox. */
function toolFolder(kind: 'gnu' | 'busybox', options: { without?: readonly string[] } = {}): string {
  const folder = temporaryFolder()
  for (const name of needed) {
    if (options.without?.includes(name)) continue
    const real = ['/usr/bin', '/bin', '/usr/sbin', '/sbin']
      .map((place) => join(place, name))
      .find((path) => existsSync(path))
    const own = kind === 'busybox' && !['comm', 'curl', 'flock'].includes(name)
    if (own || real) symlinkSync(own ? '/usr/bin/busybox' : (real as string), join(folder, name))
  }
  return folder
}

/** As root, everything runs as "nobody"; else we are somebody ordinary already. */
export function asNobody(transport: Transport, first = ''): Transport {
  const prefix = process.getuid?.() === 0 ? '/usr/bin/setpriv --reuid=65534 --regid=65534 --clear-groups ' : ''
  return { ...transport, exec: (command, options) => transport.exec(first + prefix + command, options) }
}

/** A push's or another verb's script text and stdin, to be damaged on its way to the host. */
export interface Sent {
  script: string
  stdin: Buffer
}

/** A transport that changes what is sent to a verb. */
export function damaging(transport: Transport, verb: string, damage: (sent: Sent) => unknown): Transport {
  return {
    ...transport,
    exec: async (command, options = {}) => {
      if (!command.endsWith(`pgoci-${verb}`)) return transport.exec(command, options)
      const chunks: Buffer[] = []
      if (typeof options.stdin === 'object') for await (const chunk of options.stdin) chunks.push(Buffer.from(chunk))
      else chunks.push(Buffer.from(options.stdin ?? ''))
      const all = Buffer.concat(chunks)
      const end = all.indexOf(10)
      const unfold = (_: string, kind: string) => (kind === 'n' ? '\n' : kind)
      const sent: Sent = {
        script: all.subarray(0, end).toString().replace(/\\(.)/g, unfold),
        stdin: all.subarray(end + 1),
      }
      await damage(sent)
      const line = `${sent.script.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')}\n`
      return transport.exec(command, { ...options, stdin: Readable.from([Buffer.from(line), sent.stdin]) })
    },
  }
}

const allHosts = [
  { name: 'dash, GNU tools', shell: ['dash'], tools: 'gnu' },
  { name: 'bash, GNU tools, openssl', shell: ['bash'], tools: 'gnu' },
  { name: 'busybox ash and tools', shell: ['busybox', 'ash'], tools: 'busybox' },
] as const

/** The combinations that a host may have. */
export const hosts = allHosts.filter(({ name, shell }) => {
  if (!lacks(shell[0])) return true
  process.stdout.write(`skipped: hosts with ${name}; install ${shell[0]}\n`)
  return false
})

export type Host = (typeof allHosts)[number]

/** What every Debian has. */
export const dashHost: Host = allHosts[0]

/** A transport into a host of this kind, in which `sh` is that shell. */
export function hostTransport(
  host: Host,
  options: {
    without?: readonly string[]
    env?: NodeJS.ProcessEnv
    /** Programs that stand for those of the same name: scripts for `sh`. */
    programs?: Readonly<Record<string, string>>
  } = {},
): Transport {
  const { programs = {} } = options
  // With openssl hashes are made another way.
  const optional = host.shell[0] === 'bash' ? [] : ['openssl']
  const without = [...(options.without ?? []), ...optional, ...Object.keys(programs), 'sh']
  const folder = toolFolder(host.tools, { without })
  for (const [name, script] of Object.entries(programs))
    writeFileSync(
      join(folder, name),
      `#!/bin/sh
${script}
`,
      { mode: 0o755 },
    )
  const sh = { dash: '/bin/dash', bash: '/bin/bash', busybox: '/bin/busybox' }[host.shell[0]]
  symlinkSync(sh, join(folder, 'sh'))
  return localTransport({ shell: [join(folder, 'sh')], env: { PATH: folder, HOME: '/nonexistent', ...options.env } })
}

/** A transport whose push gets this much of its stream, and then waits for bytes that do not come. */
export function stalling(transport: Transport, cut: (stream: Buffer) => Buffer, begun: () => void): Transport {
  return {
    ...transport,
    exec: async (command, options = {}) => {
      if (!command.endsWith('pgoci-push') || typeof options.stdin !== 'object') return transport.exec(command, options)
      const source = options.stdin
      const stdin = Readable.from(
        (async function* () {
          const chunks: Buffer[] = []
          for await (const chunk of source) chunks.push(Buffer.from(chunk))
          const all = Buffer.concat(chunks)
          const stream = all.indexOf(10) + 1
          yield Buffer.concat([all.subarray(0, stream), cut(all.subarray(stream))])
          begun()
          await new Promise(() => {})
        })(),
      )
      return transport.exec(command, { ...options, stdin })
    },
  }
}
