import { type Digest, digestOf } from '../../../src/model/digest.ts'
import type { Blob } from '../layout.ts'

/** One repository's content: manifests and blobs by digest, and what its tags name. */
export interface Repository {
  readonly content: Map<string, Blob>
  readonly tags: Map<string, Digest>
}

export type Repositories = Map<string, Repository>

export function repositoryOf(all: Repositories, name: string): Repository {
  const found = all.get(name)
  if (found) return found
  const made: Repository = { content: new Map(), tags: new Map() }
  all.set(name, made)
  return made
}

export function keep(repository: Repository, mediaType: string, bytes: Buffer): Blob {
  const one = { mediaType, digest: digestOf(bytes), size: bytes.length, bytes }
  repository.content.set(one.digest, one)
  return one
}

/** What a manifest names: needed before it is taken, and who refers to whom. */
export interface Named {
  readonly digests: readonly string[]
  readonly subject?: string
  readonly artifactType?: string
  readonly annotations?: Readonly<Record<string, string>>
}

export function namedBy({ bytes }: Blob): Named {
  const { config, layers = [], manifests = [], subject, artifactType, annotations } = JSON.parse(bytes.toString())
  const type = artifactType ?? config?.mediaType
  return {
    digests: [config, ...layers, ...manifests].flatMap((one) => one?.digest ?? []),
    ...(subject ? { subject: subject.digest } : {}),
    ...(type ? { artifactType: type } : {}),
    ...(annotations ? { annotations } : {}),
  }
}
