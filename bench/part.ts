/** What all parts of the bench share. */
export interface Bench {
  /** What `--only` names; empty for all. */
  readonly only: readonly string[]
  readonly links: readonly ('lan' | 'wan')[]
  readonly runs: number
  /** Seconds that are left. */
  readonly left: () => number
  /** Megabytes of the distribution, unpacked. */
  readonly size: number
  /** `127.0.0.1:PORT` of the registry. */
  readonly registry: string
  /** For `sha256sum -c`: what a version of the distribution must be on a host. */
  readonly sums: (version: number) => string
  /** For whatever lasts no longer than the bench. */
  readonly folder: string
  /** Lines for a person: the machine with its load now, and the input. */
  readonly machine: () => string
  readonly input: string
  readonly progress: (text: string) => void
  /** Is done at the end, whatever the end is. */
  readonly atEnd: (action: () => void) => void
}

/** One table of the bench. */
export interface Part {
  readonly name: string
  /** Whether a word of `--only` means this part, or something in it. */
  readonly knows: (word: string) => boolean
  /** Runs only where `--only` names it. */
  readonly isLong?: true
  run(bench: Bench): Promise<Outcome>
}

export interface Outcome {
  readonly text: string
  readonly json: unknown
  /** How many measurements could not be made: the bench then ends with 1. */
  readonly failures: number
}
