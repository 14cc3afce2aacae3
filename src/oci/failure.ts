import { messageOf, ProviderError } from '../model/error.ts'
import { printable, quote } from '../model/quote.ts'

const untrusted = /^(?:CERT_|SELF_SIGNED|DEPTH_ZERO|UNABLE_TO_|ERR_TLS_CERT)/
/** What the other side says of ours: that there is none, or that it is not known. */
const wantsCertificate = /ALERT_.*(?:CERTIFICATE|UNKNOWN_CA|HANDSHAKE_FAILURE)/
const noTls = /^(?:EPROTO|ERR_SSL_)/

/** A failure that no further attempt can change, because it lies in the settings; else nothing. */
export function misconfigured(name: string, host: string, error: unknown): ProviderError | undefined {
  const code = codeOf(error)
  const setting = `of ${quote(host)} in postgres-oci:registries (for npx pgoci, in PGOCI_REGISTRIES)`
  if (untrusted.test(code))
    return new ProviderError(
      'REGISTRY_FAILED',
      `Cannot trust ${name}: the certificate of ${host} is not accepted (${printable(messageOf(error))}); set caFile ${setting} to the certificate of its authority`,
    )
  if (wantsCertificate.test(code))
    return new ProviderError(
      'REGISTRY_REFUSED',
      `Cannot reach ${name}: ${host} wants a certificate of ours; set certFile and keyFile ${setting} to one that it knows`,
    )
  if (noTls.test(code))
    return new ProviderError(
      'REGISTRY_FAILED',
      `Cannot reach ${name}: ${host} does not speak TLS; if it is a plain HTTP registry, set insecure ${setting} to true`,
    )
  return undefined
}

/** No answer at all, or one that broke off. */
export function unreachable(name: string, host: string, error: unknown): ProviderError {
  return new ProviderError(
    'REGISTRY_FAILED',
    `Cannot reach ${name}: ${host} ${explain(error)}; check the name and the network, and run it again`,
    { cause: error },
  )
}

function explain(error: unknown): string {
  const code = codeOf(error)
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return 'is not known to the name service'
  if (code === 'ECONNREFUSED') return 'refuses connections'
  if (/^UND_ERR_(?:HEADERS|BODY|CONNECT)_TIMEOUT$/.test(code)) return 'does not answer in time'
  const [, byProxy] = /^Proxy response \((\d+)\)/.exec(messageOf(error)) ?? []
  if (byProxy !== undefined) return `cannot be reached through the proxy, which answers ${byProxy}`
  return `broke off (${printable(messageOf(error))})`
}

function codeOf(error: unknown): string {
  const { code, cause } = (error ?? {}) as { code?: unknown; cause?: unknown }
  if (typeof code === 'string') return code
  // Node tries several addresses of a name and reports them together.
  if (error instanceof AggregateError) return codeOf(error.errors[0])
  return cause === undefined ? '' : codeOf(cause)
}
