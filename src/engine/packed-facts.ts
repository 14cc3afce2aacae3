import { gunzipSync, gzipSync } from 'node:zlib'
import type { ImageFacts } from '../postgres/facts.ts'
import { factsSchema } from './facts-schema.ts'

const maxUnpacked = 16 * 1024 ** 2

/**
 * What a proof needs to know of a distribution, for its state: then another machine can prove an extension without
 * reading the whole distribution again. Some 20 kB for a Debian with Postgres.
 */
export function packFacts({ binaries, links, extensions, server }: ImageFacts): string {
  const nothing = { control: {}, secondary: {}, scripts: { installable: [], updates: [] } }
  const kept: ImageFacts = {
    binaries: binaries.map((one) => ({ ...one, requires: {} })),
    links,
    extensions: Object.fromEntries(Object.keys(extensions).map((name) => [name, nothing])),
    ...{ unread: {}, packages: {} },
    server: server && { ...server, configure: [], locales: [] },
  }
  return gzipSync(JSON.stringify(kept), { level: 9 }).toString('base64')
}

/** Undefined for what is not, or no longer, what {@link packFacts} writes. */
export function unpackFacts(text: unknown): ImageFacts | undefined {
  if (typeof text !== 'string') return undefined
  try {
    const json = gunzipSync(Buffer.from(text, 'base64'), { maxOutputLength: maxUnpacked })
    return factsSchema.parse(JSON.parse(json.toString('utf8')))
  } catch {
    return undefined
  }
}
