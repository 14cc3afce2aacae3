import type { ImageRequest } from '../engine/image.ts'
import type { LoadedMember } from '../engine/member.ts'
import type { Facts, Member } from '../engine/record.ts'
import type {
  DistributionInputs,
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

/** How the two resources differ; all else is one algorithm. */
export interface Kind {
  readonly schema: typeof distributionInputs | typeof extensionInputs
  /** The same for what a program writes, where that is stricter. */
  readonly program?: typeof extensionArguments
  /** Inputs that check adds beside digest and platform: what the image says of itself, so that previews show it. */
  readonly facts: readonly string[]
  /** Inputs that the proof rests on beside the image: when one changes, it is made again. */
  readonly basis: readonly string[]
  /** Name of its entry in the host's record. */
  nameOf(inputs: Values): string
  /** Reads the image: its files, and what it says of itself. */
  read(request: ImageRequest, inputs: Inputs): Promise<{ readonly member: LoadedMember; readonly facts: Facts }>
  /** @throws ProviderError NOT_MARRIED for an image that does not belong here */
  marry(inputs: Inputs & Pinned, image: Pick<Member, 'major'>): void
  /** Outputs that only this kind has. */
  outputs(inputs: Values & Pinned): Values
}
