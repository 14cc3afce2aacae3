// Damages what our readers read (ELF files, control files, package databases, layers, documents, answers of hosts) and has
// them read it: each must answer, or refuse in the one way that it promises, within a second. Ends with 1 when one does
// not; its input is then in a file.
//   npm run fuzz -- [--seconds 60] [--seed NUMBER] [--only READER]
//     --seconds   for all readers together
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { printable } from '../src/model/quote.ts'
import { type Fuzzed, fuzz } from '../test/fuzz/fuzz.ts'
import { readers } from '../test/fuzz/readers.ts'

interface Task {
  readonly name: string
  readonly seed: number
  readonly milliseconds: number
  /** Holds the input that is read now: its length, its bytes. */
  readonly now: SharedArrayBuffer
}

/** A reader that has not come back by then does not come back. */
const maxSilence = 60_000

if (isMainThread) await main()
else parentPort?.postMessage(await work(workerData as Task))

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      seconds: { type: 'string', default: '60' },
      seed: { type: 'string', default: String(randomInt(2 ** 31)) },
      only: { type: 'string' },
    },
  })
  const seed = Number(values.seed)
  const chosen = readers.filter(({ name }) => values.only === undefined || name === values.only)
  if (chosen.length === 0) throw new Error(`--only is one of ${readers.map(({ name }) => name).join(', ')}`)
  process.stdout.write(`seed ${seed}\n`)
  for (const { name } of chosen) {
    const { inputs, refused, found } = await inWorker(
      name,
      seed,
      Math.ceil((Number(values.seconds) * 1000) / chosen.length),
    )
    process.stdout.write(`${name.padEnd(44)} ${inputs} inputs, ${refused} refused\n`)
    if (found === undefined) continue
    const file = join(tmpdir(), `pgoci-fuzz-${name.replaceAll(/\W+/g, '-')}-${seed}`)
    writeFileSync(file, found.input)
    const what = found.what
      .split('\n')
      .slice(0, 5)
      .map((line) => printable(line))
    process.stdout.write(`! ${file}: ${what.join('\n')}\n`)
    process.exitCode = 1
  }
  process.stdout.write(`at most ${Math.round(process.resourceUsage().maxRSS / 1024)} MiB of memory\n`)
}

/** What hangs, or needs more memory than there is, ends with its worker, and the input is still known. */
async function inWorker(name: string, seed: number, milliseconds: number): Promise<Fuzzed> {
  const now = new SharedArrayBuffer(2 * 1024 * 1024)
  const worker = new Worker(import.meta.filename, {
    workerData: { name, seed, milliseconds, now } satisfies Task,
    resourceLimits: { maxOldGenerationSizeMb: 1024 },
  })
  const limit = AbortSignal.timeout(milliseconds + maxSilence)
  try {
    const [result] = await once(worker, 'message', { signal: limit })
    return result as Fuzzed
  } catch (error) {
    const length = new DataView(now).getUint32(0)
    const input = Buffer.from(new Uint8Array(now, 4, length))
    return { inputs: 0, refused: 0, found: { what: limit.aborted ? 'does not end' : String(error), input } }
  } finally {
    await worker.terminate()
  }
}

async function work({ name, seed, milliseconds, now }: Task): Promise<Fuzzed> {
  const reader = readers.find((one) => one.name === name)
  if (reader === undefined) throw new Error(`There is no ${name}`)
  const before = (input: Buffer) => {
    new DataView(now).setUint32(0, input.length)
    new Uint8Array(now, 4).set(input)
  }
  return fuzz(reader, { seed, milliseconds, before })
}
