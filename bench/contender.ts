import type { Link } from './link.ts'
import type { BenchSshd } from './sshd.ts'

/** What is measured, in the order in which one host meets it. */
export const scenarios = {
  noop: 'no-op: all of it is as declared',
  cold: 'cold install of the distribution',
  extension: 'one extension more',
  drift: 'drift check',
  file: 'one small file differs',
  upgrade: 'upgrade: 1 % of the entries differ',
  rollback: 'rollback',
} as const

export type Scenario = keyof typeof scenarios

/** The one host, registry and input that all contenders share. */
export interface Field {
  readonly sshd: BenchSshd
  readonly link: Link
  /** `127.0.0.1:PORT` of the registry. */
  readonly registry: string
  /** For `sha256sum -c`: what a version of the distribution must be. */
  readonly sums: (version: number) => string
  /** A folder for whatever lasts no longer than the bench. */
  readonly folder: string
}

export interface Step {
  /** `setup` is not measured. */
  readonly scenario: Scenario | 'setup'
  /** How it is done, for the table. */
  readonly how: string
  run(): Promise<unknown>
  /** Afterwards: where which version of the distribution must lie, to tell how many files are wrong. */
  readonly result?: { readonly tree: string; readonly version: number }
}

/** One way to do the job. */
export interface Contender {
  readonly name: string
  /** The process whose memory counts, by its command line. */
  readonly process: (commandLine: string) => boolean
  /** Whether the host's content is compared with the image's digests, and is on the disk, before it counts. */
  readonly verified: string
  readonly synced: string
  /** What it cannot do, or does just as something else; for the table. */
  readonly lacks?: Readonly<Partial<Record<Scenario, string>>>
  /** Why it does not take part. */
  readonly missing?: string
  /** One run, from an empty host and an empty cache; `number` is another one each time. */
  start(field: Field, number: number): Promise<{ readonly steps: readonly Step[]; end(): void }>
}
