import { readdirSync, readFileSync } from 'node:fs'

export interface MemoryWatch {
  /** The largest peak (VmHWM) of one matching process, in bytes; 0 when none was met. */
  stop(): number
}

/**
 * Watches the processes that this one started, and theirs. The kernel keeps a process's peak itself, so looking
 * from time to time misses only what it grew after the last look.
 *
 * @param options.matches told by the command line
 * @param options.except processes whose whole family is left out
 * @param options.interval milliseconds between two looks; default 100
 */
export function watchMemory(options: {
  readonly matches: (commandLine: string) => boolean
  readonly except: readonly number[]
  readonly interval?: number
}): MemoryWatch {
  let peak = 0
  const look = () => {
    for (const pid of family(process.pid, options.except)) {
      if (!options.matches(read(pid, 'cmdline').replaceAll('\0', ' '))) continue
      const found = /^VmHWM:\s+(\d+) kB$/m.exec(read(pid, 'status'))
      peak = Math.max(peak, Number(found?.[1] ?? 0) * 1024)
    }
  }
  const timer = setInterval(look, options.interval ?? 100)
  return {
    stop: () => {
      clearInterval(timer)
      return peak
    },
  }
}

const ticksPerSecond = 100

/**
 * Processor seconds, user and system, of this process's children that have ended, and of theirs that they waited
 * for: the kernel adds them up (getrusage's RUSAGE_CHILDREN), so that none is missed, however short it was. What
 * still runs, as sshd and the registry do, is not in it.
 */
export function processorOfEnded(): number {
  const [user = 0, system = 0] = fields('self').slice(13, 15).map(Number)
  return (user + system) / ticksPerSecond
}

/** The processes that this one or its children started, without those of `except` and theirs. */
export function family(ancestor: number, except: readonly number[]): number[] {
  const children = new Map<number, number[]>()
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue
    const parent = Number(fields(name)[1])
    children.set(parent, [...(children.get(parent) ?? []), Number(name)])
  }
  const found: number[] = []
  const open = [ancestor]
  for (let pid = open.pop(); pid !== undefined; pid = open.pop()) {
    for (const child of children.get(pid) ?? []) {
      if (except.includes(child)) continue
      found.push(child)
      open.push(child)
    }
  }
  return found
}

/** Those of /proc/PID/stat from the third on: the second is the program's name, in brackets, and may hold anything. */
function fields(pid: string): string[] {
  const stat = read(pid, 'stat')
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')
}

/** Empty for a process that has ended meanwhile. */
function read(pid: number | string, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8')
  } catch {
    return ''
  }
}
