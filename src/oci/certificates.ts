import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { messageOf } from '../model/error.ts'
import { printable } from '../model/quote.ts'
import { badFile, pathsOf } from './config-file.ts'
import type { Environment } from './environment.ts'

/** Files (PEM) that a registry's TLS is checked by. */
export interface Certificates {
  /** Authorities that are trusted besides the system's. */
  readonly caFiles?: readonly string[] | undefined
  /** What we show to a registry that asks who we are. */
  readonly certFile?: string | undefined
  readonly keyFile?: string | undefined
}

/**
 * The stack's settings of a registry; else what Podman's and Docker's users keep for it in a folder `certs.d/HOST[:PORT]` (containers-certs.d.5): all of
 * its `*.crt` are authorities, and one `X.cert` with `X.key` is ours. The folder has the port exactly if the image's
 * name has it. The first folder that there is counts, the user's before the machine's; what may not be read is passed
 * over, as Podman does, for it is somebody else's.
 *
 * @throws ProviderError BAD_INPUT for a certificate without key, or a key without certificate
 */
export function certificatesFor(registry: string, environment: Environment): Certificates {
  const { caFile, certFile, keyFile } = environment.settings?.[registry] ?? {}
  if (caFile ?? certFile) return { caFiles: caFile === undefined ? undefined : [caFile], certFile, keyFile }
  const { config, system } = pathsOf(environment)
  const uid = process.getuid?.() ?? 0
  const special = uid === 0 ? ['certs.rootful.d'] : [`certs.rootless.d/${uid}`, 'certs.rootless.d']
  const ofSystem = (folder: string) => [...special, 'certs.d'].map((name) => system(join(folder, 'containers', name)))
  const folders = [
    config('containers/certs.d'),
    ...ofSystem('etc'),
    ...ofSystem('usr/share'),
    system('etc/docker/certs.d'),
  ]
  for (const folder of folders) {
    const path = join(folder, registry)
    const names = listing(path)
    if (names !== undefined) return certificatesIn(path, names)
  }
  return {}
}

function certificatesIn(folder: string, names: readonly string[]): Certificates {
  const named = (suffix: string) => names.filter((name) => name.endsWith(suffix)).map((name) => join(folder, name))
  const caFiles = named('.crt')
  for (const [suffix, other] of [
    ['.cert', '.key'],
    ['.key', '.cert'],
  ] as const)
    for (const path of named(suffix))
      if (!names.includes(`${path.slice(folder.length + 1, -suffix.length)}${other}`))
        throw badFile(path, `there is no ${other} of the same name beside it (authorities end in .crt)`)
  const certFile = named('.cert')[0]
  return {
    caFiles: caFiles.length > 0 ? caFiles : undefined,
    certFile,
    keyFile: certFile?.replace(/\.cert$/, '.key'),
  }
}

/** Names of a folder in their order, or `undefined` where there is none for us. */
function listing(path: string): string[] | undefined {
  try {
    return readdirSync(path).sort()
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'EACCES') return undefined
    throw badFile(path, printable(messageOf(error)))
  }
}
