import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { readFacts } from '../../src/engine/facts.ts'
import { readFlatImage } from '../../src/engine/image.ts'
import { placeOf } from '../../src/postgres/extension.ts'
import type { BinaryFacts, ImageFacts } from '../../src/postgres/facts.ts'
import { readConfigure, readServerVersion } from '../../src/postgres/magic.ts'
import { command } from './command.ts'
import { foreignLists, foreignPackage, namesIn, type Release } from './debian-packages.ts'
import { packFolder } from './pack-folder.ts'
import { byReadelf, elfFiles, isModule } from './readelf.ts'
import { requestOf } from './verdict-server.ts'

/** What our readers make of a package, beside what others say of the same files. */
export interface PackageFacts {
  /** Programs, modules and libraries. */
  readonly binaries: number
  /** Those with a magic block. */
  readonly modules: number
  readonly controlFiles: number
  readonly scripts: number
  /** What our readers could not read. */
  readonly failures: readonly string[]
  /** Where readelf, pg_config or the list of its files say something else. */
  readonly disagreements: readonly string[]
}

/**
 * Reads all packages `postgresql-N-*` of a suite, and its Postgres, as images. They are unpacked and not installed, so no
 * program of theirs runs but pg_config, by its own libc.
 *
 * @param near a release that has its Debian here, which says where the suite is
 */
export async function* suiteFacts(release: Release, near: Release): AsyncGenerator<PackageFacts> {
  const { major } = release
  const lists = await foreignLists(release, near)
  const filesOf = async (name: string) => join(await foreignPackage(release, lists, name), 'own')
  const [server, client] = [`postgresql-${major}`, `postgresql-client-${major}`]
  const bin = `usr/lib/postgresql/${major}/bin`
  const says = await pgConfig(join(await filesOf(client), bin, 'pg_config'), await filesOf('libc6'))
  for (const name of [server, client, ...namesIn(lists)]) {
    const facts = await packageFacts(name, await filesOf(name), says.major)
    yield name === server ? withServer(facts, readFileSync(join(await filesOf(name), bin, 'postgres')), says) : facts
  }
}

interface PgConfig {
  readonly major: number
  readonly version: string
  readonly configure: string
}

async function pgConfig(program: string, libc: string): Promise<PgConfig> {
  const loader =
    readdirSync(libc, { recursive: true, encoding: 'utf8' }).find((path) => /-gnu\/ld-linux/.test(path)) ?? ''
  const path = join(libc, loader)
  const said = await command(path, ['--library-path', dirname(path), program, '--version', '--configure'])
  const [, version = '', major = '', configure = ''] = /^PostgreSQL ((\d+)\S*).*\n(.*)\n$/.exec(said) ?? []
  return { version, major: Number(major), configure: configure.trim() }
}

function withServer(facts: PackageFacts, program: Buffer, { version, configure }: PgConfig): PackageFacts {
  const flags = readConfigure(program).map((flag) => `'${flag}'`)
  const differences = [
    ...difference('version of postgres', readServerVersion(program)?.version, version),
    ...difference('its configure flags', flags.join(' '), configure),
  ]
  return { ...facts, disagreements: [...facts.disagreements, ...differences] }
}

async function packageFacts(name: string, folder: string, major: number): Promise<PackageFacts> {
  const { unread, extensions, binaries } = await imageFacts(folder)
  const all = Object.entries(extensions)
  const controlFiles = all.flatMap(([one, { secondary }]) => [
    `${one}.control`,
    ...Object.keys(secondary).map((version) => `${one}--${version}.control`),
  ])
  const listed = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((path) =>
    /^live\/share\/extension\/[^/]+\.control$/.test(placed(path)),
  )
  const found = new Map(binaries.map((one) => [one.path, comparable(one)]))
  const there = elfFiles(folder)
  return {
    binaries: binaries.length,
    modules: binaries.filter(({ magic }) => magic !== undefined).length,
    controlFiles: controlFiles.length,
    scripts: all.flatMap(([, { scripts }]) => [...scripts.installable, ...scripts.updates]).length,
    failures: [
      ...Object.entries(unread).map(([path, why]) => `${name}: ${path} ${why}`),
      ...all.flatMap(([one, { problem }]) => (problem === undefined ? [] : [`${name}: ${one}.control ${problem}`])),
    ],
    disagreements: [
      ...difference(`${name}: control files`, controlFiles.sort(), listed.map((path) => basename(path)).sort()),
      ...difference(`${name}: binaries`, [...found.keys()].sort(), there.map(placed).sort()),
      ...there.flatMap((path) =>
        difference(`${name}: ${path}`, found.get(placed(path)), readelfSays(join(folder, path), placed(path), major)),
      ),
    ],
  }
}

/** Of all files of a folder, whatever a kind of image would leave out. */
async function imageFacts(folder: string): Promise<ImageFacts> {
  const layout = mkdtempSync(join(tmpdir(), 'pgoci-facts-'))
  try {
    await packFolder(layout, folder)
    const flat = await readFlatImage(await requestOf(`oci:${layout}`, join(layout, 'cache')), 'strip')
    return await readFacts(flat, { placeOf: placed, isBinary: () => true })
  } finally {
    rmSync(layout, { recursive: true, force: true })
  }
}

function placed(path: string): string {
  return placeOf(path) ?? `root/${path}`
}

function comparable({ magic, ...one }: BinaryFacts) {
  const { machine, interpreter, soname, needed, runpath, requires, provides } = one
  return { class: one.class, machine, interpreter, soname, needed, runpath, requires, provides, major: magic?.major }
}

function readelfSays(path: string, place: string, major: number): ReturnType<typeof comparable> {
  const { isLittle, requires, ...said } = byReadelf(path)
  // Elsewhere no server loads them by themselves.
  const isLoaded = /^live\/lib\/[^/]+\.so$/.test(place) && isModule(path)
  return { ...said, requires: Object.fromEntries(requires), major: isLoaded ? major : undefined }
}

function difference(what: string, ours: unknown, theirs: unknown): string[] {
  if (isDeepStrictEqual(ours, theirs)) return []
  return [`${what}: we read ${JSON.stringify(ours)}, and it is ${JSON.stringify(theirs)}`]
}
