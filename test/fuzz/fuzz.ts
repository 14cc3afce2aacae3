import fc from 'fast-check'
import { ProviderError } from '../../src/model/error.ts'
import { printable } from '../../src/model/quote.ts'
import { damaged } from './mutate.ts'
import type { Reader } from './readers.ts'

export interface FuzzOptions {
  readonly seed: number
  /** How many inputs, or for how long. */
  readonly runs?: number
  readonly milliseconds?: number
  /** Hears of each input before it is read. */
  readonly before?: (input: Buffer) => void
}

export interface Fuzzed {
  readonly inputs: number
  readonly refused: number
  /** The first thing that a reader may not do, with the smallest input that was found for it. */
  readonly found?: { readonly what: string; readonly input: Buffer }
}

/** Processor time for one input, of a megabyte at most. Nearly all take a thousandth of it. */
const maxMilliseconds = 1000
/** Of the whole process. */
const maxMemory = 2 * 1024 ** 3

/** Has a reader read damaged samples until it does something else than answer, or refuse in the one way it promises. */
export async function fuzz(reader: Reader, { seed, before, ...limit }: FuzzOptions): Promise<Fuzzed> {
  let [inputs, refused] = [0, 0]
  let isTooMuch = false
  const tooMuch = (what: string) => {
    isTooMuch = true
    return new Error(`took ${what}`)
  }
  const property = fc.asyncProperty(damaged(reader.samples), async (input) => {
    // To look for a smaller one would take as long again, many times.
    if (isTooMuch) return
    before?.(input)
    inputs += 1
    const start = process.cpuUsage()
    if (await isRefused(reader, input)) refused += 1
    const { user, system } = process.cpuUsage(start)
    const spent = Math.round((user + system) / 1000)
    if (spent > maxMilliseconds) throw tooMuch(`${spent} ms of processor time`)
    const { maxRSS } = process.resourceUsage()
    if (maxRSS * 1024 > maxMemory) throw tooMuch(`${maxRSS} KiB of memory`)
  })
  const details = await fc.check(property, {
    ...{ seed, numRuns: limit.runs ?? Number.MAX_SAFE_INTEGER },
    ...(limit.milliseconds === undefined ? {} : { interruptAfterTimeLimit: limit.milliseconds }),
  })
  const [input] = details.counterexample ?? []
  if (input === undefined) return { inputs, refused }
  const error = details.errorInstance
  return {
    inputs,
    refused,
    found: { what: error instanceof Error ? (error.stack ?? error.message) : String(error), input },
  }
}

async function isRefused({ read, throws }: Reader, input: Buffer): Promise<boolean> {
  try {
    await read(input)
    return false
  } catch (error) {
    if (throws === undefined || !(error instanceof throws)) throw error
    // What it says is shown to people, in their terminals.
    if (printable(error.message, Infinity) !== error.message) throw new Error(`says ${JSON.stringify(error.message)}`)
    if (error instanceof ProviderError && !error.message.startsWith('Cannot ')) throw error
    return true
  }
}
