import { cpSync, existsSync, lstatSync, mkdirSync, readdirSync, readlinkSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** What CloudNativePG's extension images have at their top, of the files that Debian's packages bring. */
export function layOutCloudNative(whole: string, major: number, folder: string): void {
  const triplet = `${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu`
  for (const [from, to, isWanted] of [
    [`usr/lib/postgresql/${major}/lib`, 'lib', /\.so$/],
    [`usr/share/postgresql/${major}/extension`, 'share/extension', /./],
    [`usr/lib/${triplet}`, 'system', /\.so(?:\.\d+)*$/],
    ['usr/lib', 'system', /\.so(?:\.\d+)*$/],
  ] as const) {
    mkdirSync(join(folder, to), { recursive: true })
    if (!existsSync(join(whole, from))) continue
    for (const name of readdirSync(join(whole, from)).filter((one) => isWanted.test(one))) {
      const source = followed(whole, join(whole, from, name))
      if (source !== undefined) cpSync(source, join(folder, to, name), { recursive: true })
    }
  }
}

/** Links are those of a root, and may lead to what its distribution has. */
function followed(root: string, path: string): string | undefined {
  for (let at = path, steps = 0; steps < 10; steps++) {
    const stat = lstatSync(at, { throwIfNoEntry: false })
    if (stat === undefined) return undefined
    if (!stat.isSymbolicLink()) return stat.isFile() ? at : undefined
    const target = readlinkSync(at)
    at = target.startsWith('/') ? join(root, target) : join(dirname(at), target)
  }
  return undefined
}
