import { z } from 'zod'
import type { Probe } from '../host/answer.ts'
import { ProviderError } from '../model/error.ts'
import { driftKinds, findDrift } from './drift.ts'
import { effectOf } from './drift-text.ts'
import { findPending, renewedLines } from './pending.ts'
import { parseRecord } from './record.ts'
import { bringerOf } from './report.ts'

/** What `pgoci drift --json` prints: docs/schemas/drift.json is made of it. */
export const driftReportSchema = z
  .object({
    host: z.string(),
    root: z.string().describe('folder of the store'),
    instance: z.string(),
    verified: z.enum(['quick', 'full']).describe('quick: what the file system says has changed; full: all content'),
    generation: z.int().min(0).describe('of the record that the host was compared with'),
    when: z.string().describe('that generation was made'),
    who: z.string().describe('made it'),
    members: z.array(z.object({ name: z.string(), image: z.string(), stack: z.string() })),
    isClean: z.boolean().describe('drift is empty'),
    drift: z.array(
      z.object({
        kind: z.enum(driftKinds),
        area: z.enum(['root', 'live', 'store']).describe('tree of the next start, tree that servers see, own files'),
        path: z.string().describe('in that tree, or in the store'),
        member: z.string().describe('who brings it: distribution, or the name of an Extension'),
        found: z.string().describe('a hash, a target, a mode, an owner, a kind of file; or empty'),
        package: z.string().optional().describe('that knows the path, of the first 20'),
        effect: z.string(),
        repair: z.string(),
      }),
    ),
    pending: z.array(
      z.object({
        kind: z.enum(['restart', 'session']),
        pids: z.array(z.int()),
        since: z.int().optional().describe('seconds since 1970'),
        tree: z.string(),
        path: z.string().optional(),
        effect: z.string(),
      }),
    ),
    notes: z.array(z.string()),
  })
  .meta({ title: 'pgoci drift --json' })

export type DriftReport = z.infer<typeof driftReportSchema>

/**
 * An instance against its own record.
 *
 * @throws ProviderError NOT_FOUND without a record, HOST_REFUSED when it is damaged: then nobody can tell
 */
export function reportInstance(
  seen: Probe,
  at: { readonly host: string; readonly root: string; readonly instance: string; readonly verified: 'quick' | 'full' },
): DriftReport {
  if (seen.record === undefined) {
    throw new ProviderError(
      'NOT_FOUND',
      `Cannot tell the drift of ${at.instance} in ${at.root} on ${at.host}: it has no record there; pulumi up --refresh installs what a stack declares`,
    )
  }
  const record = parseRecord(seen.record, at.host)
  const memberOf = bringerOf(seen, record.members)
  const drift = findDrift(seen).map((one) => ({ ...one, member: memberOf(one), ...effectOf(one) }))
  return {
    ...at,
    generation: seen.shown,
    when: record.when,
    who: record.who,
    members: record.members.map(({ name, image, stack }) => ({ name, image, stack })),
    isClean: drift.length === 0,
    drift,
    pending: findPending(seen).map((one) => ({ ...one, pids: [...one.pids] })),
    notes: renewedLines(seen),
  }
}
