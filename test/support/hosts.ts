import { existsSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { localTransport } from '../../src/host/local.ts'
import type { Transport } from '../../src/host/transport.ts'
import { temporaryFolder } from './folder.ts'
import { lacks } from './needs.ts'

/** Tools as hosts have them. Debian's busybox lacks comm and flock, which that of Alpine has, and none has curl: they are the real ones. */
const needed =
  'awk cat chmod comm cp curl cut date dd df dirname du env find flock grep gzip head id kill ln ls mkdir mktemp mv openssl readlink rm rmdir sed sha256sum sleep sort stat sync tail tar timeout touch tr true uname wget xargs sh'.split(
    ' ',
  )

interface Tools {
  readonly with?: readonly string[]
  readonly without?: readonly string[]
}

/** A folder to be the whole PATH: the named tools only, from GNU or from busybox. */
function toolFolder(kind: 'gnu' | 'busybox', options: Tools = {}): string {
  const folder = temporaryFolder()
  for (const name of [...needed, ...(options.with ?? [])]) {
    if (options.without?.includes(name)) continue
    const real = ['/usr/bin', '/bin', '/usr/sbin', '/sbin']
      .map((place) => join(place, name))
      .find((path) => existsSync(path))
    const own = kind === 'busybox' && !['comm', 'curl', 'flock', 'zstd'].includes(name)
    if (own || real) symlinkSync(own ? '/usr/bin/busybox' : (real as string), join(folder, name))
  }
  return folder
}

/** As root, everything runs as "nobody"; else we are somebody ordinary already. */
export function asNobody(transport: Transport, first = ''): Transport {
  const prefix = process.getuid?.() === 0 ? '/usr/bin/setpriv --reuid=65534 --regid=65534 --clear-groups ' : ''
  return { ...transport, exec: (command, options) => transport.exec(first + prefix + command, options) }
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

export interface Host {
  readonly shell: readonly string[]
  readonly tools: 'gnu' | 'busybox'
}

/** What every Debian has. */
export const dashHost: Host = allHosts[0]

interface HostOptions extends Tools {
  readonly env?: NodeJS.ProcessEnv
  /** Programs that stand for those of the same name: scripts for `sh`. */
  readonly programs?: Readonly<Record<string, string>>
}

/** A transport into a host of this kind, in which `sh` is that shell. */
export function hostTransport(host: Host, options: HostOptions = {}): Transport {
  return localTransport(hostShell(host, options))
}

/** The shell of a host of this kind, and the environment to start it with. */
export function hostShell(host: Host, options: HostOptions = {}): { shell: string[]; env: NodeJS.ProcessEnv } {
  const { programs = {} } = options
  // With openssl hashes are made another way.
  const optional = host.shell[0] === 'bash' ? [] : ['openssl']
  const without = [...(options.without ?? []), ...optional, ...Object.keys(programs), 'sh']
  const folder = toolFolder(host.tools, { ...options, without })
  for (const [name, script] of Object.entries(programs))
    writeFileSync(join(folder, name), `#!/bin/sh\n${script}\n`, { mode: 0o755 })
  symlinkSync(join('/bin', host.shell[0] as string), join(folder, 'sh'))
  return { shell: [join(folder, 'sh')], env: { PATH: folder, HOME: '/nonexistent', ...options.env } }
}
