import { z } from 'zod'
import { ProviderError } from '../model/error.ts'
import { quote } from '../model/quote.ts'
import { isMeantBy, parseVersion } from '../model/version.ts'
import { digestSchema } from '../oci/schema.ts'
import type { Target, Wanted } from '../postgres/offer.ts'

export const lockFileName = 'pgoci.lock.json'

const text = z.string().min(1).max(1024)
const platform = z.string().max(64).describe('of the hosts, as in linux/amd64')

const namedSchema = z.strictObject({
  name: text.describe('as the program asks for it'),
  repository: text.describe('the template'),
  asked: text.optional().describe('the version that was asked for; missing: the highest that fits'),
  prerelease: z.boolean().optional(),
  postgres: z.int().min(9).max(99),
  os: text.describe('of the distribution, as in bookworm; none where its image tells none'),
  platform,
  version: text.describe('what it is'),
  reference: text,
  digest: digestSchema,
})

const imageSchema = z.strictObject({
  reference: text.describe('as the program writes it'),
  platform,
  digest: digestSchema,
})

/** `pgoci.lock.json`: what names and tags are, for every stack and every machine. */
export const lockSchema = z
  .strictObject({
    version: z.literal(1),
    names: z.array(namedSchema).max(20_000),
    images: z.array(imageSchema).max(20_000),
  })
  .meta({ title: 'pgoci.lock.json' })

export type Lock = z.infer<typeof lockSchema>
export type LockedName = z.infer<typeof namedSchema>
export type LockedImage = z.infer<typeof imageSchema>

/** @throws ProviderError BAD_INPUT */
export function parseLock(content: string, path: string): Lock {
  let value: unknown
  try {
    value = JSON.parse(content)
  } catch {
    value = undefined
  }
  const parsed = lockSchema.safeParse(value)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  const at = issue?.path.length ? ` (${issue.path.join('.')}: ${issue.message})` : ''
  throw new ProviderError(
    'BAD_INPUT',
    `Cannot read ${quote(path)}: it is no lock file of this version${at}; write it again with npx pgoci lock`,
  )
}

/** The same text for the same locks, sorted, with one entry for what is the same. */
export function formatLock({ names, images }: Pick<Lock, 'names' | 'images'>): string {
  const sorted = <T>(entries: readonly T[], keyOf: (entry: T) => string): T[] =>
    [...new Map(entries.map((entry) => [keyOf(entry), entry]))]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([, entry]) => entry)
  const lock = { version: 1, names: sorted(names, keyOfName), images: sorted(images, keyOfImage) }
  return `${JSON.stringify(lockSchema.parse(lock), null, 2)}\n`
}

export function keyOfName({
  name,
  repository,
  postgres,
  os,
  platform,
}: Omit<LockedName, 'digest' | 'version' | 'reference'>): string {
  return JSON.stringify([name, repository, postgres, os, platform])
}

export function keyOfImage({ reference, platform }: Omit<LockedImage, 'digest'>): string {
  return JSON.stringify([reference, platform])
}

/** @param from.found what the name means */
export function lockedName(
  { name, version: asked, prerelease }: Wanted,
  from: {
    readonly repository: string
    readonly target: Target
    readonly found: Pick<LockedName, 'version' | 'reference' | 'digest'>
  },
): LockedName {
  const { major: postgres, os, platform } = from.target
  const { version, reference, digest } = from.found
  return {
    ...{ name, repository: from.repository },
    ...(asked === undefined ? {} : { asked }),
    ...(prerelease ? { prerelease } : {}),
    ...{ postgres, os, platform, version, reference, digest },
  }
}

/**
 * What a lock says of a name; nothing, when it does not know the name in that repository.
 *
 * @throws ProviderError CONFLICT for a name that it has for other distributions only, or in a version that is not meant
 */
export function findLocked(
  { names }: Lock,
  wanted: Wanted,
  { repository, target, path }: { readonly repository: string; readonly target: Target; readonly path: string },
): LockedName | undefined {
  const { name, version } = wanted
  const known = names.filter((one) => one.name === name && one.repository === repository)
  if (known.length === 0) return undefined
  const { major: postgres, os, platform } = target
  const found = known.find((one) => keyOfName(one) === keyOfName({ name, repository, postgres, os, platform }))
  const refuse = (why: string) =>
    new ProviderError(
      'CONFLICT',
      `Cannot use ${quote(path)} for ${quote(name)}: ${why}; run npx pgoci lock, and commit what it writes`,
    )
  if (found === undefined) {
    const there = [...new Set(known.map((one) => `Postgres ${one.postgres}, ${one.os}, ${one.platform}`))]
    throw refuse(
      `it has it for ${there.slice(0, 5).join('; ')}, and the distribution is Postgres ${postgres}, ${os}, ${platform}`,
    )
  }
  const [asked, locked] = [version === undefined ? undefined : parseVersion(version), parseVersion(found.version)]
  if (version !== undefined && !(asked && locked && isMeantBy(locked, asked)))
    throw refuse(`it has ${found.version}, and the program asks for ${version}`)
  return found
}
