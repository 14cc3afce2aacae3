import type { LoadedMember } from '../engine/member.ts'
import type { DistributionInputs, distributionInputs, ExtensionInputs, extensionInputs } from './inputs.ts'

export type Inputs = DistributionInputs | ExtensionInputs

/** A resource's properties as Pulumi hands them over: plain data, not yet proven. */
export type Values = Record<string, unknown>

/** What check adds to every image before it asks for facts. */
export interface Pinned {
  readonly digest: string
  readonly platform: string
}

/** How the two resources differ; all else is one algorithm. */
export interface Kind {
  readonly schema: typeof distributionInputs | typeof extensionInputs
  /** Inputs that check adds beside digest and platform: what the image says of itself, so that previews show it. */
  readonly facts: readonly string[]
  /** Name of its entry in the host's record. */
  nameOf(inputs: Values): string
  /** Reads the image, proves that it belongs here, and returns the values of `facts`. */
  prove(inputs: Inputs & Pinned): Promise<Values>
  load(inputs: Inputs & Pinned): Promise<LoadedMember>
  /** Outputs that only this kind has. */
  outputs(inputs: Values & Pinned): Values
}
