/** A shared library with nothing but what the loader reads of it, for class and byte orders that this machine lacks. */
export interface ElfParts {
  readonly is64: boolean
  readonly isLittle: boolean
  readonly machine: number
  readonly interpreter: string
  readonly soname: string
  readonly needed: readonly string[]
  readonly runpath?: readonly string[]
  readonly requires: readonly (readonly [string, readonly string[]])[]
  readonly provides: readonly string[]
}

const base = 0x10_000

/** Lays the parts out one after another, at addresses that differ from their offsets. */
export function buildElf(parts: ElfParts): Buffer {
  const { is64, isLittle } = parts
  const width = is64 ? 8 : 4
  const number = (size: number) => (value: number) => {
    const bytes = Buffer.alloc(size)
    if (isLittle) bytes.writeUIntLE(value, 0, Math.min(size, 6))
    else bytes.writeUIntBE(value, Math.max(0, size - 6), Math.min(size, 6))
    return bytes
  }
  const half = number(2)
  const word = number(4)
  const wide = number(width)
  let strings = Buffer.from('\0')
  const text = (value: string) => {
    const at = strings.length
    strings = Buffer.concat([strings, Buffer.from(`${value}\0`)])
    return at
  }
  const required = parts.requires.map(([library, versions], index) => {
    const auxiliary = versions.map((version, at) =>
      Buffer.concat([word(0), half(0), half(at + 2), word(text(version)), word(at + 1 < versions.length ? 16 : 0)]),
    )
    const next = index + 1 < parts.requires.length ? 16 + 16 * versions.length : 0
    const head = [half(1), half(versions.length), word(text(library)), word(16), word(next)]
    return Buffer.concat([...head, ...auxiliary])
  })
  const names = parts.provides.length > 0 ? [parts.soname, ...parts.provides] : []
  const defined = names.map((name, index) => {
    const head = [half(1), half(index === 0 ? 1 : 0), half(index + 1), half(1), word(0), word(20)]
    const next = word(index + 1 < names.length ? 28 : 0)
    return Buffer.concat([...head, next, word(text(name)), word(0)])
  })
  const links: [number, number][] = [
    ...parts.needed.map((name): [number, number] => [1, text(name)]),
    ...(parts.runpath?.length ? [[29, text(parts.runpath.join(':'))] as [number, number]] : []),
    ...(parts.soname ? [[14, text(parts.soname)] as [number, number]] : []),
  ]
  const headers = is64 ? 64 + 3 * 56 : 52 + 3 * 32
  const interpreter = Buffer.from(`${parts.interpreter}\0`)
  const stringsAt = headers + interpreter.length
  const requiredAt = stringsAt + strings.length
  const definedAt = requiredAt + Buffer.concat(required).length
  const dynamicAt = definedAt + Buffer.concat(defined).length
  const entries: [number, number][] = [
    ...links,
    [5, base + stringsAt],
    [10, strings.length],
    ...(required.length
      ? ([
          [0x6ffffffe, base + requiredAt],
          [0x6fffffff, required.length],
        ] as [number, number][])
      : []),
    ...(defined.length
      ? ([
          [0x6ffffffc, base + definedAt],
          [0x6ffffffd, defined.length],
        ] as [number, number][])
      : []),
    [0, 0],
  ]
  const dynamic = Buffer.concat(entries.flatMap(([tag, value]) => [wide(tag), wide(value)]))
  const size = dynamicAt + dynamic.length
  const segment = (type: number, at: number, length: number) => {
    const [offset, address, count] = [wide(at), wide(base + at), wide(length)]
    return is64
      ? Buffer.concat([word(type), word(4), offset, address, address, count, count, wide(8)])
      : Buffer.concat([word(type), offset, address, address, count, count, word(4), word(4)])
  }
  const identity = Buffer.from([0x7f, 0x45, 0x4c, 0x46, is64 ? 2 : 1, isLittle ? 1 : 2, 1, ...Array(9).fill(0)])
  const head = [
    ...[identity, half(3), half(parts.machine), word(1), wide(0), wide(is64 ? 64 : 52), wide(0), word(0)],
    ...[half(is64 ? 64 : 52), half(is64 ? 56 : 32), half(3), half(0), half(0), half(0)],
  ]
  return Buffer.concat([
    ...head,
    segment(1, 0, size),
    segment(2, dynamicAt, dynamic.length),
    segment(parts.interpreter ? 3 : 0, headers, interpreter.length),
    ...[interpreter, strings, ...required, ...defined, dynamic],
  ])
}
