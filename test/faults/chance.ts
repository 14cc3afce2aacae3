import { createHash } from 'node:crypto'

/** All choices of a run follow from it; PGOCI_SEED, which may be any text, makes others. */
export const seed = process.env['PGOCI_SEED'] ?? '1'

export interface Chance {
  below(limit: number): number
  pick<T>(from: readonly T[]): T
  /** This many of them, or all, in an order of chance. */
  some<T>(count: number, from: readonly T[]): T[]
}

/** Choices for one purpose; they do not depend on how many were made for another. */
export function chance(...purpose: readonly (string | number)[]): Chance {
  let draws = 0
  const below = (limit: number) => {
    draws += 1
    const text = JSON.stringify([seed, purpose, draws])
    return createHash('sha256').update(text).digest().readUInt32LE() % limit
  }
  return {
    below,
    pick: <T>(from: readonly T[]) => from[below(from.length)] as T,
    some: (count, from) => {
      const rest = [...from]
      return Array.from({ length: Math.min(count, rest.length) }, () => rest.splice(below(rest.length), 1)).flat()
    },
  }
}
