import { printable } from '../model/quote.ts'

/** Something that a proof has found. */
export interface Finding {
  /** An `accepted` one is an error that an override names: it stays visible. */
  readonly severity: 'error' | 'accepted' | 'warning' | 'note'
  readonly rule: string
  /** File, soname or extension that it is about. */
  readonly subject: string
  /** `rule:subject`, by which an override names it. */
  readonly id: string
  /** Name of the member whose image it is about. */
  readonly member: string
  /** What its bytes say. */
  readonly fact: string
  /** What they should agree with. */
  readonly against: string
  readonly advice: string
}

export type Found = Omit<Finding, 'id' | 'member'>

/** One line. Images wrote most of it, so nothing in it may draw on a terminal. */
export function findingText({ severity, id, fact, against, advice }: Finding): string {
  return printable(`${severity} ${id}: ${fact}; ${against}; ${advice}`, 1000)
}

/** Why an image is refused: the part of a message that follows its colon. */
export function refusalText({ id, fact, against, advice }: Finding): string {
  return printable(`${fact}, and ${against}; ${advice} (${id})`, 1000)
}

/** `lib/vector.so` of `live/lib/vector.so`, and `usr/bin/shp2pgsql` of `root/usr/bin/shp2pgsql`. */
export function shownPath(path: string): string {
  return path.slice(path.indexOf('/') + 1)
}

/** `a, b and 3 more`. */
export function some(names: readonly string[], most = 2): string {
  const shown = names.slice(0, most).join(', ')
  return names.length > most ? `${shown} and ${names.length - most} more` : shown
}
