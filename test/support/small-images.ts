import { buildElf } from './elf.ts'
import type { TestRegistry } from './fault-registry.ts'
import { type Blob, blobsOf, image, type TestImage } from './layout.ts'
import type { Layer } from './postgres-images.ts'
import { repositoryOf } from './registry/store.ts'
import { file, link, tar } from './tar.ts'

const machine = process.arch === 'arm64' ? 183 : 62
const common = { is64: true, isLittle: true, machine, needed: [], requires: [], provides: [] }
const elf = buildElf({ ...common, interpreter: '', soname: '' })

/** A module as far as we look into one: a magic block for a major version. */
function moduleBytes(major: number): Buffer {
  const block = Buffer.alloc(64)
  const words = [56, major * 100, 100, 32, 64, 1]
  for (const [index, word] of words.entries()) block.writeInt32LE(word, index * 4)
  return Buffer.concat([elf, block])
}

/** A few bytes that look like a Postgres: enough for what is read of one, and no server. */
export function smallDistribution({
  version = '18.4',
  osRelease,
  contrib = {},
}: {
  readonly version?: string
  readonly osRelease?: string
  readonly contrib?: Readonly<Record<string, string>>
} = {}): Layer {
  const files = new Map<string, Uint8Array | { link: string }>([
    ['bin/postgres', Buffer.concat([elf, Buffer.from(`postgres (PostgreSQL) ${version}\0`)])],
    ['lib/postgresql/plpgsql.so', moduleBytes(Number.parseInt(version, 10))],
    ['share/postgresql/postgres.bki', Buffer.from('# PostgreSQL\n')],
  ])
  if (osRelease !== undefined) {
    files.set('etc/os-release', { link: '../usr/lib/os-release' })
    files.set('usr/lib/os-release', Buffer.from(osRelease))
  }
  for (const [name, number] of Object.entries({ plpgsql: '1.0', ...contrib }))
    files.set(`share/postgresql/extension/${name}.control`, Buffer.from(`default_version = '${number}'\n`))
  return files
}

/** An extension of a module and a control file, in the layout of a prefix. */
export function smallExtension(
  name: string,
  version: string,
  { major = 18, requires = [] }: { readonly major?: number; readonly requires?: readonly string[] } = {},
): Layer {
  const needs = requires.length > 0 ? `requires = '${requires.join(', ')}'\n` : ''
  return new Map([
    [`lib/postgresql/${name}.so`, moduleBytes(major)],
    [`share/postgresql/extension/${name}.control`, Buffer.from(`default_version = '${version}'\n${needs}`)],
  ])
}

/** An image of one layer, for this machine's platform or another. */
export function imageOf(files: Layer, architecture: string = process.arch === 'arm64' ? 'arm64' : 'amd64'): TestImage {
  const members = [...files].map(([path, content]) =>
    content instanceof Uint8Array
      ? file(path, Buffer.from(content), /(?:^|\/)bin\//.test(path) ? 0o755 : 0o644)
      : link(path, content.link),
  )
  return image([tar(...members)], { architecture })
}

/** Puts an image, or an index of what is there, behind a tag of a registry's repository. */
export function publish(
  { repositories }: Pick<TestRegistry, 'repositories'>,
  { repository, tag }: { readonly repository: string; readonly tag: string },
  what: TestImage | Blob,
): void {
  const { content, tags } = repositoryOf(repositories, repository)
  const [top, blobs] = 'manifest' in what ? [what.manifest, blobsOf(what)] : [what, []]
  for (const one of [top, ...blobs]) content.set(one.digest, one)
  tags.set(tag, top.digest)
}
