import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Blob } from '../layout.ts'

/** A request that was understood: its repository and what is asked of it. */
export interface Exchange {
  readonly request: IncomingMessage
  readonly answer: ServerResponse
  readonly url: URL
  readonly repository: string
  /** Digest, tag or upload; `list` for tags. */
  readonly item: string
}

export const errors = (code: string, message: string) => JSON.stringify({ errors: [{ code, message }] })

export function refuse(
  answer: ServerResponse,
  status: number,
  code: string,
  headers: Record<string, string> = {},
): void {
  const message = code.toLowerCase().replaceAll('_', ' ')
  answer.writeHead(status, { 'content-type': 'application/json', ...headers }).end(errors(code, message))
}

export const headersOf = (one: Blob) => ({
  'content-type': one.mediaType,
  'content-length': one.size,
  'docker-content-digest': one.digest,
})

export async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk)
  return Buffer.concat(chunks)
}

/** A page of sorted names, as distribution-spec cuts lists: `n` and `last` in, Link out. */
export function page(
  names: readonly string[],
  url: URL,
  size: number,
): { names: string[]; headers: Record<string, string> } {
  const limit = Math.min(size, Number(url.searchParams.get('n') ?? size))
  const last = url.searchParams.get('last') ?? ''
  const rest = [...names].sort().filter((name) => name > last)
  const shown = rest.slice(0, limit)
  if (rest.length <= limit) return { names: shown, headers: {} }
  const next = new URL(url)
  next.searchParams.set('last', shown.at(-1) ?? '')
  return { names: shown, headers: { link: `<${next.pathname}${next.search}>; rel="next"` } }
}
