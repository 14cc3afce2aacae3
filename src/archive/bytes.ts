/** Bytes of which a reader may pass over some without their being read: those of a plain file. */
export interface SeekableBytes extends AsyncIterable<Buffer> {
  /** @returns how many were passed over: fewer at the end */
  skip(count: number): number
}

/** Reads a stream by counts of bytes, and no further ahead than the chunk that holds them. Short answers mean the end. */
export class ByteReader {
  readonly #chunks: AsyncIterator<Buffer>
  #buffer: Buffer = Buffer.alloc(0)
  readonly #seek: ((count: number) => number) | undefined
  #ended = false
  #position = 0

  constructor(input: AsyncIterable<Buffer> | SeekableBytes) {
    this.#chunks = input[Symbol.asyncIterator]()
    this.#seek = 'skip' in input ? (count) => input.skip(count) : undefined
  }

  /** How many bytes were taken or passed over. */
  get position(): number {
    return this.#position
  }

  /** The next bytes, which stay to be read. For small counts: they are put together in memory. */
  async peek(count: number): Promise<Buffer> {
    if (this.#buffer.length < count) {
      const parts = [this.#buffer]
      let length = this.#buffer.length
      while (length < count && (await this.#next())) {
        parts.push(this.#buffer)
        length += this.#buffer.length
      }
      this.#buffer = Buffer.concat(parts)
    }
    return this.#buffer.subarray(0, count)
  }

  async take(count: number): Promise<Buffer> {
    await this.peek(count)
    return this.#cut(count)
  }

  /** What has come already, or else the next chunk, cut at `limit`; `undefined` at the end. Copies nothing. */
  async some(limit: number): Promise<Buffer | undefined> {
    while (this.#buffer.length === 0) if (!(await this.#next())) return undefined
    return this.#cut(limit)
  }

  /** Passes over bytes, in a file without reading them. @returns how many: fewer at the end */
  async skip(count: number): Promise<number> {
    let left = count - this.#cut(count).length
    if (this.#seek !== undefined) {
      const sought = this.#seek(left)
      this.#position += sought
      return count - left + sought
    }
    while (left > 0) {
      const bytes = await this.some(left)
      if (bytes === undefined) break
      left -= bytes.length
    }
    return count - left
  }

  /** All that is left, in the chunks it comes in. */
  async *rest(): AsyncIterable<Buffer> {
    for (let bytes = await this.some(Infinity); bytes !== undefined; bytes = await this.some(Infinity)) yield bytes
  }

  /** Ends the input; a stream below is destroyed. */
  async close(): Promise<void> {
    this.#ended = true
    await this.#chunks.return?.()
  }

  #cut(count: number): Buffer {
    const bytes = this.#buffer.subarray(0, count)
    this.#buffer = this.#buffer.subarray(bytes.length)
    this.#position += bytes.length
    return bytes
  }

  async #next(): Promise<boolean> {
    if (this.#ended) return false
    const { value, done } = await this.#chunks.next()
    this.#ended = done === true
    this.#buffer = done ? Buffer.alloc(0) : value
    return !done
  }
}
