import type { Digest } from '../model/digest.ts'
import { fileBehind } from '../model/links.ts'
import { type Entry, nameOf, parentOf } from '../model/tree.ts'
import { type ControlFile, parseControl } from '../postgres/control.ts'
import { isElf, readElf } from '../postgres/elf.ts'
import type { BinaryFacts, ExtensionFacts, ImageFacts } from '../postgres/facts.ts'
import { readMagic } from '../postgres/magic.ts'
import { namedLibraries } from '../postgres/opened.ts'
import { readScripts } from '../postgres/scripts.ts'
import type { FlatImage, WholeFile } from './image.ts'
import { findDatabases, packagesIn, whyUnread } from './package-facts.ts'

export interface FactsOptions {
  /** Where a path of the image goes on a host; undefined for what is left out. */
  readonly placeOf: (path: string) => string | undefined
  /** Which files, by their place, may be programs, modules or libraries that matter. */
  readonly isBinary: (place: string) => boolean
}

const module = /^live\/lib\/[^/]+\.so$/
const dataFile = /^live\/share\/(?:extension|tsearch_data)\/.+(?<!\.control|\.sql)$/
const controlFile = /^live\/share\/(.+)\/([^/]+)\.control$/

/**
 * Reads what an image's bytes say. Of large libraries only the beginning and the end is kept in memory, where loaders'
 * tables are.
 */
export async function readFacts(flat: Pick<FlatImage, 'tree' | 'read'>, options: FactsOptions): Promise<ImageFacts> {
  const { files, links } = placesOf(flat, options.placeOf)
  const binaries: BinaryFacts[] = []
  const unread: [string, string][] = []
  const addBinary = (file: WholeFile) => {
    for (const path of files.get(file.digest) ?? []) {
      // Scripts lie among programs; what is called a module must be one.
      if (!options.isBinary(path) || (!isElf(file.bytes) && !module.test(path))) continue
      const found = unlessUnreadable(() => binaryOf(file, path))
      if (typeof found === 'string') unread.push([path, found])
      else binaries.push(found)
    }
  }
  const paths = (wanted: (place: string) => boolean) =>
    new Set([...files].flatMap(([digest, places]) => (places.some(wanted) ? [digest] : [])))
  const databases = findDatabases(flat.tree, options.placeOf)
  const readable = new Set(databases.flatMap((one) => (whyUnread(one) === undefined ? [one.place] : [])))
  const isText = (path: string) => controlFile.test(path) || readable.has(path)
  const isWhole = (path: string) => module.test(path) || isText(path)
  const texts = new Map<string, Buffer>()
  const readSmall = async () => {
    for await (const file of flat.read(paths(isWhole))) {
      addBinary(file)
      for (const path of files.get(file.digest) ?? []) if (isText(path)) texts.set(path, file.bytes)
    }
  }
  const readLarge = async () => {
    const others = paths((path) => options.isBinary(path) && !isWhole(path))
    for await (const file of flat.read(others, { edges: true })) addBinary(file)
  }
  await Promise.all([readSmall(), readLarge()])
  const packages = new Map<string, string>()
  for (const database of databases) {
    const bytes = texts.get(database.place)
    const found = whyUnread(database) ?? unlessUnreadable(() => packagesIn(database, bytes ?? Buffer.of()))
    if (typeof found === 'string') unread.push([database.place, found])
    else for (const [name, version] of found) packages.set(name, version)
  }
  const known = new Set(binaries.map(({ path }) => path))
  const data = [...files.values()].flat().filter((path) => dataFile.test(path))
  return {
    binaries: binaries.sort(({ path: a }, { path: b }) => (a < b ? -1 : 1)),
    links: Object.fromEntries(links.filter(([, end]) => known.has(end))),
    extensions: extensionsOf(texts, [...files.values(), links.map(([path]) => path)].flat()),
    ...(data.length > 0 ? { data: data.sort() } : {}),
    packages: Object.fromEntries(packages),
    unread: Object.fromEntries(unread),
  }
}

