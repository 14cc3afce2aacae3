import type { Certificates } from './certificates.ts'
import { parseChallenges } from './challenge.ts'
import { type Answer, openClient } from './client.ts'
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
}

interface Asking {
  readonly method?: 'GET' | 'HEAD'
  readonly headers?: Readonly<Record<string, string>>
  readonly signal?: AbortSignal | undefined
}

/** One repository of a registry, and our login there. */
export interface Repository {
  /** For messages: `ghcr.io/acme/pgvector`. */
  readonly name: string
  /** `https://registry-1.docker.io`. */
  readonly origin: URL
  /**
   * The last answer, after a login if the registry asks for one; a refused login is an error.
   *
   * @param path below `/v2/REPOSITORY/`, or the whole URL
   */
  ask(path: string | URL, options: Asking): Promise<Answer>
  /** The same; every status but these is an error. */
  get(path: string | URL, options: Asking & { readonly statuses?: readonly number[] }): Promise<Answer>
}

export function openRepository(
  { registry, repository }: { readonly registry: string; readonly repository: string },
  options: RepositoryOptions,
): Repository {
  const { setting = {}, log, name = `${registry}/${repository}` } = options
  // Docker Hub's name is not its host's.
  const host = registry === 'docker.io' ? 'registry-1.docker.io' : registry
  const origin = new URL(`${setting.insecure ? 'http' : 'https'}://${host}`)
  const client = openClient({ ...options, name, registry: origin })
  const login = openLogin({ client, registry: origin, repository, name, credential: options.credential })

  const refuse = async (path: string | URL, answer: Answer) => {
    const what = /([^/?]*)(?:\?.*)?$/.exec(String(path))?.[1] ?? ''
    return refused(what, await readRefusal(answer, name), { name, registry: origin, login: login.told() })
  }

  /** Some registries refuse without saying how to log in, and say it here (C-oci, H3). */
  const ping = async (signal: AbortSignal | undefined) => {
    const answer = await client.send(new URL('/v2/', origin), { signal })
    await answer.body.dump()
    return parseChallenges(answer.headers['www-authenticate'])
  }

  const ask: Repository['ask'] = async (path, { signal, ...asking }) => {
    const url = typeof path === 'string' ? new URL(`/v2/${repository}/${path}`, origin) : path
    let last: 'new' | 'known' | 'none' = 'known'
    for (let renewals = 0; ; renewals += 1) {
      const used = login.authorization()
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
      if (last === 'none') throw await refuse(path, answer)
      await answer.body.dump()
    }
  }

  return {
    name,
    origin,
    ask,
    get: async (path, { statuses = [200], ...asking }) => {
      const answer = await ask(path, asking)
      if (statuses.includes(answer.statusCode)) return answer
      throw await refuse(path, answer)
    },
  }
}
