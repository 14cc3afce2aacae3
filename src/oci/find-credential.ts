import { join } from 'node:path'
import type { RegistryReference } from '../model/reference.ts'
import { type AuthFile, hubServer, loginIn, namesOf, readAuthFile } from './auth-file.ts'
import { pathsOf } from './config-file.ts'
import type { Credential, FindCredential } from './credential.ts'
import { askHelper } from './credential-helper.ts'
import type { Environment } from './environment.ts'
import { authFiles } from './registries-conf.ts'
import { readRegistriesConf } from './registries-files.ts'

/**
 * Looks a repository's login up where its user has it: in the stack's settings, then where Podman's and Docker's tools
 * keep it, in their order (containers-auth.json.5); `credential-helpers` of registries.conf can name others. Each place
 * is asked by the registry's own name, so that a mirror never gets what is meant for the registry behind it. The first
 * that has a login decides.
 */
export function findCredential(place: RegistryReference, environment: Environment = {}): FindCredential {
  const { settings = {}, env = process.env } = environment
  return async ({ signal }) => {
    const { username, password, identityToken } = settings[place.registry] ?? {}
    const source = 'postgres-oci:registries'
    if (identityToken !== undefined) return { identityToken, source }
    if (username !== undefined && password !== undefined) return { username, password, source }
    const { helpers = [{ name: authFiles, file: '' }] } = readRegistriesConf(environment)
    for (const { name, file } of helpers) {
      const asking = { env, signal, file }
      const found =
        name === authFiles
          ? await inFiles(place, environment, asking)
          : await askHelper(name, place.registry, asking).then((login) => login && { ...login, source: file })
      if (found) return found
    }
    return undefined
  }
}

interface Asking {
  readonly env: NodeJS.ProcessEnv
  readonly signal: AbortSignal | undefined
}

async function inFiles(place: RegistryReference, environment: Environment, asking: Asking) {
  for (const { path, legacy = false } of pathsOfAuthFiles(environment)) {
    const file = readAuthFile(path, { legacy })
    const found = file && (await lookUp(file, place, asking))
    if (found) return { ...found, source: path }
  }
  return undefined
}

interface AuthPath {
  readonly path: string
  /** `auths` alone. */
  readonly legacy?: boolean
}

function pathsOfAuthFiles(environment: Environment): AuthPath[] {
  const { env = process.env } = environment
  const { home, config, system } = pathsOf(environment)
  const named = env['REGISTRY_AUTH_FILE']
  const runtime = env['XDG_RUNTIME_DIR']
  return [
    ...(named ? [{ path: named }] : []),
    {
      path: runtime ? join(runtime, 'containers/auth.json') : system(`run/containers/${process.getuid?.()}/auth.json`),
    },
    { path: config('containers/auth.json') },
    { path: join(env['DOCKER_CONFIG'] || home('.docker'), 'config.json') },
    { path: home('.dockercfg'), legacy: true },
  ]
}

/** Within a file: the host's own helper, the logins, the helper for all hosts. */
async function lookUp(file: AuthFile, place: RegistryReference, asking: Asking): Promise<Credential | undefined> {
  const isHub = namesOf(place.registry).length > 1
  const ask = (helper: string, server: string) => askHelper(helper, server, { ...asking, file: file.path })
  // Helpers know hosts only, each by the name that its login was stored with.
  for (const server of [...namesOf(place.registry), ...(isHub ? [hubServer] : [])]) {
    const helper = file.helpers.get(server)
    if (helper !== undefined) return ask(helper, server)
  }
  const login = loginIn(file, place)
  if (login !== undefined || file.store === undefined) return login
  return ask(file.store, isHub ? hubServer : place.registry)
}
