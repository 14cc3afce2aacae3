/** Which versions an extension's scripts create, and which they lead to. */
export interface Scripts {
  /** Versions with a script of their own, `NAME--1.1.sql`. */
  readonly installable: readonly string[]
  /** `NAME--1.0--1.1.sql` is `['1.0', '1.1']`. */
  readonly updates: readonly (readonly [from: string, to: string])[]
}

const maxScripts = 10_000

/**
 * Sorts an extension's scripts by their names (extension.c, get_ext_ver_list).
 *
 * @throws SyntaxError whose message completes "the extension …"
 */
export function readScripts(extension: string, files: Iterable<string>): Scripts {
  const installable: string[] = []
  const updates: [string, string][] = []
  for (const file of files) {
    if (!file.startsWith(`${extension}--`) || !file.endsWith('.sql')) continue
    const [from = '', to, ...more] = file.slice(extension.length + 2, -'.sql'.length).split('--')
    if (more.length > 0) continue
    if (to === undefined) installable.push(from)
    else updates.push([from, to])
    if (installable.length + updates.length > maxScripts) throw new SyntaxError(`has more than ${maxScripts} scripts`)
  }
  return { installable, updates }
}

/** The versions that an update goes through, the last one `to`; undefined where Postgres finds no way. */
export function updatePath({ updates }: Pick<Scripts, 'updates'>, from: string, to: string): string[] | undefined {
  return shortest(neighbours(updates), { from, to, shunned: new Set() })
}

/**
 * What `CREATE EXTENSION … VERSION` runs: a version with a script of its own, then updates (extension.c,
 * find_install_path); undefined when it cannot be created.
 */
export function installPath({ installable, updates }: Scripts, version: string): string[] | undefined {
  if (installable.includes(version)) return [version]
  const shunned = new Set(installable)
  const [start] = nearest(updates, version, shunned).sort(byBytes)
  const path = start === undefined ? undefined : shortest(neighbours(updates), { from: start, to: version, shunned })
  return start === undefined || path === undefined ? undefined : [start, ...path]
}

/** Those of `starts` that lead to a version in the fewest steps, with none of them on the way. */
function nearest(updates: Scripts['updates'], to: string, starts: ReadonlySet<string>): string[] {
  const before = neighbours(updates.map(([from, to]) => [to, from]))
  const seen = new Set([to])
  for (let level = [to]; level.length > 0; ) {
    level = level
      .flatMap((version) => [...(before.get(version) ?? [])])
      .filter((one) => !seen.has(one) && seen.add(one))
    const found = level.filter((one) => starts.has(one))
    if (found.length > 0) return found
  }
  return []
}

/** All versions that an installed `from` can be updated to. */
export function reachable({ updates }: Pick<Scripts, 'updates'>, from: string): Set<string> {
  const next = neighbours(updates)
  const found = new Set<string>()
  for (const open = [from]; open.length > 0; ) {
    for (const to of next.get(open.pop() as string) ?? []) {
      if (found.has(to)) continue
      found.add(to)
      open.push(to)
    }
  }
  return found
}

function neighbours(updates: Scripts['updates']): Map<string, Set<string>> {
  const next = new Map<string, Set<string>>()
  for (const [from, to] of updates) next.set(from, (next.get(from) ?? new Set()).add(to))
  return next
}

/**
 * The fewest steps; of equally many, the way whose versions come first by their bytes, from the end on
 * (extension.c, find_update_path). Level by level, that is the first predecessor in that order.
 */
function shortest(
  next: ReadonlyMap<string, ReadonlySet<string>>,
  { from, to, shunned }: { readonly from: string; readonly to: string; readonly shunned: ReadonlySet<string> },
): string[] | undefined {
  const before = new Map<string, string>()
  for (let level = [from]; level.length > 0 && !before.has(to); ) {
    const reached: string[] = []
    for (const version of level.sort(byBytes)) {
      for (const one of next.get(version) ?? []) {
        if (one === from || before.has(one) || shunned.has(one)) continue
        before.set(one, version)
        reached.push(one)
      }
    }
    level = reached
  }
  if (!before.has(to)) return undefined
  const path: string[] = []
  for (let version = to; version !== from; version = before.get(version) as string) path.unshift(version)
  return path
}

function byBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b))
}
