import './heap.ts'
import { randomUUID } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import type * as pulumi from '@pulumi/pulumi'
import type { Change } from '../engine/declare.ts'
import { reportDrift } from '../engine/report.ts'
import { type Place, resourceId } from '../engine/resource.ts'
import { messageOf, ProviderError } from '../model/error.ts'
import { counted } from './checks.ts'
import { commit } from './commit.ts'
import { distributionKind } from './distribution-kind.ts'
import { extensionKind } from './extension-kind.ts'
import { findImage } from './find.ts'
import { failuresOf } from './inputs.ts'
import { proveInstalled } from './installed.ts'
import { operation } from './interrupt.ts'
import type { Inputs, Kind, Pinned, Values } from './kind.ts'
import { configureLockWait } from './lock-wait.ts'
import { pin } from './pin.ts'
import { configureRegistries } from './registries.ts'
import { remove } from './remove.ts'
import { hostOf } from './same-place.ts'
import { observe } from './session.ts'
import { hasUnknown, toState, without } from './state.ts'
import { unreachable } from './unreachable.ts'
import { configureVerify, verify } from './verify.ts'

function handlers(kind: Kind): pulumi.dynamic.ResourceProvider {
  const { schema, nameOf } = kind
  return {
    configure: async ({ config }) => {
      configureLockWait(config.get('postgres-oci:lockWait'))
      configureVerify(config.get('postgres-oci:verify'))
      configureRegistries({
        registries: config.get('postgres-oci:registries'),
        bundle: config.get('postgres-oci:bundle'),
      })
    },

    // Everything a preview shows is found here, because a preview calls check and diff only.
    check: operation(async (olds: Values, news: Values) => {
      const { __provider, drift, ...given } = news
      // What a preview does not know yet, check finds by itself.
      const program = without(
        given,
        kind.passing.filter((key) => hasUnknown(given[key])),
      )
      if (hasUnknown(program)) return { inputs: { ...without(program, kind.passing), __provider } }
      const parsed = (kind.program ?? schema).safeParse(program)
      if (!parsed.success) return { inputs: news, failures: failuresOf(parsed.error) }
      try {
        // A setting that no host could be looked at with is told before anything is changed.
        verify()
        const pinned = await counted(() => pin(kind, olds, parsed.data as Inputs))
        return { inputs: toState({ ...without(pinned, kind.passing), __provider }) }
      } catch (error) {
        if (!(error instanceof ProviderError)) throw error
        // A proof has a line for each error; what other messages have on a second line belongs to the first.
        const reasons = error.code === 'NOT_MARRIED' ? error.message.split('\n') : [error.message]
        return { inputs: news, failures: reasons.map((reason) => ({ property: blamed(error, program), reason })) }
      }
    }),

    // `changes` stays undefined: then the engine compares inputs itself and shows which of them changed.
    diff: async (_id: string, olds: Values, news: Values) => {
      const replaces = ['root', 'instance', 'name'].filter((key) => olds[key] !== news[key])
      if (hostOf(olds) !== hostOf(news)) replaces.push('connection')
      return { replaces, deleteBeforeReplace: false }
    },

    create: operation(async (inputs: Values) => {
      const outs = await put(kind, inputs, { token: randomUUID() })
      return { id: resourceId(outs as unknown as Place, nameOf(outs)), outs }
    }),

    update: operation(async (_id: string, olds: Values, news: Values) => {
      const { treeDigest, __token, __facts } = olds
      if (!concernsHost(olds, news)) return { outs: outputsOf(kind, news, { treeDigest, __token, __facts }) }
      const own = isSame(filesOf, olds, news) ? { treeDigest, __facts } : {}
      return { outs: await put(kind, news, { token: String(__token), ...own }) }
    }),

    read: operation(async (id: string, props: Values) => {
      const { drift: _former, ...outs } = props
      const inputs = inputsOf(kind, outs)
      const own = {
        name: nameOf(outs),
        token: String(outs['__token']),
        treeDigest: String(outs['treeDigest']),
        stack: String(outs['__stack']),
        host: hostOf(outs),
      }
      try {
        const parsed = schema.parse(inputs) as Inputs
        const drift = reportDrift(await observe(parsed), own)
        drift.push(
          ...((await kind.drift?.({ ...parsed, ...(inputs as Values & Pinned) } as Inputs & Values & Pinned)) ?? []),
        )
        const found = drift.length > 0 ? { drift } : {}
        return { id, props: toState({ ...outs, ...found }), inputs: toState({ ...inputs, ...found }) }
      } catch (error) {
        // Unreachable is not gone: the state stays, the run goes on with the other resources, and fails at its end.
        throw unreachable(id, props, messageOf(error))
      }
    }),

    delete: operation((_id: string, props: Values) => {
      const place = schema.parse(inputsOf(kind, props)) as Inputs
      return remove(place, { name: nameOf(props), token: String(props['__token']) })
    }),
  }
}

