import { execFileSync } from 'node:child_process'
import { closeSync, openSync, readdirSync, readSync } from 'node:fs'
import { join, relative } from 'node:path'
import { type Elf, isElf } from '../../src/postgres/elf.ts'

/** What readelf prints of a file, in our words. */
export function byReadelf(path: string): Elf {
  const said = readelf(path, '-h', '-l', '-d', '-V')
  const one = (pattern: RegExp) => pattern.exec(said)?.[1]
  const all = (text: string, pattern: RegExp) => [...text.matchAll(pattern)].map(([, found = '']) => found)
  const section = (title: RegExp) =>
    said.split(/\n(?=Version |Dynamic section )/).find((part) => title.test(part)) ?? ''
  const requires = new Map<string, string[]>()
  for (const part of section(/^Version needs/)
    .split(/(?= {2}File: )/)
    .slice(1)) {
    const library = / {2}File: (\S+)/.exec(part)?.[1] ?? ''
    requires.set(library, [...(requires.get(library) ?? []), ...all(part, / {2}Name: (\S+) {2}Flags: (?!WEAK)/g)])
  }
  return {
    class: one(/^ {2}Class: +(.*)$/m) === 'ELF64' ? 64 : 32,
    machine: machines[one(/^ {2}Machine: +(.*)$/m) ?? ''] ?? 0,
    isLittle: /^ {2}Data: .*little endian$/m.test(said),
    interpreter: one(/\[Requesting program interpreter: (.*)\]/),
    soname: one(/\(SONAME\) .*\[(.*)\]/),
    needed: all(said, /\(NEEDED\) .*\[(.*)\]/g),
    runpath: all(said, /\((?:RUNPATH|RPATH)\) .*\[(.*)\]/g).flatMap((path) => path.split(':')),
    requires,
    provides: all(section(/^Version definition/), /Rev: 1 {2}Flags: (?!BASE)\S+ .* Name: (\S+)/g),
  }
}

/** Whether it defines what a server asks each module for. */
export function isModule(path: string): boolean {
  return / (?!UND)\S+ Pg_magic_func(?:@|$)/m.test(readelf(path, '--dyn-syms'))
}

function readelf(path: string, ...what: readonly string[]): string {
  return execFileSync('readelf', ['-W', ...what, path], {
    encoding: 'utf8',
    env: { ...process.env, LC_ALL: 'C' },
    stdio: ['ignore', 'pipe', 'ignore'],
    maxBuffer: 64 * 1024 ** 2,
  })
}

const machines: Readonly<Record<string, number>> = {
  'Advanced Micro Devices X86-64': 62,
  'Intel 80386': 3,
  AArch64: 183,
}

/** Paths of all ELF files in a folder and below; links are none. */
export function elfFiles(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((one) => one.isFile())
    .map((one) => join(one.parentPath, one.name))
    .filter(isElfFile)
    .map((path) => relative(folder, path))
}

/** By its first bytes alone. */
export function isElfFile(path: string): boolean {
  const file = openSync(path, 'r')
  try {
    const bytes = Buffer.alloc(4)
    readSync(file, bytes)
    return isElf(bytes)
  } finally {
    closeSync(file)
  }
}
