import { existsSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Transport } from '../../src/host/transport.ts'
import type { Verb } from '../../src/host/verb.ts'
import { ProviderError } from '../../src/model/error.ts'
import { damaging, type Sent, stalling } from '../support/damage.ts'
import { Pause } from '../support/pause.ts'
import type { Chance } from './chance.ts'
import { insertStatements } from './lines.ts'
import { upTo } from './members.ts'
import type { World } from './world.ts'

/** A line of a verb's script, a member of its stream, or a share of its stream's bytes between 0 and 1. */
export type Point = { readonly line: number } | { readonly member: number } | { readonly share: number }

/** One change of a store, and the point in it where something happens. */
export class Attack {
  readonly world: World
  readonly verb: Verb
  readonly point: Point
  readonly chance: Chance
  /** Whether the point was reached. */
  isHit = false
  /** What the change ended with: an error that a person can read, or nothing. */
  error: ProviderError | undefined
  readonly wrongs: string[] = []
  private readonly perform: (transport: Transport) => Promise<void>
  private readonly transport: Transport

  constructor(
    world: World,
    options: Pick<Attack, 'verb' | 'point' | 'chance'> & {
      readonly perform: (transport: Transport) => Promise<void>
      readonly transport?: Transport
    },
  ) {
    this.world = world
    this.verb = options.verb
    this.point = options.point
    this.chance = options.chance
    this.perform = options.perform
    this.transport = options.transport ?? world.place.transport
  }

  get line(): number {
    if ('line' in this.point) return this.point.line
    throw new TypeError('The point is not in a script')
  }

  /** Makes the change, with something done to what is sent to the host. */
  async damage(damage: (sent: Sent) => void): Promise<void> {
    await this.run(damaging(this.transport, this.verb, damage))
  }

  /** Makes the change, with a statement of its script before the line. */
  async insert(statement: string): Promise<void> {
    const { folder } = this.world.place
    const mark = join(folder, 'hit')
    rmSync(mark, { force: true })
    await this.damage((sent) => insertStatements(sent, this.verb, new Map([[this.line, `: >${mark}; ${statement}`]])))
    this.isHit = existsSync(mark)
  }

  /** Makes the change, stops its script before the line, does something, and lets it go on. */
  async meanwhile(event: () => unknown, then = ''): Promise<void> {
    const pause = new Pause(this.world.place.folder, this.world.place.hostFolder)
    const ended = this.damage((sent) =>
      insertStatements(sent, this.verb, new Map([[this.line, `${pause.statement}; ${then}`]])),
    ).finally(() => pause.end())
    this.isHit = await pause.reached()
    try {
      if (this.isHit) await event()
    } finally {
      if (this.isHit) pause.goOn()
      await ended
    }
  }

  /**
   * Makes the change with its stream up to the point, and returns that; `then`: more never comes, and this happens
   * instead of its end.
   */
  async cut(then?: () => unknown): Promise<Buffer> {
    let sent = Buffer.alloc(0)
    const beginning = (stream: Buffer) => {
      this.isHit = true
      sent = Buffer.from(upTo(this.point, stream))
      return sent
    }
    if (then === undefined)
      await this.damage((sent) => {
        sent.stdin = beginning(sent.stdin)
      })
    else await this.run(stalling(this.transport, beginning, then))
    return sent
  }

  private async run(transport: Transport): Promise<void> {
    try {
      await this.perform(transport)
    } catch (error) {
      if (error instanceof ProviderError) this.error = error
      else this.wrongs.push(`an error that explains nothing: ${(error as Error).stack}`)
    }
  }
}
