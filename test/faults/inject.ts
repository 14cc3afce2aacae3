import { watchInodes } from '../support/inodes.ts'
import type { AskedServer } from './asked-server.ts'
import { Attack, type Point } from './attack.ts'
import type { Chance } from './chance.ts'
import { changes } from './changes.ts'
import type { Fault } from './faults.ts'
import type { Turns } from './images.ts'
import type { OpenHost } from './open-host.ts'
import { findLeftovers, findWrongs, type Snapshot, takeSnapshot } from './snapshot.ts'
import type { World } from './world.ts'

export interface Injection {
  /** Whether the change came to the point. */
  readonly isHit: boolean
  /** Empty, or what must not be. */
  readonly wrongs: readonly string[]
}

/** Where it happens. */
export interface Scene {
  readonly world: World
  readonly host: OpenHost
  readonly turns: Turns
  readonly server?: AskedServer
}

/** Does harm to one change of a store, and looks at the store: when the harm is done, and after the next run. */
export async function inject(
  fault: Fault,
  on: Scene,
  options: { readonly point: Point; readonly chance: Chance },
): Promise<Injection> {
  const { world, host, turns, server } = on
  const { root } = world.place
  const change = await changes[fault.change](world, turns)
  const before = takeSnapshot(root)
  const surroundings = world.describeSurroundings()
  const inodes = watchInodes(root)
  // Nobody may hold a disk that has to be unmounted.
  if (host.isUnmounted) inodes.release()
  const attack = new Attack(world, {
    ...options,
    verb: fault.verb,
    perform: change.perform,
    transport: host.attacked,
  })
  const stopAsking = server?.keepAsking()
  await fault.strike(attack, host)
  await world.quiet()
  const harmed = takeSnapshot(root)
  const wrongs = [...attack.wrongs, ...findWrongs(root, before, harmed), ...wrongStates(world, before, harmed)]
  wrongs.push(...inodes.findWritten(), ...goneInUse(world, harmed), ...wrongSurroundings(world, surroundings))

  await change.perform(world.place.transport).catch((error: Error) => {
    wrongs.push(`the next run failed: ${error.message}`)
  })
  await world.quiet()
  const healed = takeSnapshot(root)
  wrongs.push(
    ...findWrongs(root, before, healed),
    ...wrongStates(world, undefined, healed),
    ...goneInUse(world, healed),
    ...world.litter.map((one) => `left after the next run: ${one}`),
  )
  // Where the harm came after the switch, the next run had nothing to change, and what the former one would have
  // collected at its end waits for the next change.
  if (healed.generation === harmed.generation) await (await changes.update(world, turns)).perform(world.place.transport)
  await world.quiet()
  wrongs.push(
    ...findLeftovers(root, { used: world.used, isBlind: fault.setting?.user === 'nobody' }).map(
      (one) => `left after the next change: ${one}`,
    ),
    ...inodes.findWritten(),
    ...wrongSurroundings(world, surroundings),
    ...((await stopAsking?.()) ?? []),
  )
  inodes.release()
  return { isHit: attack.isHit, wrongs }
}

/** Every instance must be as it was or as it is wanted; without `before`, as it is wanted. */
function wrongStates(world: World, before: Snapshot | undefined, now: Snapshot): string[] {
  return world.instances.flatMap((instance) => {
    const state = now.states.get(instance)
    if (state === world.wanted(instance) || (before !== undefined && state === before.states.get(instance))) return []
    return [`the instance ${instance} is ${state ?? 'not there'}`]
  })
}

function goneInUse(world: World, now: Snapshot): string[] {
  return [...new Set(world.used)]
    .filter((tree) => !now.trees.has(tree))
    .map((tree) => `tree ${tree} is gone from under a program`)
}

function wrongSurroundings(world: World, before: string): string[] {
  const now = world.describeSurroundings()
  return now === before ? [] : [`what lies beside the store was ${before}, is ${now}`]
}
