// A controller of its own: makes one change of a store of this machine, and waits at a point until it is killed.
import { localTransport } from '../../src/host/local.ts'
import { damaging, stalling } from '../support/damage.ts'
import { install, targetAt } from '../support/store.ts'
import type { Point } from './attack.ts'
import { smallImages } from './images.ts'
import { insertStatements } from './lines.ts'
import { upTo } from './members.ts'
import { marked } from './world.ts'

/** What the parent wants of it. */
export interface Order {
  readonly shell: readonly string[]
  readonly env: NodeJS.ProcessEnv
  readonly marker: string
  readonly root: string
  readonly turn: number
  /** A line of the push, and what to insert there; or where its stream stops. */
  readonly at: Point
  readonly statement: string
}

const { shell, env, marker, root, turn, at, statement } = JSON.parse(process.argv[2] ?? '') as Order
const transport = marked(localTransport({ shell, env }), marker)
await install(
  targetAt(
    root,
    'line' in at
      ? damaging(transport, 'push', (sent) => insertStatements(sent, 'push', new Map([[at.line, statement]])))
      : stalling(
          transport,
          (stream) => upTo(at, stream),
          () => process.stdout.write('stalled\n'),
        ),
  ),
  smallImages(turn),
)
