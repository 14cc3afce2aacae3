import { readdirSync } from 'node:fs'
import type { Finding } from '../../src/postgres/finding.ts'

/** What is put to a server for the files of an image, in the order of asking, with the library to preload for it. */
export type Statements = ReadonlyMap<string, string>

/** Every module is loaded, every extension created, by the names of files, whatever our readers make of them. */
export function statementsFor(folder: string): Statements {
  const paths = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  const named = (pattern: RegExp) => [...new Set(paths.flatMap((path) => pattern.exec(path)?.[1] ?? []))].sort()
  // Debian's folders and CloudNativePG's.
  const modules = named(/^(?:usr\/lib\/postgresql\/\d+\/lib\/(?!bitcode\/)(?:.+\/)?|lib\/)([^/]+)\.so$/)
  const extensions = named(/^(?:usr\/share\/postgresql\/\d+|share)\/extension\/([^/]+?)\.control$/)
  return new Map([
    ...modules.map((name): [string, string] => [`LOAD '${name}'`, name]),
    ...extensions
      // name--version.control adds to name.control.
      .filter((name) => !name.includes('--'))
      .map((name): [string, string] => [
        `BEGIN; CREATE EXTENSION "${name}" CASCADE; ROLLBACK`,
        modules.find((module) => name.startsWith(module)) ?? modules[0] ?? name,
      ]),
  ])
}

/** How Postgres and its loader say what the proof has a rule for. */
const words: readonly (readonly [RegExp, (found: RegExpExecArray) => RegExp])[] = [
  [
    /(?:": |: )(\S+?): cannot open shared object file/,
    ([, library]) => new RegExp(`^missing-library:${literally(library)}$|^architecture:`),
  ],
  [/version `([^']+)' not found/, () => /^symbol-version:/],
  // A server of another major has not all that a module calls.
  [/incompatible library|incompatible magic block|undefined symbol/, () => /^(?:postgres-major|abi-vendor):/],
  // Settings come with modules.
  [/unrecognized configuration parameter/, () => /^(?:postgres-major|abi-vendor|architecture|symbol-version):/],
  [/wrong ELF class|invalid ELF header|file too short/, () => /^(?:architecture|unreadable):/],
  [
    /required extension "([^"]+)" is not (?:available|installed)|extension "([^"]+)" is not available/,
    ([, a, b]) => new RegExp(`^requires:(?:.*\\.)?${literally(a ?? b)}$`),
  ],
  [/could not access file "(?:\$libdir\/)?([^"]+)"/, () => /^missing-module:/],
  [/could not open file "[^"]+" for reading/, () => /^opened-file:/],
  // In mysql_fdw's own words.
  [/failed to load the mysql query/, () => /^opened-library:/],
  [/has no installation script|version to install must be specified/, () => /^no-script:/],
]

/** The finding that tells beforehand what a server says. */
export function tellerOf(problem: string, findings: readonly Finding[]): Finding | undefined {
  const [rule] = words.flatMap(([pattern, ids]) => {
    const found = pattern.exec(problem)
    return found ? [ids(found)] : []
  })
  return findings.find(({ id }) => rule?.test(id))
}

function literally(text = ''): string {
  return text.replace(/[^A-Za-z0-9_]/g, '\\$&')
}
