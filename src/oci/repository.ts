import type { ProviderError } from '../model/error.ts'
import type { Certificates } from './certificates.ts'
import { parseChallenges } from './challenge.ts'
import { type Answer, openClient, type Request } from './client.ts'
import type { FindCredential } from './credential.ts'
import type { Log } from './environment.ts'
import { openLogin } from './login.ts'
import type { Network } from './network.ts'
import { readRefusal, refused } from './refusal.ts'
import type { RegistrySetting } from './settings.ts'
import { isNews, warningsIn } from './warning.ts'

export interface RepositoryOptions {
  readonly setting?: Pick<RegistrySetting, 'insecure'> | undefined
  readonly certificates?: Certificates | undefined
  /** Asked when the registry wants a login. @default anonymous */
  readonly credential?: FindCredential | undefined
  /** Where proxies are looked up. @default process.env */
  readonly env?: NodeJS.ProcessEnv | undefined
  readonly log?: Log | undefined
  /** For messages. @default `ghcr.io/acme/pgvector` */
  readonly name?: string
  readonly network?: Network | undefined
  /** What a login is for. @default pull */
  readonly access?: 'pull' | 'push' | undefined
}

type Asking = Omit<Request, 'authorization' | 'guard'>

/** One repository of a registry, and our login there. */
export interface Repository {
  /** For messages: `ghcr.io/acme/pgvector`. */
  readonly name: string
  /** `https://registry-1.docker.io`. */
  readonly origin: URL
  /**
   * The last answer, after a login if the registry asks for one; a refused login is an error.
   *
   * @param path below `/v2/REPOSITORY/`, or the whole URL; our login goes to no other origin than the registry's
   */
  ask(path: string | URL, options: Asking): Promise<Answer>
  /** The same; every status but these is an error. */
  expect(path: string | URL, options: Asking & { readonly statuses?: readonly number[] }): Promise<Answer>
  /** The error that an answer is, for whoever did not expect it; `what` was asked for. */
  refuse(what: string, answer: Answer): Promise<ProviderError>
  /** What the registry was sent last; nothing until it has asked. */
  authorization(): string | undefined
  /** The whole URL of a path below `/v2/REPOSITORY/`. */
  urlOf(path: string): URL
}

export function openRepository(
  { registry, repository }: { readonly registry: string; readonly repository: string },
  options: RepositoryOptions,
): Repository {
  const { setting = {}, log, name = `${registry}/${repository}`, access = 'pull' } = options
  // Docker Hub's name is not its host's.
  const host = registry === 'docker.io' ? 'registry-1.docker.io' : registry
  const origin = new URL(`${setting.insecure ? 'http' : 'https'}://${host}`)
  const client = openClient({ ...options, name, registry: origin })
  const login = openLogin({ client, registry: origin, repository, access, name, credential: options.credential })

  const urlOf = (path: string) => new URL(`/v2/${repository}/${path}`, origin)
  const lastPart = (path: string | URL) => /([^/?]*)(?:\?.*)?$/.exec(String(path))?.[1] ?? ''
  const refuse = async (what: string, answer: Answer) => {
    return refused(what, await readRefusal(answer, name), { name, registry: origin, access, login: login.told() })
  }

  /** Some registries refuse without saying how to log in, and say it here (C-oci, H3). */
  const ping = async (signal: AbortSignal | undefined) => {
    const answer = await client.send(new URL('/v2/', origin), { signal })
    await answer.body.dump()
    return parseChallenges(answer.headers['www-authenticate'])
  }

  const ask: Repository['ask'] = async (path, { signal, ...asking }) => {
    const url = typeof path === 'string' ? urlOf(path) : path
    let last: 'new' | 'known' | 'none' = 'known'
    for (let renewals = 0; ; renewals += 1) {
      const used = url.origin === origin.origin ? login.authorization() : undefined
      const answer = await client.send(url, { ...asking, signal, authorization: used })
      for (const text of warningsIn(answer.url.origin === origin.origin ? answer.headers['warning'] : undefined))
        if (isNews(host, text)) log?.(`The registry ${host} warns: ${text}`)
      // Who wants a login elsewhere gets none of ours.
      if (answer.statusCode !== 401 || answer.url.origin !== origin.origin) return answer
      const own = parseChallenges(answer.headers['www-authenticate'])
      const isNarrow = own.some(({ parameters }) => parameters['error'] === 'insufficient_scope')
      // A token that came just now is not asked for again, unless it was for too little.
      if (renewals < 2 && (last === 'known' || (isNarrow && last === 'new')))
        last = await login.renew(own.length > 0 ? own : await ping(signal), { used, signal })
      else last = 'none'
      if (last === 'none') throw await refuse(lastPart(path), answer)
      await answer.body.dump()
    }
  }

  return {
    name,
    origin,
    ask,
    refuse,
    authorization: login.authorization,
    urlOf,
    expect: async (path, { statuses = [200], ...asking }) => {
      const answer = await ask(path, asking)
      if (statuses.includes(answer.statusCode)) return answer
      throw await refuse(lastPart(path), answer)
    },
  }
}
