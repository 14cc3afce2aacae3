import { z } from 'zod'
import { keyOfImage, keyOfName, type Lock } from '../engine/lock-file.ts'
import { columns } from './output.ts'

/** What `pgoci lock --json` prints: docs/schemas/lock-report.json is made of it. */
export const lockReportSchema = z
  .object({
    file: z.string(),
    isUnchanged: z.boolean(),
    names: z.int().min(0),
    images: z.int().min(0),
    changed: z.array(
      z.object({
        what: z.string().describe('name or reference'),
        for: z.string(),
        from: z.string().optional().describe('missing: new'),
        to: z.string().optional().describe('missing: taken out'),
      }),
    ),
  })
  .meta({ title: 'pgoci lock --json' })

type Result = z.infer<typeof lockReportSchema>

/** What a lock has, and how it differs from the former one. */
export function report(before: Lock, after: Lock): Pick<Result, 'names' | 'images' | 'changed'> {
  interface Locked {
    readonly what: string
    readonly for: string
    readonly is: string
    readonly digest: string
  }
  const flat = ({ names, images }: Lock) =>
    new Map<string, Locked>([
      ...names.map(
        (one) =>
          [
            keyOfName(one),
            {
              what: one.name,
              for: `Postgres ${one.postgres}, ${one.os}, ${one.platform}`,
              is: one.version,
              digest: one.digest,
            },
          ] as const,
      ),
      ...images.map(
        (one) =>
          [keyOfImage(one), { what: one.reference, for: one.platform, is: one.digest, digest: one.digest }] as const,
      ),
    ])
  const [old, now] = [flat(before), flat(after)]
  const changed = [...new Set([...old.keys(), ...now.keys()])].sort().flatMap((key) => {
    const [from, to] = [old.get(key), now.get(key)]
    const one = to ?? from
    if (one === undefined || from?.digest === to?.digest) return []
    return { what: one.what, for: one.for, ...(from ? { from: from.is } : {}), ...(to ? { to: to.is } : {}) }
  })
  return { names: after.names.length, images: after.images.length, changed }
}

export function lines({ file, isUnchanged, names, images, changed }: Result): string[] {
  return columns([
    ['lock', [`${file}, ${names} names, ${images} images${isUnchanged ? ', unchanged' : ''}`]],
    [
      'changed',
      changed.map((one) => `${one.what} for ${one.for}: ${[one.from ?? 'new', one.to ?? 'taken out'].join(' → ')}`),
    ],
  ])
}
