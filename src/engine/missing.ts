import type { Probe } from '../host/answer.ts'
import { probe } from '../host/probe.ts'
import type { StoreTarget } from '../host/store.ts'

/**
 * Which objects a host lacks. It is asked only for those of which its first answer, `seen`, does not tell.
 *
 * @param known objects that it has, or whose lack it has told already
 */
export async function findMissing(
  target: StoreTarget,
  objects: Iterable<string>,
  from: { readonly seen: Probe; readonly known: ReadonlySet<string>; readonly signal?: AbortSignal },
): Promise<ReadonlySet<string>> {
  const { seen, known, ...signal } = from
  if (seen.isEmpty) return new Set(objects)
  const open = [...objects].filter((name) => !known.has(name))
  if (open.length === 0) return seen.missing
  const { missing } = await probe(target, { verify: 'none', objects: open, ...signal })
  return new Set([...seen.missing, ...missing])
}
