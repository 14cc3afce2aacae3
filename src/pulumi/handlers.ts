import { randomUUID } from 'node:crypto'
import type * as pulumi from '@pulumi/pulumi'
import { reportDrift } from '../engine/report.ts'
import { messageOf, ProviderError } from '../model/error.ts'
import { distributionKind } from './distribution-kind.ts'
import { extensionKind } from './extension-kind.ts'
import { failuresOf } from './inputs.ts'
import { operation } from './interrupt.ts'
import type { Inputs, Kind, Pinned, Values } from './kind.ts'
import { hostOf, pin } from './pin.ts'
import { configureRegistries } from './registries.ts'
import { commit, observe } from './session.ts'
import { hasUnknown, toState } from './state.ts'
import { unreachable } from './unreachable.ts'

function handlers(kind: Kind): pulumi.dynamic.ResourceProvider {
  const { schema, nameOf } = kind
  return {
    configure: async ({ config }) => configureRegistries(config.get('postgres-oci:registries')),

    // Everything a preview shows is found here, because a preview calls check and diff only.
    check: operation(async (olds: Values, news: Values) => {
      const { __provider, drift, ...program } = news
      if (hasUnknown(program)) return { inputs: { ...program, __provider } }
      const parsed = schema.safeParse(program)
      if (!parsed.success) return { inputs: news, failures: failuresOf(parsed.error) }
      try {
        return { inputs: toState({ ...(await pin(kind, olds, parsed.data as Inputs)), __provider }) }
      } catch (error) {
        if (!(error instanceof ProviderError)) throw error
        return { inputs: news, failures: [{ property: blamed(error), reason: error.message }] }
      }
    }),

    // `changes` stays undefined: then the engine compares inputs itself and shows which of them changed.
    diff: async (_id: string, olds: Values, news: Values) => {
      const replaces = ['root', 'instance', 'name'].filter((key) => olds[key] !== news[key])
      if (hostOf(olds) !== hostOf(news)) replaces.push('connection')
      return { replaces, deleteBeforeReplace: false }
    },

    create: operation(async (inputs: Values) => {
      const outs = await put(kind, inputs, randomUUID())
      return { id: `${hostOf(outs)}${String(outs['root'])}/${String(outs['instance'])}/${nameOf(outs)}`, outs }
    }),

    update: operation(async (_id: string, olds: Values, news: Values) => {
      const token = String(olds['__token'])
      if (!concernsHost(olds, news)) return { outs: outputsOf(kind, news, { ...olds, token }) }
      return { outs: await put(kind, news, token) }
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
        const drift = reportDrift(await observe(schema.parse(inputs) as Inputs), own)
        const found = drift.length > 0 ? { drift } : {}
        return { id, props: toState({ ...outs, ...found }), inputs: toState({ ...inputs, ...found }) }
      } catch (error) {
        // Unreachable is not gone: the state stays, the run goes on with the other resources, and fails at its end.
        throw unreachable(id, props, messageOf(error))
      }
    }),

    delete: operation(async (_id: string, props: Values) => {
      const place = schema.parse(inputsOf(kind, props)) as Inputs
      await commit(place, { do: 'delete', name: nameOf(props), token: String(props['__token']) })
    }),
  }
}

/** Puts the declared image on the host, and says what is there now. */
async function put(kind: Kind, inputs: Values, token: string): Promise<Values> {
  const parsed = kind.schema.parse(inputs) as Inputs
  const pinned = { ...parsed, digest: String(inputs['digest']), platform: String(inputs['platform']) }
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
  return outputsOf(kind, inputs, { image: loaded.image, treeDigest: loaded.treeDigest, token })
}

/** Outputs repeat all inputs, because diff gets outputs; only `image` becomes the pinned name. */
function outputsOf(kind: Kind, inputs: Values, installed: Values & { readonly token: string }): Values {
  return toState({
    ...inputs,
    ...kind.outputs(inputs as Values & Pinned),
    image: installed['image'],
    reference: inputs['image'],
    treeDigest: installed['treeDigest'],
    __token: installed.token,
  })
}

/** The inputs that led to these outputs. */
function inputsOf(kind: Kind, outs: Values): Values {
  const added = Object.keys(kind.outputs(outs as Values & Pinned))
  const own = Object.entries(outs).filter(([key]) => ![...added, 'reference', 'treeDigest', '__token'].includes(key))
  return { ...Object.fromEntries(own), image: outs['reference'] }
}

/** A changed connection, or the distribution's new digest, changes nothing that the host has of this resource. */
function concernsHost(olds: Values, news: Values): boolean {
  const isSame = ['digest', 'platform', '__stack', 'name'].every((key) => olds[key] === news[key])
  return !isSame || olds['reference'] !== news['image'] || olds['drift'] !== undefined
}

function blamed(error: ProviderError): string {
  return /^(?:HOST|LOGIN_REFUSED|NO_SPACE|LOCKED)/.test(error.code) ? 'connection' : 'image'
}

export const distribution: pulumi.dynamic.ResourceProvider = handlers(distributionKind)
export const extension: pulumi.dynamic.ResourceProvider = handlers(extensionKind)
