const class64 = 2
const bigEndian = 2
const maxText = 4096

/** From the first byte that was left out to the one behind the last. */
export interface Hole {
  readonly from: number
  readonly to: number
}

/** The bytes of an ELF file as numbers and texts of its class and byte order; whatever lies outside of it is refused. */
export class ElfFile {
  readonly is64: boolean
  readonly isLittle: boolean
  readonly #view: DataView
  readonly #hole: Hole

  constructor(bytes: Uint8Array, hole: Hole = { from: 0, to: 0 }) {
    this.#hole = hole
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.is64 = this.#byteIn(4, [1, class64], 'class') === class64
    this.isLittle = this.#byteIn(5, [1, bigEndian], 'byte order') !== bigEndian
    this.#byteIn(6, [1], 'version')
  }

  get size(): number {
    return this.#view.byteLength
  }

  half(at: number): number {
    return this.#view.getUint16(this.#inside(at, 2), this.isLittle)
  }

  word(at: number): number {
    return this.#view.getUint32(this.#inside(at, 4), this.isLittle)
  }

  /** A number as wide as the class. Above 2^53 it is inexact, which is far outside of any file all the same. */
  wide(at: number): number {
    return this.is64 ? Number(this.#view.getBigUint64(this.#inside(at, 8), this.isLittle)) : this.word(at)
  }

  /** The text that begins at `at`, up to its NUL, which is there before `end`. */
  text(at: number, end: number): string {
    const before = at < this.#hole.from ? this.#hole.from : this.size
    const last = Math.min(end, at + maxText + 1, before)
    const bytes = new Uint8Array(this.#view.buffer, this.#view.byteOffset + this.#inside(at, 1), Math.max(0, last - at))
    const length = bytes.indexOf(0)
    if (length < 0) throw new SyntaxError('holds a text without an end')
    return new TextDecoder().decode(bytes.subarray(0, length))
  }

  #inside(at: number, count: number): number {
    if (at < this.#hole.to && at + count > this.#hole.from)
      throw new SyntaxError('has its tables in the middle, where it was not read')
    if (Number.isSafeInteger(at) && at >= 0 && at + count <= this.size) return at
    throw new SyntaxError('refers to bytes that it does not have')
  }

  #byteIn(at: number, known: readonly number[], what: string): number {
    const value = this.#view.getUint8(this.#inside(at, 1))
    if (known.includes(value)) return value
    throw new SyntaxError(`has the unknown ${what} ${value}`)
  }
}
