import { printable } from '../model/quote.ts'
import type { Drift } from './drift.ts'

/** What a drift means for who uses the server, and what the next `up` of its stack does about it. */
export function effectOf(drift: Drift): { readonly effect: string; readonly repair: string } {
  const isStore = drift.area === 'store'
  switch (drift.kind) {
    case 'missing':
      return isStore ? missingOfStore(drift) : { effect: missing(drift.path), repair: 'up restores it' }
    case 'added':
      return { effect: 'put there by someone else, Postgres may load it', repair: 'up removes it' }
    case 'modified':
      if (isStore) return { effect: 'it no longer says what was installed', repair: 'up writes it anew' }
      return {
        effect: /\.so(\.[0-9.]+)?$/.test(drift.path)
          ? 'new sessions load other code'
          : 'new sessions read other content',
        repair: 'up restores it',
      }
    case 'mode':
      return { effect: 'its permissions were changed, some may no longer read or run it', repair: 'up restores it' }
    case 'owner':
      return { effect: 'who owns it can change it', repair: 'up restores it' }
    case 'retargeted':
      if (isStore) return { effect: retargeted(drift.path), repair: 'up sets it back' }
      return { effect: 'what reads it gets another file', repair: 'up restores it' }
    case 'replaced':
      return { effect: 'another kind of file lies there', repair: 'up restores it' }
    case 'damaged':
      return drift.path.startsWith('manifests/')
        ? { effect: 'changes of its tree may not be seen', repair: 'up sends it again' }
        : { effect: 'the next change would install it', repair: 'up sends it again' }
    case 'generation':
      return { effect: 'servers see what was installed before', repair: 'up installs what the stack declares' }
  }
}

function missing(path: string): string {
  if (path === '.') return 'the whole tree is gone, Postgres does not start'
  return /(?:^|\/)lib\//.test(path) ? 'functions of this library fail' : 'what reads it fails'
}

function missingOfStore({ path }: Drift) {
  if (/\/(?:current|root|live\/[^/]+)$/.test(path)) return { effect: retargeted(path), repair: 'up sets it back' }
  return { effect: 'it no longer says what was installed', repair: 'up writes it anew' }
}

function retargeted(path: string): string {
  if (path.includes('/live/')) return 'running servers see other extensions, or none'
  if (path.endsWith('/root')) return 'the next start of Postgres uses something else, or fails'
  return 'the next start of Postgres and its extensions come from somewhere else, or fail'
}

const kindsOfFile: Readonly<Record<string, string>> = { f: 'a file', d: 'a folder', l: 'a link' }

function detail({ kind, found, package: by }: Drift): string {
  const facts: string[] = []
  if (kind === 'modified' && /^[0-9a-f]{64}$/.test(found)) facts.push(`now sha256 ${found.slice(0, 12)}`)
  if (kind === 'modified' && found === '-') facts.push('it cannot be read')
  if (kind === 'mode') facts.push(`now ${found}`)
  if (kind === 'owner') facts.push(`now of ${found}`)
  if (kind === 'retargeted') facts.push(`now leads to ${found || 'nothing'}`)
  if (kind === 'replaced') facts.push(`now ${kindsOfFile[found] ?? 'something special'}`)
  if (kind === 'generation') facts.push(`the newest is ${found}`)
  if (by !== undefined) facts.push(`of package ${by}`)
  return facts.length === 0 ? '' : ` (${printable(facts.join(', '))})`
}

/** `modified lib/vector.so (now sha256 …): new sessions load other code; up restores it`. */
function driftLine(drift: Drift): string {
  const { effect, repair } = effectOf(drift)
  const what = drift.kind === 'generation' ? 'taken back to' : drift.kind
  const path = drift.path === '.' ? `the tree "${drift.area}"` : printable(drift.path)
  return `${what} ${path}${detail(drift)}: ${effect}; ${repair}`
}

/** Lines for a person: what, where, what it means, what `up` will do. At most `limit` lines and a count. */
export function describeDrift(drift: readonly Drift[], limit = 20): string[] {
  const lines = drift.slice(0, limit).map(driftLine)
  return drift.length > limit ? [...lines, `and ${drift.length - limit} more`] : lines
}
