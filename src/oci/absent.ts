import { ProviderError } from '../model/error.ts'
import type { Source } from './source.ts'

/** A source that has nothing: with it, an image is read from the cache or not at all. */
export function absentSource({ name }: Source): Source {
  const refuse = async () => {
    throw new ProviderError('NOT_FOUND', `Cannot find ${name} in the cache`)
  }
  return { name, resolve: refuse, tags: refuse, manifest: refuse, blob: refuse, referrers: refuse }
}
