import type { Readable } from 'node:stream'

/** Reads a stream by counts of bytes. Short answers mean the end. */
export class ByteReader {
  readonly #chunks: AsyncIterator<Buffer>
  #buffer: Buffer = Buffer.alloc(0)
  #ended = false

  constructor(input: Readable) {
    this.#chunks = input[Symbol.asyncIterator]()
  }

  async peek(count: number): Promise<Buffer> {
    await this.#fill(count)
    return this.#buffer.subarray(0, count)
  }

  async take(count: number): Promise<Buffer> {
    const bytes = await this.peek(count)
    this.#buffer = this.#buffer.subarray(bytes.length)
    return bytes
  }

  /** All that is left, in the chunks it comes in. */
  async *rest(): AsyncIterable<Buffer> {
    if (this.#buffer.length > 0) yield this.#buffer
    this.#buffer = Buffer.alloc(0)
    while (!this.#ended) {
      const { value, done } = await this.#chunks.next()
      if (done) this.#ended = true
      else yield value
    }
  }

  async #fill(count: number): Promise<void> {
    const parts = [this.#buffer]
    let length = this.#buffer.length
    while (length < count && !this.#ended) {
      const { value, done } = await this.#chunks.next()
      if (done) this.#ended = true
      else {
        parts.push(value)
        length += value.length
      }
    }
    if (parts.length > 1) this.#buffer = Buffer.concat(parts)
  }
}
