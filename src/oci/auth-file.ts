import { z } from 'zod'
import { badFile, readConfigFile } from './config-file.ts'
import type { Credential } from './credential.ts'

const text = z.string().nullish()

const entrySchema = z.object({
  auth: text,
  username: text,
  password: text,
  identitytoken: text,
})

const entriesSchema = z.record(z.string(), entrySchema)

const fileSchema = z.object({
  auths: entriesSchema.nullish(),
  credHelpers: z.record(z.string(), z.string()).nullish(),
  credsStore: text,
})

type Entry = z.infer<typeof entrySchema>

/** What a tool's `login` left behind: logins, and programs that know more of them. */
export interface AuthFile {
  readonly path: string
  /** By key, in the file's order. */
  readonly entries: ReadonlyMap<string, Entry>
  /** Host → helper. */
  readonly helpers: ReadonlyMap<string, string>
  readonly store: string | undefined
}

/** What the server of Docker Hub is called when `docker login` stores its password. */
export const hubServer = 'https://index.docker.io/v1/'

const hubNames: readonly string[] = ['docker.io', 'index.docker.io', 'registry-1.docker.io']

/** The names under which tools keep a registry's login: one, except for Docker Hub. */
export function namesOf(registry: string): readonly string[] {
  return hubNames.includes(registry) ? [registry, ...hubNames.filter((name) => name !== registry)] : [registry]
}

/**
 * Reads Docker's `config.json` and Podman's `auth.json`, which have one format (containers-auth.json.5), or
 * `.dockercfg`, which is the `auths` alone. `undefined` where there is no such file.
 *
 * @throws ProviderError BAD_INPUT without a word of what the file holds
 */
export function readAuthFile(path: string, options: { readonly legacy: boolean }): AuthFile | undefined {
  const found = readConfigFile(path)
  if (found === undefined) return undefined
  let value: unknown
  try {
    value = JSON.parse(found)
  } catch {
    throw badFile(path, 'it is no JSON')
  }
  const parsed = fileSchema.safeParse(options.legacy ? { auths: value } : value)
  if (!parsed.success) throw badFile(path, `it is malformed at ${whereIn(parsed.error)}`)
  const { auths, credHelpers, credsStore } = parsed.data
  return {
    path,
    entries: new Map(Object.entries(auths ?? {})),
    helpers: new Map(Object.entries(credHelpers ?? {})),
    store: credsStore || undefined,
  }
}

const known = new Set<unknown>([...Object.keys(fileSchema.shape), ...Object.keys(entrySchema.shape)])

function whereIn(error: z.ZodError): string {
  const path = error.issues[0]?.path ?? []
  return path.map((part) => (known.has(part) ? String(part) : '…')).join('.') || 'the top'
}

/**
 * The login that a file's `auths` have for a repository. As in Podman, the most specific key wins: `host/team/image`,
 * `host/team`, `host`; then Docker's former keys, URLs as `https://host/v1/`. Hosts are compared whole, port and all:
 * a part of a name (`example.com` in `evil-example.com`) once sent logins to strangers (@sigstore/oci before 0.7.2).
 * An entry without a login only marks that a helper has it.
 */
export function loginIn(file: AuthFile, place: { registry: string; repository: string }): Credential | undefined {
  const parts = [place.registry, ...place.repository.split('/')]
  const keys = parts.map((_, index) => parts.slice(0, parts.length - index).join('/'))
  const names = namesOf(place.registry)
  const urls = [...file.entries.keys()].filter((key) => names.includes(hostOfUrl(key) ?? ''))
  for (const key of [...keys, ...names, ...urls]) {
    const entry = file.entries.get(key)
    const login = entry && decode(entry, file.path)
    if (login) return login
  }
  return undefined
}

/** Docker's client kept logins by the URL of the registry's API. Other paths below it are not the registry's login. */
function hostOfUrl(key: string): string | undefined {
  return /^https?:\/\/([^/]+)(?:\/(?:v[12]\/?)?)?$/.exec(key)?.[1]
}

function decode(entry: Entry, path: string): Credential | undefined {
  if (entry.identitytoken) return { identityToken: entry.identitytoken }
  const auth = (entry.auth ?? '').replaceAll(/[\r\n]/g, '')
  if (auth === '') return entry.username ? { username: entry.username, password: entry.password ?? '' } : undefined
  if (!/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(auth))
    throw badFile(path, 'an auth in it is no base64')
  const plain = Buffer.from(auth, 'base64').toString('utf8')
  const colon = plain.indexOf(':')
  if (colon < 1) throw badFile(path, 'an auth in it is not the base64 of user:password')
  // Docker for Windows once padded passwords with NULs.
  return { username: plain.slice(0, colon), password: plain.slice(colon + 1).replace(/\0+$/, '') }
}
