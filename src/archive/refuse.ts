import { ProviderError } from '../model/error.ts'
import { quote } from '../model/quote.ts'

/** Where an error happened: `layer 2 of ghcr.io/acme/pgvector@sha256:…`; `the layer` when the caller does not say. */
export type ArchiveName = string

export const unnamed: ArchiveName = 'the layer'

const rebuild = 'build the image again without it'

/** A layer that has an entry which we do not take: which one, why, and what to do. */
export function refuseEntry(name: ArchiveName, path: string, why: string, advice: string = rebuild): ProviderError {
  return new ProviderError('LAYER_REFUSED', `Cannot use ${name}: its entry ${quote(path)} ${why}; ${advice}`)
}

/** A layer whose bytes are no tar, or end early. */
export function refuseArchive(name: ArchiveName, why: string): ProviderError {
  return new ProviderError('BAD_IMAGE', `Cannot read ${name}: ${why}; build or push the image again`)
}
