import { join } from 'node:path'
import { temporaryFolder } from '../support/folder.ts'
import { AskedServer } from './asked-server.ts'
import type { Column } from './columns.ts'
import type { Fault } from './faults.ts'
import { postgresImages, smallImages } from './images.ts'
import type { Scene } from './inject.ts'
import { openHost } from './open-host.ts'
import { World } from './world.ts'

/** Prepares a host with a store and somebody who uses it. */
export async function openScene(fault: Fault, column: Column): Promise<Scene & { close(): Promise<void> }> {
  const host = await openHost(column, fault.setting ?? {})
  const world = new World(host.place)
  const turns = column.hasPostgres ? await postgresImages(host.place.root) : smallImages
  world.declare('main', turns(0))
  await world.converge('main')
  const instance = join(host.place.root, 'instances/main')
  const server = column.hasPostgres ? await AskedServer.start(instance, temporaryFolder()) : undefined
  // A disk that has to be unmounted, or a store that has to be new, cannot have somebody who uses it.
  if (!server && !host.isUnmounted && !['first', 'emptying'].includes(fault.change))
    await world.startDaemon(fault.setting?.user === 'nobody' ? { uid: 65_534, gid: 65_534 } : {})
  return {
    world,
    host,
    turns,
    ...(server ? { server } : {}),
    close: async () => {
      await server?.stop()
      await world.close()
      await host.close()
    },
  }
}
