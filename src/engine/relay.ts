import { z } from 'zod'
import type { Remote } from '../host/store.ts'
import { type Digest, hexOf } from '../model/digest.ts'
import { messageOf, ProviderError } from '../model/error.ts'
import { printable, quote } from '../model/quote.ts'
import { formatName, parseReference, type RegistryReference } from '../model/reference.ts'
import type { Cache } from '../oci/cache.ts'
import type { Environment } from '../oci/environment.ts'
import { openDirectly } from '../oci/mirrored.ts'
import { publishArtifact } from '../oci/publish.ts'
import { digestSchema } from '../oci/schema.ts'
import { inTurns } from '../oci/shared.ts'
import { memory } from './memory.ts'
import type { Compression, Pack } from './pack.ts'

/** A registry near hosts, which brings packs to them in our place. */
export interface Relay {
  /** Where hosts may fetch a pack, which is put there first; nothing when it has to go over SSH. */
  offer(pack: Pack, compression: Compression, options: { readonly signal?: AbortSignal }): Promise<Remote | undefined>
  /**
   * From now on, these are packed and put there anew, if the cache told what they are: one of them is something else.
   *
   * @returns whether the cache told that of any
   */
  doubt(packs: readonly Pack[], compression: Compression): Promise<boolean>
  /** Tells the user that a host could not. */
  log(line: string): void
}

const artifactType = 'application/vnd.pgoci.pack.v1'
const layerType = { zstd: 'application/vnd.pgoci.pack.v1.tar+zstd', cat: 'application/vnd.pgoci.pack.v1.tar' } as const
/** Packs whose digest is known need not be packed again. Hosts prove what they fetch, so a wrong one costs time only. */
const kind = 'packed-v1'
const wholeSchema = z.object({ digest: digestSchema, size: z.int().min(0) })
type Whole = z.infer<typeof wholeSchema>
const maxUploads = 4
/** Bytes; what is smaller comes over SSH before a host has asked for it elsewhere. */
const leastSize = 64 * 1024
const maxRemembered = 10_000

/** @throws ProviderError BAD_INPUT unless it is `host[:port]/repository` */
export function parseRelay(text: string): RegistryReference {
  const found = readReference(text)
  if (found?.transport === 'registry' && formatName(found) === text) return found
  throw new ProviderError(
    'BAD_INPUT',
    `Cannot use ${quote(text)} as a relay: expected host[:port]/repository, as in registry.example.com/cache`,
  )
}

/**
 * Each pack is put there once, unless it is there already. Hosts read it as anybody does: no login of ours leaves this
 * machine. A registry that takes nothing, or gives nothing to anybody, is not used in this run, and the log says so.
 */
export function openRelay(
  reference: RegistryReference,
  { environment, cache }: { readonly environment: Environment; readonly cache: Cache },
): Relay {
  const { log = () => {} } = environment
  const name = formatName(reference)
  const wholes = memory<Whole>(maxRemembered, () => 1)
  const published = memory<URL>(maxRemembered, () => 1)
  const inLine = inTurns(maxUploads)
  const reader = openDirectly(reference, environment, 'anybody')
  const keyOf = (pack: Pack, compression: Compression) => `${pack.key} ${compression}`
  /** Packs whose digest came from the cache; those whose was wrong. */
  const told = new Set<string>()
  const doubted = new Set<string>()
  let isGivenUp = false

  /** As hosts will ask. */
  const look = async (digest: Digest, signal: AbortSignal | undefined) => {
    const answer = await reader.expect(`blobs/${digest}`, { method: 'HEAD', signal })
    await answer.body.dump()
  }
  const isThere = (digest: Digest, signal: AbortSignal) =>
    look(digest, signal).then(
      () => true,
      () => false,
    )
  const wholeOf = async (pack: Pack, key: string, signal: AbortSignal) => {
    const known = doubted.has(key) ? undefined : await cache.readJson(kind, key, wholeSchema)
    if (known && (await isThere(known.digest, signal))) {
      told.add(key)
      return known
    }
    const whole = await pack.whole()
    await cache.writeJson(kind, key, whole).catch(() => {})
    return whole
  }
  const publish = async (pack: Pack, compression: Compression, { digest, size }: Whole, signal: AbortSignal) => {
    const tag = `pack-${hexOf(pack.key)}${compression === 'cat' ? '-plain' : ''}`
    const blob = { mediaType: layerType[compression], digest, size, open: pack.read }
    const upload = () => publishArtifact({ ...reference, tag }, { artifactType, blob }, { environment, signal })
    return (await inLine(name, upload, signal)).blob
  }
  return {
    log,
    offer: async (pack, compression, { signal }) => {
      if (isGivenUp) return undefined
      const key = keyOf(pack, compression)
      const isDoubted = doubted.has(key)
      const whole = await wholes(`${key} ${isDoubted}`, (stop) => wholeOf(pack, key, stop), signal)
      const { digest, size } = whole
      if (size < leastSize) return undefined
      try {
        const isKept = told.has(key) && !isDoubted
        const url = isKept
          ? reader.urlOf(`blobs/${digest}`)
          : await published(digest, (stop) => publish(pack, compression, whole, stop), signal)
        // What an anonymous login gives ends after minutes, so each host gets one that is good now.
        await look(digest, signal)
        return { url, digest, size, authorization: reader.authorization() }
      } catch (error) {
        signal?.throwIfAborted()
        if (!(error instanceof ProviderError)) throw error
        if (!isGivenUp)
          log(`Not using the relay ${name} in this run, SSH brings all: ${printable(messageOf(error), 500)}`)
        isGivenUp = true
        return undefined
      }
    },
    doubt: async (packs, compression) => {
      const keys = packs.map((pack) => keyOf(pack, compression)).filter((key) => told.has(key))
      for (const key of keys) {
        doubted.add(key)
        await cache.writeJson(kind, key, null).catch(() => {})
      }
      return keys.length > 0
    },
  }
}

function readReference(text: string) {
  try {
    return parseReference(text)
  } catch {
    return undefined
  }
}
