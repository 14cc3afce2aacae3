import { ProviderError } from '../model/error.ts'
import { printable } from '../model/quote.ts'
import { type Endpoint, endpointName } from './connection.ts'
import { shutOut, unreachable } from './refusal.ts'

/** Whether ssh gave up because of a host's key. */
export function isKeyRefused(said: string): boolean {
  return /host key (?:verification failed|is known|for .* has changed)|host identification|revoked host key/i.test(said)
}

/** What to say when ssh ended before it was connected, from its exit code and what it wrote to stderr. */
export function notConnected(
  endpoint: Endpoint,
  end: { readonly code: number | undefined; readonly said: string; readonly timeout: number },
): ProviderError {
  const name = endpointName(endpoint)
  const said = end.said.trim()
  const last = printable(said.split('\n').slice(-2).join('; '), 400)
  if (end.code === 127 && /not found/.test(said))
    return new ProviderError(
      'BAD_INPUT',
      'Cannot use transport "openssh": there is no ssh on the PATH of this machine; install OpenSSH\'s client, or leave transport out',
    )
  if (/bad configuration option|can't open user config|bad owner or permissions on|unsupported option/i.test(said))
    return new ProviderError('BAD_INPUT', `Cannot use ssh for ${name}: ${last}; correct its configuration`)
  if (/permission denied|too many authentication failures|no more authentication methods/i.test(said))
    return new ProviderError(
      'LOGIN_REFUSED',
      `Cannot log in to ${name}: ssh says "${last}"; check with ssh -v -o BatchMode=yes that it logs in there without a question, and ${shutOut}`,
    )
  const hops = endpoint.proxy === undefined ? undefined : endpointName(endpoint.proxy)
  return unreachable(endpoint, {
    error: new Error(last || 'ssh ended without a word'),
    through: hops,
    timeout: end.timeout,
    // Then it is silent.
    atLogin: last === '' && end.code === 255 ? '' : undefined,
  })
}
