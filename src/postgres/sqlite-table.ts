const magic = 'SQLite format 3\0'
const interior = 5
const leaf = 13
/** Of the first page, which begins with the file's own header. */
const headerSize = 100
const integerSizes = [0, 1, 2, 3, 4, 6, 8]

/** Texts and blobs are bytes; numbers with a fraction are left out. */
export type Value = Buffer | number | undefined

/**
 * The rows of one table in a file of SQLite (its "Database File Format"), as it is without its journal.
 *
 * Files are an image's: each page is used once, and rows are together no larger than the file, so that no file takes more
 * than its size.
 *
 * @throws SyntaxError whose message completes "the file …"; RangeError for what lies outside of the file
 */
export function* readTable(bytes: Buffer, table: string): Iterable<readonly Value[]> {
  const file = new SqliteFile(bytes)
  for (const [type, , name, root] of file.rows(1)) {
    if (String(type) !== 'table' || String(name) !== table || typeof root !== 'number') continue
    yield* file.rows(root)
    return
  }
  throw new SyntaxError(`has no table ${table}`)
}

class SqliteFile {
  readonly #bytes: Buffer
  readonly #pageSize: number
  /** What a page has for us: some end with bytes for extensions. */
  readonly #usable: number
  readonly #used = new Set<number>()
  #left: number

  constructor(bytes: Buffer) {
    if (bytes.toString('latin1', 0, magic.length) !== magic) throw new SyntaxError('is no database of SQLite')
    const size = bytes.readUInt16BE(16)
    this.#bytes = bytes
    this.#left = bytes.length
    this.#pageSize = size === 1 ? 65_536 : size
    this.#usable = this.#pageSize - bytes.readUInt8(20)
    if (this.#pageSize < 512 || this.#usable < 480) throw new SyntaxError(`has pages of ${this.#pageSize} bytes`)
  }

  /** Of the tree of pages that begins there. */
  *rows(root: number): Iterable<readonly Value[]> {
    const pages = [root]
    for (let number = pages.pop(); number !== undefined; number = pages.pop()) {
      const page = this.#page(number)
      const start = number === 1 ? headerSize : 0
      const kind = page.readUInt8(start)
      if (kind !== interior && kind !== leaf) throw new SyntaxError(`has a page of the unknown kind ${kind} in a table`)
      const cells = Array.from({ length: page.readUInt16BE(start + 3) }, (_, index) =>
        page.readUInt16BE(start + (kind === interior ? 12 : 8) + 2 * index),
      )
      if (kind === leaf) for (const at of cells) yield valuesOf(this.#payload(page, at))
      else {
        pages.push(page.readUInt32BE(start + 8), ...cells.map((at) => page.readUInt32BE(at)).reverse())
        if (pages.length * this.#pageSize > this.#bytes.length) throw new SyntaxError('has tables in circles')
      }
    }
  }

  #page(number: number): Buffer {
    const start = (number - 1) * this.#pageSize
    if (number < 1 || start + this.#pageSize > this.#bytes.length) throw new SyntaxError('lacks some of its pages')
    if (this.#used.has(number)) throw new SyntaxError('uses a page twice')
    this.#used.add(number)
    return this.#bytes.subarray(start, start + this.#usable)
  }

  /** A row is in its page, or begins there and goes on in a list of others. */
  #payload(page: Buffer, at: number): Buffer {
    const [size, behindSize] = varint(page, at)
    const [, start] = varint(page, behindSize)
    this.#left -= size
    if (this.#left < 0) throw new SyntaxError('has rows that are larger than it is')
    const usable = this.#usable
    const most = usable - 35
    const least = Math.floor(((usable - 12) * 32) / 255) - 23
    const some = least + ((size - least) % (usable - 4))
    const local = size <= most ? size : some <= most ? some : least
    if (start + local > page.length) throw new SyntaxError('has a row that leaves its page')
    const parts = [page.subarray(start, start + local)]
    let next = local < size ? page.readUInt32BE(start + local) : 0
    for (let rest = size - local; rest > 0; rest -= usable - 4) {
      const more = this.#page(next)
      parts.push(more.subarray(4, 4 + rest))
      next = more.readUInt32BE(0)
    }
    return parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts)
  }
}

function valuesOf(row: Buffer): Value[] {
  const values: Value[] = []
  const [end, first] = varint(row, 0)
  let value = end
  for (let at = first; at < end; ) {
    const [type, next] = varint(row, at)
    const size = type >= 12 ? Math.floor((type - 12) / 2) : type === 7 ? 8 : (integerSizes[type] ?? 0)
    if (value + size > row.length) throw new SyntaxError('has a row that ends too early')
    values.push(valueAt(row, value, { type, size }))
    at = next
    value += size
  }
  return values
}

function valueAt(row: Buffer, at: number, { type, size }: { type: number; size: number }): Value {
  if (type >= 12) return row.subarray(at, at + size)
  if (type === 8 || type === 9) return type - 8
  if (type === 0 || type > 6) return undefined
  return size === 8 ? Number(row.readBigInt64BE(at)) : row.readIntBE(at, size)
}

/** Above 2^53 it is inexact, which is far outside of any file all the same. */
function varint(bytes: Buffer, at: number): [value: number, next: number] {
  let value = 0
  for (let index = at; index < at + 8; index++) {
    const byte = bytes.readUInt8(index)
    value = value * 128 + (byte & 127)
    if (byte < 128) return [value, index + 1]
  }
  return [value * 256 + bytes.readUInt8(at + 8), at + 9]
}
