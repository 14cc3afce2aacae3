const tokens = /\*\*\/|\*+|\?|[^*?]+/g

/**
 * What says whether a path is one that a glob means, all of it: `*` and `?` stay within a folder; `**` does not, and with
 * a slash behind it may be no folder at all.
 *
 * Paths are an image's, so nothing is tried twice: each part of the glob goes on from all places at once where those
 * before it can end. That takes the length of the glob times that of the path, whatever is in them; a regular
 * expression with five wildcards takes the fifth power.
 */
export function globMatcher(glob: string): (path: string) => boolean {
  const parts = glob.match(tokens) ?? []
  return (path) => {
    let ends = [0]
    for (const part of parts) ends = endsOf(part, path, ends)
    return ends.at(-1) === path.length
  }
}

/** Where a part can end, in ascending order, when it begins at one of these places. */
function endsOf(part: string, path: string, starts: readonly number[]): number[] {
  const [first] = starts
  if (first === undefined) return []
  if (part === '?') return starts.flatMap((at) => (at < path.length && path[at] !== '/' ? [at + 1] : []))
  if (part === '*') return upToSlash(path, starts)
  if (part === '**/') return afterSlashes(path, starts, first)
  if (part.startsWith('*')) return Array.from({ length: path.length - first + 1 }, (_, index) => first + index)
  return starts.flatMap((at) => (path.startsWith(part, at) ? [at + part.length] : []))
}

function upToSlash(path: string, starts: readonly number[]): number[] {
  const ends: number[] = []
  for (const start of starts) {
    // Up to the next slash, those of the former start are this one's.
    if (start <= (ends.at(-1) ?? -1)) continue
    const slash = path.indexOf('/', start)
    for (let end = start; end <= (slash < 0 ? path.length : slash); end++) ends.push(end)
  }
  return ends
}

function afterSlashes(path: string, starts: readonly number[], first: number): number[] {
  const ends = new Set(starts)
  for (let slash = path.indexOf('/', first); slash >= 0; slash = path.indexOf('/', slash + 1)) ends.add(slash + 1)
  return [...ends].sort((a, b) => a - b)
}
