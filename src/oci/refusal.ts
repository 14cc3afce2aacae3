import { z } from 'zod'
import { ProviderError } from '../model/error.ts'
import { printable, quote } from '../model/quote.ts'
import { readBody } from './body.ts'
import type { Answer } from './client.ts'

const maxErrorBody = 64 * 1024

/** What registries (distribution-spec, "Error Codes") and token services (RFC 6749, 5.2) say of an error, if anything. */
const errorsSchema = z.object({
  errors: z
    .array(z.object({ code: z.string().optional(), message: z.string().optional() }))
    .optional()
    .catch(undefined),
  error: z.string().optional().catch(undefined),
  error_description: z.string().optional().catch(undefined),
  details: z.string().optional().catch(undefined),
})

/** Which login went with what was refused; without one, nobody asked for it. */
export interface LoginTold {
  readonly isSent: boolean
  readonly source?: string | undefined
}

/** An answer that is no success, as far as a message needs it. */
interface Refusal extends Pick<Answer, 'statusCode' | 'headers' | 'url'> {
  /** `MANIFEST_UNKNOWN: manifest unknown`, or nothing. */
  readonly reason: string
}

/** Reads what an answer says, and gives its connection back. */
export async function readRefusal(answer: Answer, name: string): Promise<Refusal> {
  const body = await readBody(answer, maxErrorBody, name).catch(() => new Uint8Array())
  const { statusCode, headers, url } = answer
  return { statusCode, headers, url, reason: reasonIn(body) }
}

function reasonIn(body: Uint8Array): string {
  try {
    const { errors, ...other } = errorsSchema.parse(JSON.parse(new TextDecoder().decode(body)))
    const { code, message } = errors?.[0] ?? { code: other.error, message: other.error_description ?? other.details }
    return printable([code, message].filter(Boolean).join(': '))
  } catch {
    return ''
  }
}

export interface RefusedOptions {
  /** For messages: registry and repository. */
  readonly name: string
  readonly registry: URL
  readonly login: LoginTold | undefined
}

/** @param what the tag or digest that was asked for */
export function refused(
  what: string,
  refusal: Refusal,
  { access, ...options }: RefusedOptions & { readonly access: 'pull' | 'push' },
): ProviderError {
  if (access === 'push') return notTaken(what, refusal, options)
  const { name, registry, login } = options
  const { statusCode, url } = refusal
  const isOurs = url.origin === registry.origin
  const said = `${isOurs ? 'the registry' : `${url.host}, where the registry sends us,`} ${answered(refusal)}`
  const subject = `${quote(what)} ${statusCode === 404 ? 'in' : 'from'} ${name}`
  if (statusCode === 404)
    return new ProviderError('NOT_FOUND', `Cannot find ${subject}: ${said}; check the name and the tag`)
  if (isOurs && (statusCode === 401 || statusCode === 403))
    return new ProviderError('REGISTRY_REFUSED', `Cannot read ${subject}: ${said}${withLogin(login, registry.host)}`)
  return new ProviderError('REGISTRY_FAILED', `Cannot read ${subject}: ${said}; ${patience(refusal, login)}`)
}

/** A registry that takes no manifest or blob of ours. */
function notTaken(what: string, refusal: Refusal, { name, registry, login }: RefusedOptions): ProviderError {
  const { statusCode, url, reason } = refusal
  const isOurs = url.origin === registry.origin
  const said = `${isOurs ? 'the registry' : `${url.host}, where the registry sends us,`} ${answered(refusal)}`
  const error = (code: ProviderError['code'], rest: string) =>
    new ProviderError(code, `Cannot write ${quote(what)} to ${name}: ${said}${rest}`)
  if (isOurs && (statusCode === 401 || statusCode === 403))
    return error('REGISTRY_REFUSED', withLogin(login, registry.host, 'write to'))
  if (statusCode === 404 && reason.startsWith('NAME_'))
    return error('REGISTRY_REFUSED', '; check the name, or create the repository there')
  if (statusCode === 405) return error('REGISTRY_REFUSED', '; it takes no uploads, as caches of others do; use another')
  if (statusCode === 413) return error('REGISTRY_REFUSED', '; it is larger than that takes; raise the limit there')
  if (statusCode >= 500) return error('REGISTRY_FAILED', '; its disk may be full, or it is down: look there')
  return error('REGISTRY_FAILED', `; ${patience(refusal, login)}`)
}

/** A token service that gives no token. Refused refresh tokens are a 400 (RFC 6749, 5.2). */
export function tokenRefused(refusal: Refusal, { name, registry, login }: RefusedOptions): ProviderError {
  const said = `its token service ${refusal.url.host} ${answered(refusal)}`
  if ([400, 401, 403].includes(refusal.statusCode))
    return new ProviderError('REGISTRY_REFUSED', `Cannot log in to ${name}: ${said}${withLogin(login, registry.host)}`)
  return new ProviderError('REGISTRY_FAILED', `Cannot log in to ${name}: ${said}; ${patience(refusal, login)}`)
}

/** `answered 429 (TOOMANYREQUESTS: …; 0 of 100 requests in 6 h are left)`. */
function answered({ statusCode, headers, reason }: Refusal): string {
  // Docker Hub's headers: `100;w=21600`.
  const [, limit, seconds] = /^(\d{1,9});w=(\d{1,9})$/.exec(String(headers['ratelimit-limit'])) ?? []
  const [, left] = /^(\d{1,9})(?:;|$)/.exec(String(headers['ratelimit-remaining'])) ?? []
  const rate =
    statusCode === 429 && limit && left ? `${left} of ${limit} requests in ${Number(seconds) / 3600} h are left` : ''
  const found = [reason, rate].filter(Boolean).join('; ')
  return `answered ${statusCode}${found ? ` (${found})` : ''}`
}

function withLogin(login: LoginTold | undefined, host: string, task: 'read' | 'write to' = 'read'): string {
  if (login === undefined)
    return task === 'read'
      ? '; check the name, or make the repository public'
      : '; check the name, and who may write there'
  if (!login.isSent) return `, and no login for it was found; check the name, or log in to ${host} as with docker login`
  const source = login.source ? `the login from ${printable(login.source)}` : 'the login that is configured'
  return ` to ${source}; check that login, and whether it may ${task} this repository`
}

function patience({ statusCode }: Refusal, login: LoginTold | undefined): string {
  if (statusCode !== 429) return 'run it again later'
  const more = login?.isSent ? '' : ', or log in, which may allow more'
  return `it allows no more requests now, run it again later${more}`
}
