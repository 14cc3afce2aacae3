import { ElfFile, type Hole } from './elf-file.ts'
import { definedVersions, requiredVersions, type VersionTable } from './elf-versions.ts'

/** What the dynamic loader sees of a program or library; sections are not asked, stripped files lack them. */
export interface Elf {
  readonly class: 32 | 64
  /** `e_machine`: 62 is x86-64, 183 is AArch64 (System V gABI, chapter 4). */
  readonly machine: number
  readonly isLittle: boolean
  /** The loader that a program asks for, which tells its libc: `/lib64/ld-linux-x86-64.so.2`. */
  readonly interpreter: string | undefined
  readonly soname: string | undefined
  /** Libraries it must find, in its order. */
  readonly needed: readonly string[]
  /** Where it has them looked for before the system's folders: DT_RUNPATH, or the older DT_RPATH. */
  readonly runpath: readonly string[]
  /** Symbol versions it must find, by library: `libc.so.6` → `GLIBC_2.34`. */
  readonly requires: ReadonlyMap<string, readonly string[]>
  /** Symbol versions it defines. */
  readonly provides: readonly string[]
}

const magic = Buffer.from('\x7fELF')
const maxSegments = 4096
const maxDynamic = 4096
const segment = { load: 1, dynamic: 2, interpreter: 3 }
const tag = {
  needed: 1,
  strings: 5,
  stringsSize: 10,
  soname: 14,
  rpath: 15,
  runpath: 29,
  defined: 0x6ffffffc,
  definedCount: 0x6ffffffd,
  required: 0x6ffffffe,
  requiredCount: 0x6fffffff,
}
const known = new Set(Object.values(tag))

export function isElf(bytes: Uint8Array): boolean {
  return magic.equals(bytes.subarray(0, magic.length))
}

/**
 * Reads an ELF file of either class and byte order. Work and memory are bounded by its size and by limits, whatever
 * its numbers say.
 *
 * @throws SyntaxError whose message completes "the file …"; no other error
 */
export function readElf(bytes: Uint8Array, hole?: Hole): Elf {
  if (!isElf(bytes)) throw new SyntaxError('is no ELF file')
  const file = new ElfFile(bytes, hole)
  const segments = segmentsOf(file)
  const interpreter = segments.find(({ type }) => type === segment.interpreter)
  return {
    class: file.is64 ? 64 : 32,
    machine: file.half(18),
    isLittle: file.isLittle,
    interpreter: interpreter && file.text(interpreter.offset, interpreter.offset + interpreter.size),
    ...dynamicOf(file, segments),
  }
}

interface Segment {
  readonly type: number
  readonly offset: number
  readonly address: number
  readonly size: number
}

function segmentsOf(file: ElfFile): Segment[] {
  const [start, size, count] = file.is64
    ? [file.wide(32), file.half(54), file.half(56)]
    : [file.wide(28), file.half(42), file.half(44)]
  if (count > maxSegments) throw new SyntaxError(`has more than ${maxSegments} segments`)
  if (count > 0 && size !== (file.is64 ? 56 : 32)) throw new SyntaxError('has segments of an unknown size')
  return Array.from({ length: count }, (_, index) => {
    const at = start + index * size
    const [offset, address, length] = file.is64 ? [8, 16, 32] : [4, 8, 16]
    const type = file.word(at)
    return { type, offset: file.wide(at + offset), address: file.wide(at + address), size: file.wide(at + length) }
  })
}

function dynamicOf(
  file: ElfFile,
  segments: readonly Segment[],
): Pick<Elf, 'soname' | 'needed' | 'runpath' | 'requires' | 'provides'> {
  const values = dynamicValues(file, segments)
  const value = (wanted: number) => values.get(wanted)?.[0]
  const stringsAddress = value(tag.strings)
  const strings = stringsAddress === undefined ? 0 : offsetOf(segments, stringsAddress)
  const end = strings + (value(tag.stringsSize) ?? 0)
  const name = (offset: number) => file.text(strings + offset, end)
  const table = (at: number, count: number): VersionTable | undefined => {
    const address = value(at)
    return address === undefined ? undefined : { at: offsetOf(segments, address), count: value(count) ?? 0, name }
  }
  const required = table(tag.required, tag.requiredCount)
  const defined = table(tag.defined, tag.definedCount)
  const soname = value(tag.soname)
  const runpath = value(tag.runpath) ?? value(tag.rpath)
  return {
    soname: soname === undefined ? undefined : name(soname),
    needed: (values.get(tag.needed) ?? []).map(name),
    runpath: runpath === undefined ? [] : name(runpath).split(':').filter(Boolean),
    requires: required ? requiredVersions(file, required) : new Map(),
    provides: defined ? definedVersions(file, defined) : [],
  }
}

/** The entries of the dynamic segment that we read, by tag; none for a static program. */
function dynamicValues(file: ElfFile, segments: readonly Segment[]): Map<number, number[]> {
  const values = new Map<number, number[]>()
  const dynamic = segments.find(({ type }) => type === segment.dynamic)
  if (dynamic === undefined) return values
  const width = file.is64 ? 8 : 4
  const count = Math.floor(dynamic.size / (2 * width))
  for (let index = 0; index < count; index += 1) {
    if (index >= maxDynamic) throw new SyntaxError(`has more than ${maxDynamic} dynamic entries`)
    const at = dynamic.offset + index * 2 * width
    const key = file.wide(at)
    if (key === 0) break
    if (!known.has(key)) continue
    const before = values.get(key)
    if (before) before.push(file.wide(at + width))
    else values.set(key, [file.wide(at + width)])
  }
  return values
}

/** Where in the file lies what the loader puts at `address`. */
function offsetOf(segments: readonly Segment[], address: number): number {
  const holder = segments.find(
    (one) => one.type === segment.load && address >= one.address && address < one.address + one.size,
  )
  if (holder) return address - holder.address + holder.offset
  throw new SyntaxError('refers to an address that it does not load')
}
