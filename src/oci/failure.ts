import { z } from 'zod'
import { messageOf, ProviderError } from '../model/error.ts'
import { printable, quote } from '../model/quote.ts'

/** What a registry says of an error (distribution-spec, "Error Codes"); it may also say nothing, or anything. */
const errorsSchema = z.object({
  errors: z.array(z.object({ code: z.string().optional(), message: z.string().optional() })).min(1),
})

/** `MANIFEST_UNKNOWN: manifest unknown`, or nothing. */
export function reasonIn(body: Uint8Array): string {
  try {
    const first = errorsSchema.parse(JSON.parse(new TextDecoder().decode(body))).errors[0]
    return printable([first?.code, first?.message].filter(Boolean).join(': '))
  } catch {
    return ''
  }
}

/** An answer that is no success: `what` is the tag or digest that was asked for. */
export function refused(name: string, what: string, answer: { status: number; reason: string }): ProviderError {
  const said = `the registry answered ${answer.status}${answer.reason ? ` (${answer.reason})` : ''}`
  if (answer.status === 404)
    return new ProviderError('NOT_FOUND', `Cannot find ${quote(what)} in ${name}: ${said}; check the name and the tag`)
  if (answer.status === 401 || answer.status === 403)
    return new ProviderError(
      'LOGIN_REFUSED',
      `Cannot read ${quote(what)} from ${name}: ${said}; check the name, or make the repository public`,
    )
  const advice = answer.status === 429 ? 'it allows no more requests now, run it again later' : 'run it again later'
  return new ProviderError('REGISTRY_FAILED', `Cannot read ${quote(what)} from ${name}: ${said}; ${advice}`)
}

const untrusted = /^(?:CERT_|SELF_SIGNED|DEPTH_ZERO|UNABLE_TO_|ERR_TLS_CERT)/
const noTls = /^(?:EPROTO|ERR_SSL_)/

/** A failure that no further attempt can change, because it lies in the settings; else nothing. */
export function misconfigured(name: string, host: string, error: unknown): ProviderError | undefined {
  const code = codeOf(error)
  const setting = `of ${quote(host)} in postgres-oci:registries`
  if (untrusted.test(code))
    return new ProviderError(
      'REGISTRY_FAILED',
      `Cannot trust ${name}: the certificate of ${host} is not accepted (${printable(messageOf(error))}); set caFile ${setting} to the certificate of its authority`,
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
  return `broke off (${printable(messageOf(error))})`
}

function codeOf(error: unknown): string {
  const { code, cause } = (error ?? {}) as { code?: unknown; cause?: unknown }
  if (typeof code === 'string') return code
  // Node tries several addresses of a name and reports them together.
  if (error instanceof AggregateError) return codeOf(error.errors[0])
  return cause === undefined ? '' : codeOf(cause)
}
