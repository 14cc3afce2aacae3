import type { Pair } from '../engine/kept.ts'
import type { LoadedMember } from '../engine/member.ts'
import { unpackFacts } from '../engine/packed-facts.ts'
import { toPart } from '../engine/part.ts'
import type { ImageFacts } from '../postgres/facts.ts'

/** An image that was read. */
export interface Read {
  readonly member: LoadedMember
  readonly image: ImageFacts
}

/** An extension that this run has checked. */
interface Checked {
  /** Whether it is another one than before, so that those who come later are looked at again. */
  readonly isNew: boolean
  /** From the cache; undefined when it has not got it. */
  read(): Promise<Read | undefined>
}

/** A distribution in this run: the one that was there, another one, or the first one. */
export type Standing = 'same' | 'other' | 'first'

interface Instance {
  /** What its check has seen. */
  distribution?: {
    readonly image: string
    readonly digest: string
    /** Where its image was read. */
    readonly facts: ImageFacts | undefined
    readonly standing: Standing
    read(): Promise<Read | undefined>
  }
  readonly extensions: Map<string, Checked>
  /** Pairs that were proven, by their keys. */
  readonly proven: Set<string>
}

const instances = new Map<string, Instance>()

/** What this run knows of an instance; checks come one after another, so later ones know what earlier ones saw. */
export function instanceOf(key: string): Instance {
  const known = instances.get(key) ?? { extensions: new Map(), proven: new Set() }
  instances.set(key, known)
  return known
}

export function keyOfPair({ distribution, extension, platform, part, overrides }: Pair): string {
  return JSON.stringify([distribution, extension, platform, toPart(part), overrides])
}

const unpacked = new Map<string, ImageFacts | undefined>()

/** A run has as many distributions as its stack, and each extension needs one's facts. */
export function factsIn(packed: unknown): ImageFacts | undefined {
  if (typeof packed !== 'string') return undefined
  if (!unpacked.has(packed)) unpacked.set(packed, unpackFacts(packed))
  return unpacked.get(packed)
}
