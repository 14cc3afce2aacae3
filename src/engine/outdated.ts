import { z } from 'zod'
import { parseReference } from '../model/reference.ts'
import { choose, type Target, type Wanted } from '../postgres/offer.ts'
import type { LockedImage, LockedName } from './lock-file.ts'
import { digestOf, type Names, offersOf } from './names.ts'
import { readRepository } from './repository.ts'

/** How something that is locked stands to what there is. */
export const standingSchema = z.object({
  what: z.string().describe('name, or reference of an image'),
  for: z.string().describe('the distribution or platform'),
  current: z.string().describe('version, or digest of an image'),
  wanted: z.string().optional().describe('the highest that fits and is asked for; missing: there is none any more'),
  latest: z.string().optional().describe('the highest that fits, whatever was asked for'),
  isMoved: z.boolean().describe('the tag of the current version has another digest now'),
  newer: z.array(z.string()).describe('versions above the latest that do not fit, with why'),
})

export type Standing = z.infer<typeof standingSchema>

/** Asks a name's repository anew. */
export async function standingOfName(locked: LockedName, names: Names): Promise<Standing> {
  const { name, asked: version, prerelease, postgres: major, os, platform } = locked
  const target: Target = { major, postgresVersion: `${major}`, os, platform }
  const repository = await readRepository(locked.repository)
  const { offers } = await offersOf(repository, { name }, { target, names, isNew: true })
  const wanted: Wanted = { name, version, prerelease }
  const [meant] = choose(offers, wanted, target).fitting
  const { fitting, newer } = choose(offers, { name, prerelease }, target)
  return {
    what: version === undefined ? name : `${name} ${version}`,
    for: `Postgres ${major}, ${os}, ${platform}`,
    current: locked.version,
    ...(meant ? { wanted: meant.version.text } : {}),
    ...(fitting[0] ? { latest: fitting[0].version.text } : {}),
    isMoved: await isMoved(locked, names),
    newer: [...newer],
  }
}

/** Asks for a tag anew. */
export async function standingOfImage(locked: LockedImage, names: Names): Promise<Standing> {
  const moved = await isMoved(locked, names)
  return { what: locked.reference, for: locked.platform, current: locked.digest, isMoved: moved, newer: [] }
}

/** Whether there is somewhere to go. */
export function canMove({ current, wanted, latest, isMoved: moved }: Standing): boolean {
  return moved || (wanted ?? current) !== current || (latest ?? current) !== current
}

async function isMoved({ reference, digest }: LockedImage, names: Names): Promise<boolean> {
  return parseReference(reference).digest === undefined && (await digestOf(reference, names)) !== digest
}
