import { randomUUID } from 'node:crypto'
import type * as pulumi from '@pulumi/pulumi'
import { describeDrift, driftOf, findDrift } from '../engine/drift.ts'
import { loadDistribution, loadExtension } from '../engine/load.ts'
import type { LoadedMember } from '../engine/member.ts'
import { distributionName, parseRecord } from '../engine/record.ts'
import type { Probe } from '../host/store.ts'
import { parseDigest } from '../model/digest.ts'
import { messageOf, ProviderError } from '../model/error.ts'
import { parseManifest } from '../model/manifest.ts'
import { formatPinned, parseReference } from '../model/reference.ts'
import {
  type DistributionInputs,
  distributionInputs,
  type ExtensionInputs,
  extensionInputs,
  failuresOf,
} from './inputs.ts'
import {
  commit,
  configureRegistries,
  imageOptions,
  livePath,
  observe,
  platformOfHost,
  resolve,
  unitText,
} from './session.ts'
import { hasUnknown, toState } from './state.ts'
import { unreachable } from './unreachable.ts'

type Inputs = DistributionInputs | ExtensionInputs
type Values = Record<string, unknown>

/** How the two resources differ; all else is one algorithm. */
interface Kind {
  readonly schema: typeof distributionInputs | typeof extensionInputs
  nameOf(inputs: Values): string
  /** Facts of the image, as inputs that previews show. */
  facts(inputs: Inputs & Pinned): Promise<Values>
  load(inputs: Inputs & Pinned): Promise<LoadedMember>
  outputs(inputs: Values & Pinned): Values
}

interface Pinned {
  readonly digest: string
  readonly platform: string
}

const distributionKind: Kind = {
  schema: distributionInputs,
  nameOf: () => distributionName,
  facts: async (inputs) => {
    const { facts } = await loadDistribution(imageOptions(inputs.image, inputs.digest, inputs.platform), inputs.root)
    return {
      postgresVersion: facts.version,
      postgresMajor: facts.major,
      mode: facts.mode,
      layout: facts.layout,
      __bin: facts.binDirectory,
    }
  },
  load: async (inputs) =>
    (await loadDistribution(imageOptions(inputs.image, inputs.digest, inputs.platform), inputs.root)).member,
  outputs: (inputs) => {
    const place = inputs as unknown as DistributionInputs
    const home = `${place.root}/instances/${place.instance}`
    const libraryPath = `${livePath(place, inputs.digest)}/system`
    const bin = String(inputs['__bin'])
    const unit = {
      treeDirectory: `${home}/root`,
      binDirectory: bin,
      major: Number(inputs['postgresMajor']),
      libraryPath,
    }
    return {
      binDirectory: `${home}/root/${bin}`,
      libraryPath,
      ...(inputs['mode'] === 'rootfs' ? { systemdUnit: unitText(place, unit) } : {}),
    }
  },
}

const extensionKind: Kind = {
  schema: extensionInputs,
  nameOf: (inputs) => String(inputs['name']),
  facts: async (inputs) => {
    const { facts } = await loadExtension(imageOptions(inputs.image, inputs.digest, inputs.platform))
    const { postgresMajor } = inputs as ExtensionInputs
    if (facts.major !== undefined && postgresMajor !== undefined && facts.major !== postgresMajor) {
      const pinned = formatPinned(parseReference(inputs.image), parseDigest(inputs.digest))
      throw new ProviderError(
        'NOT_MARRIED',
        `Cannot add ${pinned} to Postgres ${postgresMajor}: its modules are built for Postgres ${facts.major}; choose an image built for ${postgresMajor}`,
      )
    }
    return { provides: facts.provides }
  },
  load: async (inputs) => (await loadExtension(imageOptions(inputs.image, inputs.digest, inputs.platform))).member,
  outputs: () => ({}),
}

