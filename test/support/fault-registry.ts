import type { Blob } from './layout.ts'
import { errors, headersOf } from './registry/exchange.ts'
import type { Fault } from './registry/registry.ts'

export { type Fault, type RegistryOptions, startRegistry, type TestRegistry } from './registry/registry.ts'
export { errors, headersOf }

export const status =
  (code: number, headers: Record<string, string> = {}, body = ''): Fault =>
  (answer) =>
    void answer.writeHead(code, headers).end(body)

/** Announces all of a blob and ends the connection after `count` bytes of it. */
export const cutAfter =
  (one: Blob, count: number): Fault =>
  (answer) => {
    answer.writeHead(200, headersOf(one))
    answer.write(one.bytes.subarray(0, count), () => answer.destroy())
    answer.flushHeaders()
  }

/** Sends `count` bytes of a blob and then nothing more, ever. */
export const stallAfter =
  (one: Blob, count: number): Fault =>
  (answer) => {
    answer.writeHead(200, headersOf(one)).flushHeaders()
    if (count > 0) answer.write(one.bytes.subarray(0, count))
  }

export const send =
  (bytes: Buffer, headers: Record<string, string> = {}): Fault =>
  (answer) =>
    void answer.writeHead(200, headers).end(bytes)
