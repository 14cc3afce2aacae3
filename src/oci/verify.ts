import { createHash } from 'node:crypto'
import { Transform } from 'node:stream'
import { digestFromHex } from '../model/digest.ts'
import { ProviderError } from '../model/error.ts'
import type { Descriptor } from './source.ts'

/**
 * Passes bytes on and fails at the first byte too many, at a short end, and at a wrong digest. Only the end of the
 * stream is the proof, so nothing may use the bytes before it.
 */
export function verify(descriptor: Descriptor, source: string): Transform {
  const hash = createHash('sha256')
  let size = 0
  const lied = (found: string) =>
    new ProviderError(
      'DIGEST_MISMATCH',
      `Cannot use ${descriptor.digest} from ${source}: ${found}; the source is damaged or lies`,
    )
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      size += chunk.length
      if (size > descriptor.size) return done(lied(`more than the announced ${descriptor.size} bytes came`))
      hash.update(chunk)
      done(null, chunk)
    },
    flush(done) {
      const found = digestFromHex(hash.digest('hex'))
      if (found !== descriptor.digest) return done(lied(`what came has the digest ${found}`))
      done(size === descriptor.size ? null : lied(`${size} bytes came, ${descriptor.size} were announced`))
    },
  })
}