function handlers(kind: Kind): pulumi.dynamic.ResourceProvider {
  /** Puts the declared image on the host, and says what is there now. */
  const put = async (inputs: Values, token: string): Promise<Values> => {
    const parsed = kind.schema.parse(inputs) as Inputs
    const pinned = { ...parsed, digest: String(inputs['digest']), platform: String(inputs['platform']) } as Inputs &
      Pinned
    const loaded = await kind.load(pinned)
    await commit(parsed, {
      do: 'put',
      loaded,
      member: {
        name: kind.nameOf(inputs),
        token,
        stack: parsed.__stack,
        reference: parsed.image,
        image: loaded.image,
        digest: loaded.digest,
        platform: loaded.platform,
        ...(loaded.major === undefined ? {} : { major: loaded.major }),
      },
    })
    return toState({
      ...inputs,
      ...kind.outputs({ ...inputs, ...pinned }),
      image: loaded.image,
      reference: parsed.image,
      treeDigest: loaded.treeDigest,
      __token: token,
    })
  }
  return {
    configure: async ({ config }) => configureRegistries(config.get('postgres-oci:registries')),
    check: plainErrors(async (olds: Values, news: Values) => {
      const { __provider, drift, ...program } = news
      if (hasUnknown(program)) return { inputs: { ...program, __provider } }
      const parsed = kind.schema.safeParse(program)
      if (!parsed.success) return { inputs: news, failures: failuresOf(parsed.error) }
      try {
        return { inputs: toState({ ...(await pin(kind, olds, parsed.data as Inputs)), __provider }) }
      } catch (error) {
        if (!(error instanceof ProviderError)) throw error
        return { inputs: news, failures: [{ property: blamed(error), reason: error.message }] }
      }
    }),
    diff: async (_id: string, olds: Values, news: Values) => {
      const replaces = ['root', 'instance'].filter((key) => olds[key] !== news[key])
      if (hostOf(olds) !== hostOf(news)) replaces.push('connection')
      return { replaces, deleteBeforeReplace: false }
    },
    create: plainErrors(async (inputs: Values) => {
      const outs = await put(inputs, randomUUID())
      const { host, port } = (outs['connection'] ?? {}) as { host: string; port?: number }
      return {
        id: `${host}:${port ?? 22}${String(outs['root'])}/${String(outs['instance'])}/${kind.nameOf(outs)}`,
        outs,
      }
    }),
    update: plainErrors(async (_id: string, olds: Values, news: Values) => ({
      outs: await put(news, String(olds['__token'])),
    })),
    read: async (id: string, props: Values) => {
      const {
        image,
        reference,
        __token,
        binDirectory,
        libraryPath,
        systemdUnit,
        treeDigest,
        drift: _old,
        __provider,
        ...rest
      } = props
      const inputs = { ...rest, image: reference }
      let seen: Probe
      try {
        seen = await observe(kind.schema.parse(inputs) as Inputs)
      } catch (error) {
        throw unreachable(id, props, messageOf(error))
      }
      const drift = driftLines(seen, {
        name: kind.nameOf(props),
        token: String(__token),
        treeDigest: String(treeDigest),
      })
      const { drift: _, ...outs } = props
      return { id, props: toState(outs), inputs: toState({ ...inputs, ...(drift.length > 0 ? { drift } : {}) }) }
    },
    delete: plainErrors(async (_id: string, props: Values) => {
      const place = kind.schema.parse({ ...props, image: props['reference'] }) as Inputs
      await commit(place, { do: 'delete', name: kind.nameOf(props), token: String(props['__token']) })
    }),
  }
}

/** Inputs with pin, platform and facts. A pin moves only when the reference's text or `repin` does. */
async function pin(kind: Kind, olds: Values, inputs: Inputs): Promise<Values> {
  const samePlace = hostOf(olds) === hostOf(inputs as unknown as Values)
  const same = olds['image'] === inputs.image && olds['repin'] === inputs.repin && typeof olds['digest'] === 'string'
  const platform =
    inputs.platform ??
    (samePlace && typeof olds['platform'] === 'string' ? olds['platform'] : await platformOfHost(inputs))
  const digest = same ? String(olds['digest']) : await resolve(inputs.image)
  const pinned = { ...inputs, digest, platform }
  const unchanged =
    same &&
    olds['platform'] === platform &&
    olds['postgresMajor'] === (pinned as Values)['postgresMajor'] &&
    'provides' in olds
  if (unchanged) return { ...pinned, provides: olds['provides'] }
  if (same && olds['platform'] === platform && 'mode' in olds) {
    const { postgresVersion, postgresMajor, mode, layout, __bin } = olds
    return { ...pinned, postgresVersion, postgresMajor, mode, layout, __bin }
  }
  return { ...pinned, ...(await kind.facts(pinned as Inputs & Pinned)) }
}

function driftLines(seen: Probe, own: { name: string; token: string; treeDigest: string }): string[] {
  const record = seen.record === undefined ? undefined : parseRecord(seen.record, 'the host')
  const member = record?.members.find(({ name }) => name === own.name)
  if (record === undefined || member === undefined)
    return ['missing: nothing of this resource is on the host; up installs it again']
  if (member.token !== own.token) return [`taken over by ${member.stack || 'someone else'}: up takes it back`]
  const lines =
    member.treeDigest === own.treeDigest
      ? []
      : [`other content: the host has ${member.image}; up restores the declared one`]
  const trees = new Map([...seen.manifests].map(([digest, text]) => [digest, parseManifest(text)]))
  const drift = seen.trees
    .filter(({ generation }) => generation === seen.generation)
    .flatMap(({ role, name }) => findDrift(role === 'root' ? 'root' : 'live', seen.deviations.get(name) ?? []))
  const tree = trees.get(member.treeDigest) ?? new Map()
  const others = record.members.filter((one) => one !== member).flatMap((one) => trees.get(one.treeDigest) ?? [])
  // What nobody brings is reported once, by the distribution.
  const mine = own.name === distributionName ? driftOf(drift, tree, others) : drift.filter(({ path }) => tree.has(path))
  return [...lines, ...describeDrift(mine)]
}

function hostOf(values: Values): string {
  const { host, port } = (values['connection'] ?? {}) as { host?: string; port?: number }
  return `${host}:${port ?? 22}`
}

function blamed(error: ProviderError): string {
  return /^(?:HOST|LOGIN_REFUSED|NO_SPACE|LOCKED)/.test(error.code) ? 'connection' : 'image'
}

/** The dynamic provider prints `stack`; users need the message. PGOCI_DEBUG keeps the stack. */
function plainErrors<A extends unknown[], R>(handler: (...args: A) => Promise<R>): (...args: A) => Promise<R> {
  return async (...args) => {
    try {
      return await handler(...args)
    } catch (error) {
      if (error instanceof Error && !process.env['PGOCI_DEBUG']) error.stack = error.message
      throw error
    }
  }
}

export const distribution: pulumi.dynamic.ResourceProvider = handlers(distributionKind)
export const extension: pulumi.dynamic.ResourceProvider = handlers(extensionKind)