/** Contents and the places they go to, and links that end at files. */
function placesOf({ tree }: Pick<FlatImage, 'tree'>, placeOf: FactsOptions['placeOf']) {
  const files = new Map<Digest, string[]>()
  const links: [string, string][] = []
  const add = (entry: Entry, path: string) => {
    if (entry.kind === 'file') append(files, entry.digest, path)
  }
  for (const [path, entry] of tree) {
    const place = placeOf(path)
    if (place === undefined) continue
    add(entry, place)
    if (entry.kind !== 'link') continue
    const target = fileBehind(tree, path)
    if (target === undefined) continue
    const end = placeOf(target.path)
    // A control file may be a link that update-alternatives made.
    if (controlFile.test(place)) add(target.entry, place)
    else if (end !== undefined) links.push([place, end])
  }
  return { files, links }
}

function binaryOf({ digest, bytes, hole }: WholeFile, path: string): BinaryFacts {
  const { requires, isLittle, ...elf } = readElf(bytes, hole)
  const magic = module.test(path) ? readMagic(bytes, { isLittle }) : undefined
  const linked = new Set([...elf.needed, elf.soname])
  const opens = magic ? namedLibraries(bytes).filter((name) => !linked.has(name)) : []
  return {
    ...{ path, digest, ...elf, requires: Object.fromEntries(requires) },
    ...(magic ? { magic } : {}),
    ...(opens.length > 0 ? { opens } : {}),
  }
}

function extensionsOf(texts: ReadonlyMap<string, Buffer>, paths: readonly string[]): Record<string, ExtensionFacts> {
  // By the extension that they are named for: an image may have tens of thousands of both.
  const filesOf = new Map<string, string[]>()
  for (const path of paths) append(filesOf, `${parentOf(path)}/${nameOf(path).split('--', 1)[0]}`, nameOf(path))
  const found: [string, ExtensionFacts][] = []
  for (const [path, bytes] of texts) {
    const [, folder, name = ''] = controlFile.exec(path) ?? []
    if (folder !== 'extension' || name.includes('--')) continue
    const read = unlessUnreadable(() => parseControl(bytes.toString('utf8')))
    const control = typeof read === 'string' ? {} : read
    const scripts = `live/share/${control.directory ?? 'extension'}`
    const names = filesOf.get(`${scripts}/${name}`) ?? []
    const sorted = unlessUnreadable(() => readScripts(name, names))
    const problem = [read, sorted].find((one) => typeof one === 'string')
    found.push([
      name,
      {
        control,
        ...(typeof problem === 'string' ? { problem } : {}),
        secondary: secondaryOf(name, names, (file) => texts.get(`${scripts}/${file}`)),
        scripts: typeof sorted === 'string' ? { installable: [], updates: [] } : sorted,
      },
    ])
  }
  return Object.fromEntries(found.sort(([a], [b]) => (a < b ? -1 : 1)))
}

function append<K>(lists: Map<K, string[]>, key: K, one: string): void {
  const list = lists.get(key)
  if (list) list.push(one)
  else lists.set(key, [one])
}

function secondaryOf(
  name: string,
  names: readonly string[],
  textOf: (file: string) => Buffer | undefined,
): Record<string, ControlFile> {
  const found = names.flatMap((file): [string, ControlFile][] => {
    if (!file.startsWith(`${name}--`) || !file.endsWith('.control')) return []
    const version = file.slice(name.length + 2, -'.control'.length)
    const control = unlessUnreadable(() => parseControl(textOf(file)?.toString('utf8') ?? '', { version }))
    return typeof control === 'string' ? [] : [[version, control]]
  })
  return Object.fromEntries(found)
}

/** What a reader finds, or why it cannot. */
export function unlessUnreadable<T>(read: () => T): T | string {
  try {
    return read()
  } catch (error) {
    if (error instanceof SyntaxError) return error.message
    throw error
  }
}
