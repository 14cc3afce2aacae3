import { byBytes } from '../model/tree.ts'
import type { ImageSide } from './image-side.ts'

/** A package of an image's system, by its package database. */
export interface PackageChange {
  readonly name: string
  readonly from?: string | undefined
  readonly to?: string | undefined
}

/** Nothing, where one of the images does not tell. */
export function packageChanges(before: ImageSide | undefined, after: ImageSide): PackageChange[] {
  const [old, now] = [packagesOf(before), packagesOf(after)]
  if (old.size === 0 || now.size === 0) return []
  return [...new Set([...old.keys(), ...now.keys()])].sort(byBytes).flatMap((name) => {
    const [from, to] = [old.get(name), now.get(name)]
    return from === to ? [] : [{ name, from, to }]
  })
}

function packagesOf(side: ImageSide | undefined): Map<string, string> {
  return new Map(Object.entries(side?.facts?.packages ?? {}))
}
