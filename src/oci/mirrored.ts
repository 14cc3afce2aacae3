import { messageOf } from '../model/error.ts'
import { printable } from '../model/quote.ts'
import type { RegistryReference } from '../model/reference.ts'
import { certificatesFor } from './certificates.ts'
import type { Environment } from './environment.ts'
import { findCredential } from './find-credential.ts'
import { type Place, placesOf } from './mirrors.ts'
import { readRegistriesConf } from './registries-files.ts'
import { registrySource } from './registry.ts'
import { openRepository, type Repository, type RepositoryOptions } from './repository.ts'
import type { Source } from './source.ts'

interface Opened {
  readonly origin: Source
  readonly byDigest: readonly Source[]
  readonly byTag: readonly Source[]
}

/**
 * An image's registry with its mirrors. What the user's files say of them is read when something is asked for, and
 * each place is used with its own settings and its own login: nothing of the registry's goes to a mirror.
 */
export function mirroredSource(reference: RegistryReference, environment: Environment): Source {
  const name = nameOf(reference)
  let opened: Opened | undefined
  const open = () => {
    opened ??= openAll(reference, environment)
    return opened
  }
  const ofTags = async <T>(ask: (source: Source) => Promise<T>, signal: AbortSignal | undefined): Promise<T> => {
    const { origin, byTag } = open()
    for (const mirror of byTag) {
      try {
        return await ask(mirror)
      } catch (error) {
        signal?.throwIfAborted()
        environment.log?.(`Passing over ${mirror.name} for its tags: ${printable(messageOf(error), 500)}`)
      }
    }
    return ask(origin)
  }
  return {
    name,
    get mirrors() {
      return open().byDigest
    },
    resolve: (tag, options = {}) => ofTags((source) => source.resolve(tag, options), options.signal),
    tags: (options = {}) => ofTags((source) => source.tags(options), options.signal),
    manifest: async (digest, options) => open().origin.manifest(digest, options),
    blob: async (descriptor, options) => open().origin.blob(descriptor, options),
    referrers: async (digest, options) => open().origin.referrers(digest, options),
  }
}

function openAll(reference: RegistryReference, environment: Environment): Opened {
  const configured = environment.settings?.[reference.registry]?.mirrors
  const { origin, mirrors } = placesOf(reference, { configured, tables: readRegistriesConf(environment).tables })
  const logical = nameOf(reference)
  const opened = mirrors.map((mirror) => ({
    pull: mirror.pull,
    source: openPlace(mirror, environment, `${nameOf(mirror.reference)} (mirror of ${logical})`),
  }))
  const physical = nameOf(origin.reference)
  const name = physical === logical ? logical : `${physical} (for ${logical})`
  return {
    origin: openPlace(origin, environment, name),
    byDigest: opened.filter(({ pull }) => pull !== 'tag-only').map(({ source }) => source),
    byTag: opened.filter(({ pull }) => pull !== 'digest-only').map(({ source }) => source),
  }
}

const nameOf = ({ registry, repository }: RegistryReference) => `${registry}/${repository}`

function openPlace({ reference, insecure }: Place, environment: Environment, name: string): Source {
  return registrySource(reference, { ...optionsOf(reference, insecure, environment), name })
}

function optionsOf(reference: RegistryReference, insecure: boolean, environment: Environment): RepositoryOptions {
  const { settings = {}, env, log, network } = environment
  return {
    setting: { insecure, ...settings[reference.registry] },
    certificates: certificatesFor(reference.registry, environment),
    credential: findCredential(reference, environment),
    env,
    log,
    network,
  }
}

/** A repository itself, where the user's files say that it is, and no mirror of it: to write to it, or as anybody. */
export function openDirectly(
  reference: RegistryReference,
  environment: Environment,
  as: 'writer' | 'anybody',
): Repository {
  const { origin } = placesOf(reference, { tables: readRegistriesConf(environment).tables })
  const options = optionsOf(origin.reference, origin.insecure, environment)
  if (as === 'writer') return openRepository(origin.reference, { ...options, access: 'push' })
  const { caFiles } = options.certificates ?? {}
  return openRepository(origin.reference, { ...options, certificates: { caFiles }, credential: undefined })
}
