import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Blob } from './layout.ts'

/** Does something else than a registry would, for one request. */
export type Fault = (answer: ServerResponse, request: IncomingMessage) => void

export interface TestRegistry {
  /** `127.0.0.1:port`. */
  readonly host: string
  /** `GET /v2/…` in their order. */
  readonly requests: string[]
  /** The next request that matches gets this fault; several wait in line. */
  fault(matching: RegExp, ...faults: readonly Fault[]): void
  close(): Promise<void>
}

/**
 * A registry in this process that serves one repository, `team/image`, and can be made to misbehave. How it behaves
 * otherwise is checked by skopeo, in test/oci/registry.test.ts.
 */
export async function startRegistry(
  tags: Readonly<Record<string, Blob>>,
  blobs: readonly Blob[],
): Promise<TestRegistry> {
  const known = new Map([...Object.values(tags), ...blobs].map((one): [string, Blob] => [one.digest, one]))
  const requests: string[] = []
  const faults: { matching: RegExp; fault: Fault }[] = []
  const server = createServer((request, answer) => {
    const line = `${request.method} ${request.url}`
    requests.push(line)
    const at = faults.findIndex(({ matching }) => matching.test(line))
    const [found] = at < 0 ? [] : faults.splice(at, 1)
    if (found) return found.fault(answer, request)
    const [, kind, name = ''] = /^\/v2\/team\/image\/(manifests|blobs)\/([^?]+)/.exec(request.url ?? '') ?? []
    const one = known.get(name) ?? (kind === 'manifests' ? tags[name] : undefined)
    if (request.url === '/v2/') return void answer.writeHead(200).end('{}')
    if (one === undefined) return void answer.writeHead(404).end(errors('MANIFEST_UNKNOWN', 'manifest unknown'))
    answer.writeHead(200, headersOf(one)).end(request.method === 'HEAD' ? undefined : one.bytes)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    fault: (matching, ...more) => void faults.push(...more.map((fault) => ({ matching, fault }))),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

export const headersOf = (one: Blob) => ({
  'content-type': one.mediaType,
  'content-length': one.size,
  'docker-content-digest': one.digest,
})

export const errors = (code: string, message: string) => JSON.stringify({ errors: [{ code, message }] })

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
