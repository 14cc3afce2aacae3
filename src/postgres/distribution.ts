import { ProviderError } from '../model/error.ts'
import { nameOf, parentOf, type Tree } from '../model/tree.ts'

export interface DistributionLayout {
  /**
   * `rootfs`: the image has its own libc and is run as a root; `relocatable`: only a Postgres prefix; `installed`: no
   * image, but packages of the host brought it.
   */
  readonly mode: 'rootfs' | 'relocatable' | 'installed'
  readonly layout: string
  readonly server: string
  readonly binDirectory: string
  readonly libraryDirectory: string
  readonly shareDirectory: string
}

/** Where a prefix keeps modules and shared files, by how it is built: B-field §2. */
const layouts: readonly { name: string; bin: RegExp; library: string; share: string }[] = [
  {
    name: 'debian',
    bin: /^usr\/lib\/postgresql\/(\d+(?:\.\d+)*)\/bin$/,
    library: 'usr/lib/postgresql/$1/lib',
    share: 'usr/share/postgresql/$1',
  },
  { name: 'rpm', bin: /^usr\/pgsql-(\d+)\/bin$/, library: 'usr/pgsql-$1/lib', share: 'usr/pgsql-$1/share' },
  { name: 'fedora', bin: /^usr\/bin$/, library: 'usr/lib64/pgsql', share: 'usr/share/pgsql' },
  { name: 'nix', bin: /^(nix\/store\/[^/]+\/)bin$/, library: '$1lib', share: '$1share/postgresql' },
  { name: 'prefix', bin: /^((?:.+\/)?)bin$/, library: '$1lib/postgresql', share: '$1share/postgresql' },
  { name: 'bitnami', bin: /^(.+\/)bin$/, library: '$1lib', share: '$1share' },
]

/** @throws ProviderError NOT_POSTGRES */
export function findDistribution(tree: Tree, image: string): DistributionLayout {
  const found = [...tree].flatMap(([path, entry]) => {
    if (nameOf(path) !== 'postgres' || entry.kind !== 'file' || !entry.executable) return []
    // Its folder becomes part of a systemd unit and of a shell script.
    if (!/^[A-Za-z0-9_.+/-]+$/.test(path)) return []
    const bin = parentOf(path)
    return layouts
      .filter(({ bin: pattern }) => pattern.test(bin))
      .map(({ name, bin: pattern, library, share }) => ({
        layout: name,
        server: path,
        binDirectory: bin,
        libraryDirectory: bin.replace(pattern, library),
        shareDirectory: bin.replace(pattern, share),
      }))
      .filter(
        (one) => tree.has(`${one.shareDirectory}/postgres.bki`) && tree.get(one.libraryDirectory)?.kind === 'directory',
      )
      .slice(0, 1)
  })
  const [only, ...more] = found
  if (only === undefined) {
    throw new ProviderError(
      'NOT_POSTGRES',
      `Cannot use ${image} as a distribution: it holds no Postgres server (bin/postgres with its share folder); an extension image goes into new Extension(…)`,
    )
  }
  if (more.length > 0) {
    throw new ProviderError(
      'NOT_POSTGRES',
      `Cannot use ${image} as a distribution: it holds several servers (${found.map((one) => one.server).join(', ')}); choose an image with one`,
    )
  }
  const hasLoader = [...tree.keys()].some((path) => /^(?:usr\/)?lib(?:64|\/[^/]+)?\/ld-(?:linux|musl)[^/]*$/.test(path))
  return { ...only, mode: hasLoader ? 'rootfs' : 'relocatable' }
}
