import type { Remote } from '../host/store.ts'
import { type Digest, hexOf } from '../model/digest.ts'
import { messageOf, ProviderError } from '../model/error.ts'
import { printable, quote } from '../model/quote.ts'
import { formatName, parseReference, type RegistryReference } from '../model/reference.ts'
import type { Environment } from '../oci/environment.ts'
import { openDirectly } from '../oci/mirrored.ts'
import { publishArtifact } from '../oci/publish.ts'
import { memory } from './memory.ts'
import type { Compression, Pack } from './pack.ts'

/** A registry near hosts, which brings packs to them in our place. */
export interface Relay {
  /** Where hosts may fetch a pack, which is put there first; nothing when it has to go over SSH. */
  offer(pack: Pack, compression: Compression, options: { readonly signal?: AbortSignal }): Promise<Remote | undefined>
  /** Tells the user that a host could not. */
  log(line: string): void
}

const artifactType = 'application/vnd.pgoci.pack.v1'
const layerType = { zstd: 'application/vnd.pgoci.pack.v1.tar+zstd', cat: 'application/vnd.pgoci.pack.v1.tar' } as const
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
export function openRelay(reference: RegistryReference, environment: Environment): Relay {
  const { log = () => {} } = environment
  const name = formatName(reference)
  const published = memory<URL>(maxRemembered, () => 1)
  const reader = openDirectly(reference, environment, 'anybody')
  let isGivenUp = false

  const publish = async (pack: Pack, compression: Compression, { digest, size }: Whole, signal: AbortSignal) => {
    const tag = `pack-${hexOf(pack.key)}${compression === 'cat' ? '-plain' : ''}`
    const blob = { mediaType: layerType[compression], digest, size, open: pack.read }
    const found = await publishArtifact({ ...reference, tag }, { artifactType, blob }, { environment, signal })
    return found.blob
  }
  return {
    log,
    offer: async (pack, compression, { signal }) => {
      const whole = await pack.whole
      const { digest, size } = whole
      if (isGivenUp || size < leastSize) return undefined
      try {
        const url = await published(digest, (stop) => publish(pack, compression, whole, stop), signal)
        // As hosts will. What an anonymous login gives ends after minutes, so each host gets one that is good now.
        const answer = await reader.expect(`blobs/${digest}`, { method: 'HEAD', signal })
        await answer.body.dump()
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
  }
}

interface Whole {
  readonly digest: Digest
  readonly size: number
}

function readReference(text: string) {
  try {
    return parseReference(text)
  } catch {
    return undefined
  }
}