/** Puts the declared image on the host, and says what is there now. */
async function put(
  kind: Kind,
  inputs: Values,
  own: { readonly token: string; readonly treeDigest?: unknown; readonly __facts?: unknown },
): Promise<Values> {
  const parsed = kind.schema.parse(inputs) as Inputs
  const { image, reference, digest, platform } = inputs as Values & Pinned
  const {
    member,
    facts,
    layout,
    loaded,
    image: read,
  } = await findImage(kind, { ...parsed, image, reference, digest, platform }, own.treeDigest)
  const declared = {
    name: kind.nameOf(inputs),
    token: own.token,
    stack: parsed.__stack,
    reference,
    image: member.image,
    digest: member.digest,
    platform,
    ...(member.major === undefined ? {} : { major: member.major }),
    facts,
  }
  const change: Change = loaded
    ? { do: 'put', loaded, member: declared }
    : { do: 'reuse', layout, member: { ...declared, treeDigest: member.treeDigest } }
  const there = (await commit(parsed, change, proveInstalled)).find(({ name }) => name === declared.name)
  return outputsOf(kind, inputs, {
    ...{ treeDigest: there?.treeDigest ?? member.treeDigest, __token: own.token },
    __facts: (read && kind.packed?.(read)) ?? own.__facts,
  })
}

interface Installed {
  readonly treeDigest: unknown
  readonly __token: unknown
  /** For the checks of others. */
  readonly __facts: unknown
}

/** Outputs repeat all inputs, because diff gets outputs. */
function outputsOf(kind: Kind, inputs: Values, installed: Installed): Values {
  return toState({ ...inputs, ...kind.outputs(inputs as Values & Pinned), ...installed })
}

/** The inputs that led to these outputs. */
function inputsOf(kind: Kind, outs: Values): Values {
  const added = [...Object.keys(kind.outputs(outs as Values & Pinned)), 'treeDigest', '__token', '__facts']
  return Object.fromEntries(Object.entries(outs).filter(([key]) => !added.includes(key)))
}

/** What decides which files a resource has. */
const filesOf = ['digest', 'platform', 'baseLayers', 'include']
/** What the host's record has of it: a changed connection, or the distribution's new digest, is nothing to the host. */
const recorded = [...filesOf, 'reference', 'image', 'overrides', '__stack']

function concernsHost(olds: Values, news: Values): boolean {
  return !isSame(recorded, olds, news) || olds['drift'] !== undefined
}

function isSame(keys: readonly string[], olds: Values, news: Values): boolean {
  return keys.every((key) => isDeepStrictEqual(olds[key], news[key]))
}

function blamed(error: ProviderError, program: Values): string {
  if (error.code === 'COLLATION_CHANGED') return 'acknowledgeCollationChange'
  if (/^(?:HOST|LOGIN_REFUSED|NO_SPACE|LOCKED)/.test(error.code)) return 'connection'
  return ['requested', 'installed'].find((key) => key in program) ?? 'image'
}

export const distribution: pulumi.dynamic.ResourceProvider = handlers(distributionKind)
export const extension: pulumi.dynamic.ResourceProvider = handlers(extensionKind)
