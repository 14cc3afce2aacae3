import { createHash } from 'node:crypto'
import { quote } from './quote.ts'

/** `sha256:` and 64 lower-case hex digits; only {@link parseDigest} and {@link digestOf} make one. */
export type Digest = string & { readonly __digest: never }

const pattern = /^sha256:[0-9a-f]{64}$/

export function isDigest(text: string): text is Digest {
  return pattern.test(text)
}

/**
 * @throws SyntaxError when the text is no sha256 digest. Checked before a digest goes into a URL, a path or a tag
 * (CVE-2024-3727).
 */
export function parseDigest(text: string): Digest {
  if (!isDigest(text)) {
    throw new SyntaxError(`Cannot parse digest ${quote(text)}: expected "sha256:" and 64 lower-case hex digits`)
  }
  return text
}

export function digestOf(content: string | Uint8Array): Digest {
  return digestFromHex(createHash('sha256').update(content).digest('hex'))
}

export function digestFromHex(hex: string): Digest {
  return parseDigest(`sha256:${hex}`)
}

/** The 64 hex digits, which is how files are named in caches and stores. */
export function hexOf(digest: Digest): string {
  return digest.slice('sha256:'.length)
}

/** The first 12 hex digits: enough for people, never used to decide. */
export function shortDigest(digest: Digest): string {
  return hexOf(digest).slice(0, 12)
}
