import { distributionName } from '../../src/engine/record.ts'
import { probe } from '../../src/host/probe.ts'
import type { Transport } from '../../src/host/transport.ts'
import { flipByte } from '../support/tamper.ts'
import { type Images, otherImages, smallExtension, type Turns } from './images.ts'
import type { World } from './world.ts'

/** What somebody wants of a store, once. */
export interface Change {
  readonly instance: string
  perform(transport: Transport): Promise<void>
}

/** What can be interrupted. Each prepares the store, and says in the world what shall be there at the end. */
export const changes = {
  /** A new version of an extension, and sometimes another distribution. */
  update: async (world: World, turns: Turns): Promise<Change> => {
    world.turn += 1
    return declaring(world, turns(world.turn))
  },
  /** All that was declared, on a host that has nothing. */
  first: async (world: World, turns: Turns): Promise<Change> => {
    world.clear()
    return changes.update(world, turns)
  },
  /** The same as before, where somebody changed a file. */
  repair: async (world: World): Promise<Change> => {
    flipByte(`${world.place.root}/instances/main/current/live/lib/vector.so`)
    return converging(world, 'main')
  },
  /** An extension whose files another instance has brought. */
  sharing: async (world: World, turns: Turns): Promise<Change> => {
    world.turn += 1
    const vector = smallExtension('vector', `shared ${world.turn}`)
    world.declare('extra', { [distributionName]: turns(0)[distributionName], vector } as Images)
    await world.converge('extra')
    return declaring(world, { ...turns(world.turn), vector })
  },
  /** An instance goes; another one, which shares files with it, stays. */
  removal: async (world: World): Promise<Change> => {
    world.declare('extra', otherImages)
    await world.converge('extra')
    world.declare('extra', undefined)
    return converging(world, 'extra')
  },
  /** The only instance goes. */
  emptying: async (world: World, turns: Turns): Promise<Change> => {
    world.clear()
    world.turn += 1
    world.declare('main', turns(world.turn))
    await world.converge('main')
    world.declare('main', undefined)
    return converging(world, 'main')
  },
  /** Only a look, which finds nothing wrong. */
  look: async (world: World): Promise<Change> => ({
    instance: 'main',
    perform: async (transport) => {
      const seen = await probe(world.target('main', transport), { verify: 'full' })
      if (seen.deviations.size > 0) throw new Error(`a probe found ${JSON.stringify([...seen.deviations])}`)
      if (seen.generation > 0) JSON.parse(seen.record ?? '')
    },
  }),
}

function converging(world: World, instance: string): Change {
  return { instance, perform: (transport) => world.converge(instance, transport) }
}

/** Of `main` only these parts: of what others declare meanwhile a stack does not know. */
function declaring(world: World, parts: Images): Change {
  world.declare('main', parts)
  return { instance: 'main', perform: (transport) => world.converge('main', transport, parts) }
}
