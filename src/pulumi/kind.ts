import type { ImageRequest } from '../engine/image.ts'
import type { LoadedMember } from '../engine/member.ts'
import type { Facts } from '../engine/record.ts'
import type { ImageFacts } from '../postgres/facts.ts'
import type { Found } from './find.ts'
import type {
  DistributionInputs,
  distributionArguments,
  distributionInputs,
  ExtensionInputs,
  extensionArguments,
  extensionInputs,
} from './inputs.ts'

export type Inputs = DistributionInputs | ExtensionInputs

/** A resource's properties as Pulumi hands them over: plain data, not yet proven. */
export type Values = Record<string, unknown>

/** Inputs after check: `image` is `name@sha256:…`, and `reference` keeps what the program wrote. */
export interface Pinned {
  readonly reference: string
  readonly image: string
  readonly digest: string
  readonly platform: string
}

/** What was read of an image, or of a host instead of one. */
export interface ReadImage {
  readonly member: LoadedMember
  readonly facts: Facts
  readonly image: ImageFacts
}

/** How the two resources differ; all else is one algorithm. */
export interface Kind {
  readonly schema: typeof distributionInputs | typeof extensionInputs
  /** The same for what a program writes, where that is stricter. */
  readonly program?: typeof extensionArguments | typeof distributionArguments
  /** Inputs that check adds beside digest and platform: what the image says of itself, so that previews show it. */
  readonly facts: readonly string[]
  /** Those of them that not every image has, and what the proof adds. */
  readonly optional: readonly string[]
  /** Inputs that the proof rests on beside the image: when one changes, it is made again. */
  readonly basis: readonly string[]
  /** Inputs that check uses and that the state does not keep. */
  readonly passing: readonly string[]
  /** Name of its entry in the host's record. */
  nameOf(inputs: Values): string
  /**
   * What no image brings, but the host has: it is read there each time, and is the host's to change.
   *
   * @returns undefined where there is an image
   */
  own?(inputs: Inputs): Promise<ReadImage> | undefined
  /** What is not as declared outside of the store, in lines for a person. */
  drift?(inputs: Inputs & Pinned & Values): Promise<string[]>
  /** Reads the image: its files, and what it says of itself. */
  read(request: ImageRequest, inputs: Inputs): Promise<ReadImage>
  /**
   * Proves that an image belongs here.
   *
   * @param olds the resource as it is, if it is
   * @returns inputs that this adds
   * @throws ProviderError NOT_MARRIED for one that does not
   */
  marry(inputs: Inputs & Pinned, image: Found, olds: Values): Promise<Values>
  /** Hears of what is married already, and throws when something new does not go with it. */
  remember(inputs: Inputs & Pinned & Values): Promise<void>
  /** What its bytes say, for the checks of other resources: an output, which previews do not show. */
  packed?(image: ImageFacts): string
  /** Outputs that only this kind has. */
  outputs(inputs: Values & Pinned): Values
}
