import { spawn } from 'node:child_process'
import { type Contender, type Field, type Scenario, scenarios } from './contender.ts'
import { processorOfEnded, watchMemory } from './processes.ts'

export interface Sample {
  readonly seconds: number
  /** Seconds of all processors together, of all processes of the contender on the controller. */
  readonly processor: number
  /** Bytes from here to the host, and back, SSH's own included. */
  readonly sent: number
  readonly received: number
  /** The largest peak of one process, in bytes. */
  readonly memory: number
  /** Files of the distribution that are not as the image has them; undefined where none changes. */
  readonly wrong?: number
}

export interface Row {
  readonly contender: string
  readonly scenario: Scenario
  readonly how: string
  /** One a run. */
  readonly samples: Sample[]
}

/** A contender that stopped: what it does next builds on what it could not do, so nothing more of it is measured. */
export interface Failure {
  readonly contender: string
  readonly message: string
}

interface Options {
  readonly runs: number
  /** No run is begun that would not end in this time, after the first. */
  readonly seconds: number
  readonly without: readonly Scenario[]
  /** Processes that no contender started: the host's. */
  readonly except: readonly number[]
  readonly progress: (text: string) => void
}

/** Runs each contender in turn, as often as asked for: what else the machine does in between meets all of them. */
export async function measure(
  contenders: readonly Contender[],
  field: Field,
  options: Options,
): Promise<{ rows: Row[]; failures: Failure[] }> {
  const rows: Row[] = []
  const failures: Failure[] = []
  const started = performance.now()
  for (let run = 1; run <= options.runs; run += 1) {
    const spent = (performance.now() - started) / 1000
    if (run > 1 && (spent * run) / (run - 1) > options.seconds) {
      options.progress(`No time for run ${run}: it would end later than after ${options.seconds.toFixed(0)} s`)
      break
    }
    for (const contender of contenders) {
      if (failures.some((one) => one.contender === contender.name)) continue
      const progress = (text: string) => options.progress(`run ${run} of ${options.runs}, ${contender.name}, ${text}`)
      try {
        await runOnce(contender, { field, options: { ...options, progress }, rows })
      } catch (error) {
        const message = error instanceof Error ? error.message : String(error)
        progress(`stopped: ${message}`)
        failures.push({ contender: contender.name, message })
      }
    }
  }
  return { rows, failures }
}

let number = 0

async function runOnce(
  contender: Contender,
  { field, options, rows }: { readonly field: Field; readonly options: Options; readonly rows: Row[] },
): Promise<void> {
  number += 1
  const { steps, end } = await contender.start(field, number)
  process.once('exit', end)
  try {
    for (const { scenario, how, run: act, result } of steps) {
      if (scenario === 'setup') {
        await act()
        continue
      }
      if (options.without.includes(scenario)) continue
      const measured = await sampleOf(act, { field, contender, except: options.except })
      const sample = result
        ? { ...measured, wrong: await wrongFiles(result.tree, field.sums(result.version)) }
        : measured
      options.progress(`${scenarios[scenario]}: ${sample.seconds.toFixed(2)} s`)
      const row = rows.find((one) => one.contender === contender.name && one.scenario === scenario)
      if (row) row.samples.push(sample)
      else rows.push({ contender: contender.name, scenario, how, samples: [sample] })
    }
  } finally {
    process.off('exit', end)
    end()
  }
}

async function sampleOf(
  act: () => Promise<unknown>,
  from: { readonly field: Field; readonly contender: Contender; readonly except: readonly number[] },
): Promise<Sample> {
  const { link } = from.field
  const before = { sent: link.sent, received: link.received }
  const memory = watchMemory({ matches: from.contender.process, except: from.except })
  const processor = processorOfEnded()
  const started = performance.now()
  try {
    await act()
  } catch (error) {
    memory.stop()
    throw error
  }
  return {
    seconds: (performance.now() - started) / 1000,
    processor: processorOfEnded() - processor,
    sent: link.sent - before.sent,
    received: link.received - before.received,
    memory: memory.stop(),
  }
}

function wrongFiles(tree: string, sums: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn('sha256sum', ['--check', '--quiet', sums], { cwd: tree, stdio: ['ignore', 'pipe', 'ignore'] })
    let said = ''
    child.stdout.on('data', (chunk) => (said += chunk))
    child.once('error', reject)
    child.once('close', () => resolve(said.split('\n').length - 1))
  })
}
