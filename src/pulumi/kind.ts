import type { LoadedMember } from '../engine/member.ts'
import type { DistributionInputs, distributionInputs, ExtensionInputs, extensionInputs } from './inputs.ts'

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
  /** Inputs that check adds beside digest and platform: what the image says of itself, so that previews show it. */
  readonly facts: readonly string[]
  /** Inputs that the proof rests on beside the image: when one changes, it is made again. */
  readonly basis: readonly string[]
  /** Name of its entry in the host's record. */
  nameOf(inputs: Values): string
  /** Reads the image, proves that it belongs here, and returns the values of `facts`. */
  prove(inputs: Inputs & Pinned): Promise<Values>
  load(inputs: Inputs & Pinned): Promise<LoadedMember>
  /** Outputs that only this kind has. */
  outputs(inputs: Values & Pinned): Values
}
