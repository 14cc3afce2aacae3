import { ProviderError } from '../model/error.ts'
import { quote } from '../model/quote.ts'

let configured: string | undefined

/** Takes the stack's `postgres-oci:verify`, which comes before the environment's PGOCI_VERIFY. */
export function configureVerify(text: string | undefined): void {
  configured = text
}

/** How closely hosts are looked at: `quick` reads what the file system says has changed, `full` reads all. */
export function verify(): 'quick' | 'full' {
  const text = configured || process.env['PGOCI_VERIFY'] || 'quick'
  if (text === 'quick' || text === 'full') return text
  const name = configured ? 'postgres-oci:verify' : 'PGOCI_VERIFY'
  throw new ProviderError('BAD_INPUT', `Cannot use ${name}: it is ${quote(text)}; set it to "quick" or "full"`)
}
