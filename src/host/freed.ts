/** What a change gave back to the host's disk. */
export interface Freed {
  readonly kilobytes: number
  readonly files: number
  readonly trees: number
  readonly generations: number
}

/** From the line `freed` of an answer; `undefined` when nothing was freed. */
export function parseFreed(lines: readonly (readonly string[])[]): Freed | undefined {
  const line = lines.find(([key]) => key === 'freed')
  if (line === undefined) return undefined
  const [kilobytes = 0, files = 0, trees = 0, generations = 0] = line.slice(1).map((text) => Number(text) || 0)
  return { kilobytes, files, trees, generations }
}

/** `freed 182 MB: 2 generations, 3 trees, 1,204 files` */
export function describeFreed({ kilobytes, files, trees, generations }: Freed): string {
  const size = kilobytes < 1000 ? `${kilobytes} kB` : `${Math.round((kilobytes * 1024) / 1e6).toLocaleString('en')} MB`
  const parts = [count(generations, 'generation'), count(trees, 'tree'), count(files, 'file')].flat()
  return `freed ${size}: ${parts.join(', ')}`
}

function count(number: number, noun: string): string[] {
  return number === 0 ? [] : [`${number.toLocaleString('en')} ${noun}${number === 1 ? '' : 's'}`]
}
