import { messageOf, ProviderError } from '../model/error.ts'
import { printable, quote } from '../model/quote.ts'

/** Real documents have six levels. */
const maxDepth = 64
/** Maps whose keys are their authors' own. */
const free = new Set(['annotations', 'Labels'])

/**
 * Parses a document that other programs read as well, and refuses what they would read otherwise: one key twice, of
 * which some take the first; a byte order mark; and, of `keys`, other spellings, because Go's readers do not tell
 * capitals from small letters, so that `Layers` would be what they see of an image and `layers` what we do.
 *
 * @param options.keys the names that matter in this kind of document
 * @throws ProviderError BAD_IMAGE
 */
export function parseJson(bytes: Uint8Array, source: string, options: { keys?: readonly string[] } = {}): unknown {
  let text: string
  let value: unknown
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
    value = JSON.parse(text)
  } catch (error) {
    throw bad(source, `its metadata is no JSON (${printable(messageOf(error))}); push it again`)
  }
  const found = findAmbiguity(text, new Map((options.keys ?? []).map((key) => [fold(key), key])))
  if (found !== undefined) throw bad(source, `its metadata is ambiguous, ${found}; build it again with another tool`)
  return value
}

export function bad(source: string, why: string): ProviderError {
  return new ProviderError('BAD_IMAGE', `Cannot use the image ${source}: ${why}`)
}

/** @param text is JSON, so that only what tells keys from values has to be looked at */
function findAmbiguity(text: string, spellings: ReadonlyMap<string, string>): string | undefined {
  const open: { readonly keys: Set<string>; readonly isFree: boolean }[] = []
  let last = ''
  for (let at = 0; at < text.length; at += 1) {
    const character = text[at]
    if (character === '"') {
      const start = at
      for (at += 1; text[at] !== '"'; at += 1) if (text[at] === '\\') at += 1
      last = text.slice(start, at + 1)
    } else if (character === '{' || character === '[') {
      if (open.length === maxDepth) return `it is more than ${maxDepth} levels deep`
      open.push({ keys: new Set(), isFree: free.has(last) })
    } else if (character === '}' || character === ']') {
      open.pop()
      last = ''
    } else if (character === ':') {
      last = JSON.parse(last) as string
      const { keys, isFree } = open.at(-1) as (typeof open)[0]
      if (keys.has(last)) return `it has ${quote(last, 80)} twice`
      keys.add(last)
      const meant = isFree ? undefined : spellings.get(fold(last))
      if (meant !== undefined && meant !== last) return `${quote(last, 80)} is nearly ${quote(meant)}`
    } else if (character === ',') last = ''
  }
  return undefined
}

/** As Go's encoding/json compares keys: also the long s and the sign of Kelvin are an s and a k. */
function fold(key: string): string {
  return key.toUpperCase().toLowerCase()
}
