import { z } from 'zod'
import { ProviderError } from '../model/error.ts'
import { sortingOfServer } from '../postgres/collation.ts'
import { compareImages } from '../postgres/comparison.ts'
import { type Finding, refusalText } from '../postgres/finding.ts'
import type { ImageSide } from '../postgres/image-side.ts'
import { type Party, prove } from '../postgres/prove.ts'
import { baseOf } from './base.ts'
import { loadDistribution } from './distribution.ts'
import { loadExtension } from './extension.ts'
import type { ImageRequest } from './image.ts'
import { unlessOther } from './inspect.ts'
import type { LoadedMember } from './member.ts'
import { providesOf } from './provides.ts'

const texts = z.array(z.string())
const step = z.object({ name: z.string(), from: z.string().optional(), to: z.string().optional() })
const side = z.object({ reference: z.string(), image: z.string(), platform: z.string() })

/** What `pgoci diff --json` prints: docs/schemas/diff.json is made of it. Fields are added, never changed. */
export const diffSchema = z
  .object({
    kind: z.enum(['distribution', 'extension']),
    old: side,
    new: side.describe('image is the same, pinned: name@sha256:…'),
    isSame: z.boolean().describe('no file differs'),
    impact: z.object({ kind: z.enum(['live', 'reload', 'restart', 'blocked']), why: z.string() }),
    versions: z
      .array(step.extend({ canUpdate: z.boolean().optional() }))
      .describe('that differ, as CREATE EXTENSION has them'),
    files: z
      .object({ added: texts, removed: texts, changed: texts, same: z.int().min(0) })
      .describe('live/… is what a running server sees, root/… what its next start uses'),
    newBytes: z.int().min(0).describe('of contents that the old image lacks'),
    wireBytes: z.int().min(0).describe('the same, packed as the layers of the new image are: an estimate'),
    requires: z.object({ added: texts, removed: texts }),
    preload: texts.describe('libraries for shared_preload_libraries'),
    sorting: z.string().optional().describe('what sorts text, when that changes'),
    packages: z.array(step).describe('of the system in the image, that differ'),
    isProven: z.boolean().describe('there was a distribution to prove an extension against'),
    findings: z.array(
      z.object({
        severity: z.enum(['error', 'accepted', 'warning', 'note']),
        ...{ id: z.string(), member: z.string(), fact: z.string(), against: z.string(), advice: z.string() },
      }),
    ),
  })
  .meta({ title: 'pgoci diff --json' })

export type ImageDiff = z.infer<typeof diffSchema>

/** An image, and how it was asked for. */
export interface Asked {
  readonly reference: string
  readonly request: ImageRequest
}

interface Read {
  readonly member: LoadedMember
  readonly side: ImageSide
  readonly party: Party
}

/**
 * What a change from one image to the other is, with what the proof says of it.
 *
 * @param options.others what it is declared with: the distribution of an extension, the extensions of a distribution
 * @param options.bases what images may be built on, beside these
 * @throws ProviderError BAD_INPUT for a distribution and an extension
 */
export async function diffImages(
  old: Asked,
  now: Asked,
  { others, bases }: { readonly others: readonly Asked[]; readonly bases: readonly Asked[] },
): Promise<ImageDiff> {
  const under = [...others, ...bases].map(({ request }) => request)
  const [before, after] = [await readImage(old, under), await readImage(now, under)]
  const isDistribution = after.side.server !== undefined
  if (isDistribution !== (before.side.server !== undefined))
    throw new ProviderError(
      'BAD_INPUT',
      `Cannot compare ${before.member.image} with ${after.member.image}: one is a distribution, the other an extension; name two of the same kind, and with --base what an extension was built on`,
    )
  const company: Read[] = []
  for (const one of others) company.push(await readImage(one, [...under, now.request]))
  const { findings, isProven } = proofOf(before, after, company)
  const { files, newBytes = 0, impact, ...found } = compareImages(before.side, after.side)
  if (files === undefined) throw new TypeError('An image that was read has files')
  const [error] = findings.filter(({ severity }) => severity === 'error')
  const shown = ({ reference }: Asked, { member: { image, platform } }: Read) => ({ reference, image, platform })
  return diffSchema.parse({
    kind: isDistribution ? 'distribution' : 'extension',
    ...{ old: shown(old, before), new: shown(now, after) },
    isSame: before.member.treeDigest === after.member.treeDigest,
    impact: error ? { kind: 'blocked', why: refusalText(error) } : impact,
    ...{ files, newBytes, wireBytes: Math.ceil(newBytes * after.member.compression), ...found, isProven, findings },
  })
}

async function readImage({ reference, request }: Asked, bases: readonly ImageRequest[]): Promise<Read> {
  const { member, image } = await loadImage(request, await baseOf(request, bases))
  const { version, major } = image.server ?? {}
  const server =
    image.server && version !== undefined && major !== undefined
      ? { version, major, ...sortingOfServer(image.server) }
      : undefined
  return {
    member,
    side: { tree: member.tree, facts: image, server, major: member.major, provides: providesOf(image) },
    party: { name: reference, facts: image, labels: member.labels },
  }
}

/** What is a part of an image, or was built on a distribution, is an extension; else the image says what it is. */
async function loadImage(request: ImageRequest, base: readonly string[]) {
  if (request.part?.include || base.length > 0) return loadExtension(request, base)
  // Where its store is on a host matters to no difference.
  const found = await unlessOther(() => loadDistribution(request, '/var/lib/pgoci'))
  return found instanceof ProviderError ? loadExtension(request) : found
}

function proofOf(before: Read, after: Read, company: readonly Read[]): { findings: Finding[]; isProven: boolean } {
  const all = [after, ...company]
  const distribution = all.find(({ side }) => side.server !== undefined)?.party
  const extensions = all.filter(({ side }) => side.server === undefined)
  if (distribution === undefined || extensions.length === 0) return { findings: [], isProven: false }
  const versions = Object.entries(before.side.provides).map(([name, { version }]) => [name, version])
  const findings = extensions.flatMap((one) =>
    prove({
      distribution,
      extension: { ...one.party, ...(one === after ? { former: Object.fromEntries(versions) } : {}) },
      others: extensions.filter((other) => other !== one).map(({ party }) => party),
    }),
  )
  return { findings, isProven: true }
}
