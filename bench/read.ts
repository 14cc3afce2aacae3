import { mkdirSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { cachedFolder } from '../test/support/cache.ts'
import { command } from '../test/support/command.ts'
import { extensionNames } from './images.ts'
import type { Bench, Part } from './part.ts'
import { processorOfEnded, watchMemory } from './processes.ts'
import { alignTable, median } from './report.ts'

/** One way to read an image on the controller. */
interface Reader {
  readonly name: string
  readonly how: string
  run(folder: string): Promise<{ readonly seconds?: number; readonly memory?: number; readonly processor: number }>
}

interface Sample {
  readonly seconds: number
  /** Seconds of all processors together, which other work on the machine changes less. */
  readonly processor: number
  readonly memory: number
}

interface ReadRow {
  readonly title: string
  readonly name: string
  readonly how: string
  /** Of the unpacked image. */
  readonly megabytes: number | undefined
  readonly samples: Sample[]
}

/**
 * What the controller does without a host: the verified way from compressed layers to one tree, and facts of images
 * that are in the cache. Each reader in turn, as often as asked for, but for no more than a sixth of the time.
 */
export const reading: Part = {
  name: 'read',
  knows: (word) => word === 'read',
  run: async (bench) => {
    const rows = await measureReading(bench)
    const report = { conditions: conditions(bench), rows }
    return { text: formatReading(report), json: report, failures: 0 }
  },
}

function conditions({ machine, input }: Bench): string[] {
  return [
    `Reading images, on the controller. Medians: ${machine()}.`,
    input,
    'MB/s are of unpacked bytes. Registry, disks and layouts are warm in the page cache, our own cache is empty except',
    "for the resolutions. Our seconds are those inside a provider that runs already, the others' the whole command's;",
    "memory is the largest process's peak, ours with all of Pulumi's SDK loaded. Processor: of all processes together.",
  ]
}

async function measureReading(bench: Bench): Promise<ReadRow[]> {
  const layouts = await readLayouts(bench)
  const rows: ReadRow[] = []
  const enough = bench.only.length > 0 ? bench.left() : bench.left() / 6
  const begun = performance.now()
  for (let run = 1; run <= bench.runs; run += 1) {
    if (run > 1 && (((performance.now() - begun) / 1000) * run) / (run - 1) > enough) break
    for (const [title, { megabytes, readers }] of Object.entries(scenariosOf(bench, layouts))) {
      for (const { name, how, run: act } of readers) {
        const folder = join(bench.folder, 'read')
        rmSync(folder, { recursive: true, force: true })
        mkdirSync(folder)
        const watch = watchMemory({ matches: (line) => /^(?:gzip|zstd|sha256sum|skopeo) /.test(line), except: [] })
        const started = performance.now()
        const result = await act(folder)
        const whole = (performance.now() - started) / 1000
        const peak = watch.stop()
        const sample = { ...result, seconds: result.seconds ?? whole, memory: result.memory ?? peak }
        bench.progress(`run ${run} of ${bench.runs}, ${title}, ${name}: ${sample.seconds.toFixed(2)} s`)
        const row = rows.find((one) => one.title === title && one.name === name)
        if (row) row.samples.push(sample)
        else rows.push({ title, name, how, megabytes, samples: [sample] })
      }
    }
  }
  return rows
}

type Layouts = Readonly<Record<'gzip' | 'zstd', { readonly path: string; readonly blobs: readonly string[] }>>

/** The distribution as two layouts on disk, one with gzip and one with zstd. Made once, kept outside the checkout. */
async function readLayouts({ registry, size, folder: home }: Bench): Promise<Layouts> {
  const from = `docker://${registry}/bench/postgres:1`
  const folder = await cachedFolder(`bench-read-${size}`, readFileSync(import.meta.filename, 'utf8'), async (made) => {
    // skopeo remembers blobs, and would take gzip ones again where zstd is asked for.
    const env = { ...process.env, HOME: join(home, 'skopeo'), XDG_DATA_HOME: join(home, 'skopeo') }
    const copy = ['--insecure-policy', 'copy', '--quiet', '--src-tls-verify=false']
    await command('skopeo', [...copy, from, `oci:${join(made, 'gzip')}:1`])
    const zstd = ['--dest-compress', '--dest-compress-format', 'zstd', '--dest-compress-level', '3']
    await command('skopeo', [...copy, ...zstd, from, `oci:${join(made, 'zstd')}:1`], { env })
  })
  const layout = (name: string) => {
    const path = join(folder, name)
    const blobs = readdirSync(join(path, 'blobs', 'sha256')).map((hex) => join(path, 'blobs', 'sha256', hex))
    return { path, blobs: blobs.filter((blob) => statSync(blob).size > 100_000) }
  }
  return { gzip: layout('gzip'), zstd: layout('zstd') }
}

function scenariosOf({ registry, size }: Bench, { gzip, zstd }: Layouts) {
  const image = `${registry}/bench/postgres:1`
  const facts = extensionNames.map((name) => `${registry}/bench/${name}:1`)
  const ours = (how: string, ...words: readonly string[]): Reader => ({
    name: 'pulumi-postgres-oci',
    how,
    run: (folder) => program(registry, folder, words),
  })
  const shell = (name: string, how: string, script: string): Reader => ({
    name,
    how,
    run: async (folder) => {
      const env = { ...process.env, WORK: folder }
      const before = processorOfEnded()
      await command('bash', ['-euo', 'pipefail', '-c', script], { env })
      return { processor: processorOfEnded() - before }
    },
  })
  const hash = (tool: string, blobs: readonly string[]) =>
    shell(
      `${tool} -dc | sha256sum`,
      'a layer after another; no tar',
      blobs.map((one) => `${tool} -dc <${one} | sha256sum`).join('\n'),
    )
  const skopeo = (from: string) => `skopeo --insecure-policy copy --quiet --src-tls-verify=false ${from} oci:$WORK/to:1`
  const readHow = 'blobs copied into the cache; blob, layer and every file hashed; one tree'
  return {
    'read gzip layers from disk': {
      megabytes: size,
      readers: [
        ours(readHow, 'image', `oci:${gzip.path}:1`),
        hash('gzip', gzip.blobs),
        shell('skopeo copy', 'hashes blobs, unpacks nothing', skopeo(`oci:${gzip.path}:1`)),
      ],
    },
    'read zstd layers from disk': {
      megabytes: size,
      readers: [
        ours(readHow, 'image', `oci:${zstd.path}:1`),
        hash('zstd', zstd.blobs),
        shell('skopeo copy', 'hashes blobs, unpacks nothing', skopeo(`oci:${zstd.path}:1`)),
      ],
    },
    'read gzip layers from a registry': {
      megabytes: size,
      readers: [
        ours('the same, while it downloads', 'image', image),
        shell('skopeo copy', 'hashes blobs, unpacks nothing', skopeo(`docker://${image}`)),
      ],
    },
    '200 resolutions with a warm cache: ten extensions': {
      megabytes: undefined,
      readers: [
        warm(ours('tag asked at the registry, facts from the cache', 'facts', '20', ...facts), registry, facts),
      ],
    },
    '200 resolutions with a warm cache: the distribution': {
      megabytes: undefined,
      readers: [
        warm(ours('tag asked at the registry, facts and tree from the cache', 'facts', '200', image), registry, [
          image,
        ]),
      ],
    },
  }
}

/** Fills the cache first, unmeasured. */
function warm(reader: Reader, registry: string, references: readonly string[]): Reader {
  const run: Reader['run'] = async (folder) => {
    await program(registry, folder, ['facts', '1', ...references])
    return reader.run(folder)
  }
  return { ...reader, run }
}

async function program(registry: string, folder: string, words: readonly string[]) {
  const env = {
    ...process.env,
    PGOCI_CACHE: join(folder, 'cache'),
    PGOCI_REGISTRIES: JSON.stringify({ [registry]: { insecure: true } }),
  }
  const said = await command(process.execPath, [join(import.meta.dirname, 'programs', 'read.ts'), ...words], { env })
  return JSON.parse(said) as Sample
}

interface ReadReport {
  readonly conditions: readonly string[]
  readonly rows: readonly ReadRow[]
}

/** For a person: a block for each scenario. */
function formatReading({ conditions, rows }: ReadReport): string {
  const lines: string[][] = []
  for (const title of new Set(rows.map((row) => row.title))) {
    lines.push([title, 'runs', 'seconds', 'MB/s', 'processor', 'memory', 'how'])
    for (const { name, how, megabytes, samples } of rows.filter((row) => row.title === title)) {
      const seconds = median(samples.map((one) => one.seconds))
      const processor = median(samples.map((one) => one.processor))
      const memory = median(samples.map((one) => one.memory))
      const speed = megabytes === undefined ? '-' : (megabytes / seconds).toFixed(0)
      const cells = [
        String(samples.length),
        seconds.toFixed(2),
        speed,
        `${processor.toFixed(2)} s`,
        `${(memory / 1e6).toFixed(0)} MB`,
        how,
      ]
      lines.push([`  ${name}`, ...cells])
    }
    lines.push([])
  }
  return [...conditions, '', alignTable(lines, { right: [1, 2, 3, 4, 5] }), ''].join('\n')
}
