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
 */
export function verify(expected: { digest: Digest; size: number | undefined }, source: string): Transform {
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
