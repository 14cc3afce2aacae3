import { z } from 'zod'
import { ProviderError } from '../model/error.ts'
import { printable, quote } from '../model/quote.ts'

const defaultSeconds = 300
const seconds = z.coerce.number().pipe(z.int().min(0).max(86_400))

/**
 * How many seconds to wait for a host's lock.
 *
 * @throws ProviderError BAD_INPUT
 */
export function parseLockWait(text: string | undefined): number {
  if (text === undefined || text.trim() === '') return defaultSeconds
  const parsed = seconds.safeParse(text)
  if (parsed.success) return parsed.data
  throw new ProviderError(
    'BAD_INPUT',
    `Cannot use ${quote(text)} as postgres-oci:lockWait or PGOCI_LOCK_WAIT: expected whole seconds from 0 to 86400`,
  )
}

const longestLine = 4096

/**
 * Listens to a verb's answer while it comes, and calls `tell` with a line for people each time that the host says for
 * whom it waits: at once, and every minute.
 */
export function hearWaiting(
  nonce: string,
  about: { readonly name: string; readonly limit: number; readonly tell: (line: string) => void },
): (chunk: Buffer) => void {
  let isBegun = false
  let line = ''
  return (chunk) => {
    const lines = (line + chunk.toString('latin1')).split('\n')
    line = lines.pop()?.slice(-longestLine) ?? ''
    for (const one of lines) {
      if (one === `BEGIN ${nonce}`) isBegun = true
      const [key, waited = '', holder = ''] = isBegun ? one.split('\t') : []
      if (key !== 'WAIT' || !/^\d{1,6}$/.test(waited)) continue
      const whom = printable(Buffer.from(holder, 'latin1').toString('utf8').trim()) || 'somebody'
      const far = waited === '0' ? `waits up to ${about.limit} s` : `has waited ${waited} s of ${about.limit} s`
      about.tell(`Waiting for ${about.name}: ${whom} is at work there; ${far}`)
    }
  }
}
