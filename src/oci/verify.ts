import { createHash } from 'node:crypto'
import { Transform } from 'node:stream'
import { type Digest, digestFromHex } from '../model/digest.ts'
import { ProviderError } from '../model/error.ts'
import { maxDocument } from './source.ts'

/**
 * Passes bytes on and fails at the first byte too many, at a short end, and at a wrong digest. Only the end of the
 * stream is the proof, so nothing may use the bytes before it.
 *
 * @param expected without a size, it is a manifest
 * @param options.source for messages
 * @param options.came hears how many bytes each chunk has
 */
export function verify(
  expected: { readonly digest: Digest; readonly size: number | undefined },
  options: { readonly source: string; readonly came?: (bytes: number) => void },
): Transform {
  const { source, came } = options
  const hash = createHash('sha256')
  const limit = expected.size ?? maxDocument
  let size = 0
  const lied = (found: string) =>
    new ProviderError(
      'DIGEST_MISMATCH',
      `Cannot use ${expected.digest} from ${source}: ${found}; it is damaged there or on the way, run it again or push the image again`,
    )
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      size += chunk.length
      if (size > limit) return done(lied(`more than the announced ${limit} bytes came`))
      hash.update(chunk)
      came?.(chunk.length)
      done(null, chunk)
    },
    flush(done) {
      const found = digestFromHex(hash.digest('hex'))
      if (found !== expected.digest) return done(lied(`what came has the digest ${found}`))
      const whole = expected.size === undefined || expected.size === size
      done(whole ? null : lied(`${size} bytes came, ${limit} were announced`))
    },
  })
}
