import fc from 'fast-check'

const mebi = 1024 * 1024
const numbers = [0, 1, 2, 3, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xffffffff]
/** Texts that mean something in one of the formats, or to whoever shows them. */
const words = [
  ...['\0', '\n', '\r\n', '\t', ' ', '"', "'", '\\', '/', '..', '.', ',', ':', ';', '--', '-', '=', '#', '0', '1'],
  ...['{', '}', '[', ']', '{{', '&a ', '*a', '!!', '|', '>', '%', '$', '^', '(', ')', '+', '*', '?', '@', '~', '<'],
  ...['__proto__', 'constructor', '{toString}', 'null', 'true', '1e999', 'NaN', '0x7', '9007199254740993'],
  ...["'--", '.so', '.wh.', '.wh..wh..opq', 'path=', 'size=', 'postgres (PostgreSQL) ', 'GNU C Library ('],
  ...['\x1b[31m', '\u202e', '\ufeff', 'é', '\u{1f600}', '\x7fELF', 'Slot', 'BlbS', 'ustar'],
].map((word) => Buffer.from(word))

// Most of what matters stands at the beginning.
const place = fc.oneof(fc.nat(64), fc.nat(1024), fc.nat(mebi))
const number = fc
  .tuple(fc.constantFrom(...numbers), fc.constantFrom(1, 2, 4, 8), fc.boolean())
  .map(([value, size, isLittle]) => bytesOf(value, size, isLittle))
const few = fc.uint8Array({ minLength: 1, maxLength: 8 }).map((bytes) => Buffer.from(bytes))
const written = fc.oneof(number, fc.constantFrom(...words), few)

type Edit = (bytes: Buffer, other: Buffer) => Buffer

const overwrite = fc.tuple(place, written).map(
  ([at, put]): Edit =>
    (bytes) =>
      replace(bytes, at, put.length, put),
)
const insert = fc.tuple(place, written).map(
  ([at, put]): Edit =>
    (bytes) =>
      replace(bytes, at, 0, put),
)
const remove = fc.tuple(place, fc.nat(600)).map(
  ([at, count]): Edit =>
    (bytes) =>
      replace(bytes, at, count),
)
const cut = place.map(
  (at): Edit =>
    (bytes) =>
      bytes.subarray(0, at % (bytes.length + 1)),
)
const splice = fc.tuple(place, place).map(
  ([at, from]): Edit =>
    (bytes, other) =>
      replace(bytes, at, bytes.length, other.subarray(from % (other.length + 1))),
)
const times = fc.constantFrom(1, 3, 8, 15, 17)
// So often that whoever looks at the rest from each of them looks for long.
const repeatWord = fc.tuple(place, written, times).map(
  ([at, put, times]): Edit =>
    (bytes) =>
      replace(bytes, at, 0, repeated(put, 2 ** times)),
)
const repeatPart = fc.tuple(place, fc.integer({ min: 1, max: 600 }), times).map(
  ([at, count, times]): Edit =>
    (bytes) => {
      const start = at % (bytes.length + 1)
      return replace(bytes, at, 0, repeated(bytes.subarray(start, start + count), 2 ** times))
    },
)

const one = fc.oneof(
  ...[overwrite, insert, remove, cut, splice].map((arbitrary) => ({ arbitrary, weight: 5 })),
  ...[repeatWord, repeatPart].map((arbitrary) => ({ arbitrary, weight: 1 })),
)

/** One of the samples, damaged in up to six ways, of a megabyte at most. */
export function damaged(samples: readonly Buffer[]): fc.Arbitrary<Buffer> {
  const edits = fc.array(one, {
    minLength: 1,
    maxLength: 6,
  })
  return fc
    .tuple(fc.constantFrom(...samples), fc.constantFrom(...samples), edits)
    .map(([bytes, other, all]) => all.reduce((before, edit) => edit(before, other).subarray(0, mebi), bytes))
}

function replace(bytes: Buffer, at: number, count: number, put: Buffer = Buffer.of()): Buffer {
  const start = at % (bytes.length + 1)
  return Buffer.concat([bytes.subarray(0, start), put, bytes.subarray(start + count)])
}

function repeated(bytes: Buffer, times: number): Buffer {
  return Buffer.alloc(Math.min(bytes.length * times, mebi), bytes.length > 0 ? bytes : 0)
}

function bytesOf(value: number, size: number, isLittle: boolean): Buffer {
  const bytes = Buffer.alloc(size)
  const width = Math.min(size, 6)
  const fitting = value % 2 ** (width * 8)
  if (isLittle) bytes.writeUIntLE(fitting, 0, width)
  else bytes.writeUIntBE(fitting, size - width, width)
  return bytes
}
