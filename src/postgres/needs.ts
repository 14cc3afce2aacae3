import type { BinaryFacts } from './facts.ts'
import type { Loader, Provider } from './loader.ts'
import { isLive } from './rules-modules.ts'

const maxSteps = 50_000

/** A library that a file is linked with, and which one it would get. */
export interface Need {
  readonly by: BinaryFacts
  readonly name: string
  readonly found: Provider | undefined
}

/** Of everything in the image that a server or a person may start, and of the libraries in it that these lead to. */
export function needsOf(binaries: readonly BinaryFacts[], loader: Loader): Need[] {
  const brought = new Set(binaries)
  const starts = binaries.filter(
    ({ path, magic }) => magic !== undefined || /^live\/lib\/[^/]+\.so$/.test(path) || /\/s?bin\/[^/]+$/.test(path),
  )
  const needs: Need[] = []
  const seen = new Set(starts)
  // Modules come first: what both need is told of them.
  for (const open = starts.toSorted((a, b) => Number(isLive(b)) - Number(isLive(a))); open.length > 0; ) {
    const by = open.shift() as BinaryFacts
    for (const name of by.needed) {
      if (name.includes('/') || needs.length > maxSteps) continue
      const found = loader.find(name, by)
      needs.push({ by, name, found })
      if (found === undefined || !brought.has(found.binary) || seen.has(found.binary)) continue
      seen.add(found.binary)
      open.push(found.binary)
    }
  }
  return needs
}
