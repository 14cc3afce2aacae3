import fc from 'fast-check'

const mebi = 1024 * 1024
/** What readers of formats stumble over: numbers at the ends of their ranges, and texts that mean something to some. */
const numbers = [0, 1, 2, 3, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0x8000, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xffffffff]
const words = [
  ...['\0', '\n', '\r\n', '\t', ' ', '"', "'", '\\', '/', '//', '..', '../', '.', ',', ':', ';', '--', '-', '=', '#'],
  ...['{', '}', '[', ']', '{}', '[]', '*', '&a ', '*a', '!!', '|', '>', '%', '$', '^', '(', ')', '+', '?', '@', '~', '<'],
  ...['__proto__', 'constructor', 'toString', 'null', 'true', '-1', '1e999', 'NaN', '0x7', '9007199254740993', '000'],
  ...["'--", '.so', '.wh.', '.wh..wh..opq', 'lib', 'path=', 'size=', 'postgres (PostgreSQL) ', 'GNU C Library ('],
  ...['\x1b[31m', '\u202e', '\ufeff', '\u0000', 'é', '\ud83d\ude00', '\x7fELF', '\x1f\x8b', '(\xb5/\xfd', 'Slot', 'BlbS'],
].map((word) => Buffer.from(word, 'latin1'))

// Most of what matters stands at the beginning.
const at = fc.oneof(fc.nat(64), fc.nat(1024), fc.nat(mebi))
const number = fc.tuple(fc.constantFrom(...numbers), fc.constantFrom(1, 2, 4, 8), fc.boolean()).map(numberBytes)
const bytes = fc.oneof(number, fc.constantFrom(...words), fc.uint8Array({ minLength: 1, maxLength: 8 }).map(Buffer.from))

type Edit = (from: Buffer, other: Buffer) => Buffer

const edit: fc.Arbitrary<Edit> = fc.oneof(
  fc.tuple(at, fc.nat(7)).map(([at, bit]): Edit => (from) => replaced(from, at, 1, Buffer.of((from[at % from.length] ?? 0) ^ (1 << bit)))),
  fc.tuple(at, bytes).map(([at, put]): Edit => (from) => replaced(from, at, put.length, put)),
  fc.tuple(at, bytes).map(([at, put]): Edit => (from) => replaced(from, at, 0, put)),
  fc.tuple(at, fc.nat(600)).map(([at, count]): Edit => (from) => replaced(from, at, count, Buffer.of())),
  at.map((at): Edit => (from) => from.subarray(0, at % (from.length + 1))),
  fc.tuple(at, at).map(([at, from]): Edit => (one, other) => Buffer.concat([one.subarray(0, at), other.subarray(from % (other.length + 1))])),
  // A part of it, or a word, so often that whoever looks twice at each looks for long.
  fc
    .tuple(at, fc.oneof(bytes, fc.tuple(at, fc.integer({ min: 1, max: 700 }))), fc.nat(17))
    .map(([at, what, times]): Edit => (from) => {
      const part = Buffer.isBuffer(what) ? what : from.subarray(what[0] % (from.length + 1)).subarray(0, what[1])
      return replaced(from, at, 0, repeated(part, 2 ** times))
    }),
)
