/** Reads a stream by counts of bytes, and no further ahead than the chunk that holds them. Short answers mean the end. */
export class ByteReader {
  readonly #chunks: AsyncIterator<Buffer>
  #buffer: Buffer = Buffer.alloc(0)
  #ended = false

  constructor(input: AsyncIterable<Buffer>) {
    this.#chunks = input[Symbol.asyncIterator]()
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
    const bytes = await this.peek(count)
    this.#buffer = this.#buffer.subarray(bytes.length)
    return bytes
  }

  /** What has come already, or else the next chunk, cut at `limit`; `undefined` at the end. Copies nothing. */
  async some(limit: number): Promise<Buffer | undefined> {
    while (this.#buffer.length === 0) if (!(await this.#next())) return undefined
    const bytes = this.#buffer.subarray(0, limit)
    this.#buffer = this.#buffer.subarray(bytes.length)
    return bytes
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

  async #next(): Promise<boolean> {
    if (this.#ended) return false
    const { value, done } = await this.#chunks.next()
    this.#ended = done === true
    this.#buffer = done ? Buffer.alloc(0) : value
    return !done
  }
}
