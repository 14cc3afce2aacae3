import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { cachedFolder } from './cache.ts'
import { command } from './command.ts'

const recipe = join(import.meta.dirname, 'packaged-host.sh')

/** A Debian with its own Postgres, and what upgrades that; nobody changes it, because all tests share it. */
export interface PackagedHost {
  readonly root: string
  /** Folder of the packages. */
  readonly debs: string
  readonly major: number
  /** Versions of packages, before and after. */
  readonly from: string
  readonly to: string
}

/** @param suite bookworm has Postgres 15, testing 18 or later */
export async function packagedHost(suite: 'bookworm' | 'testing'): Promise<PackagedHost> {
  const folder = await cachedFolder(`packaged-${suite}`, readFileSync(recipe, 'utf8'), (made) =>
    command(recipe, [made, suite]).then(() => {}),
  )
  const [from = '', to = ''] = readFileSync(join(folder, 'versions'), 'utf8').trim().split(' ')
  return { root: join(folder, 'root'), debs: join(folder, 'debs'), major: Number.parseInt(from, 10), from, to }
}
