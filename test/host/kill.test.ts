import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { remove } from '../../src/host/store.ts'
import { verbText } from '../../src/host/verb.ts'
import { temporaryFolder } from '../support/folder.ts'
import { damaging, dashHost, type Host, hosts, hostTransport } from '../support/hosts.ts'
import { checkObjects, completeState, generationOf, imageOf, install, stagingOf, targetAt } from '../support/store.ts'

const distribution = imageOf({ 'root/bin/postgres*': 'server', 'live/lib/plain.so*': 'plain' }, { distribution: true })
const other = imageOf({ 'root/bin/postgres*': 'server 2', 'live/lib/plain.so*': 'plain' }, { distribution: true })
const extension = (name: string) =>
  imageOf({ 'live/lib/vector.so*': `module ${name}`, 'live/share/vector.control': 'same' }, { distribution: false })
const counts: string[] = []
afterAll(() => process.stdout.write(`shells killed: ${counts.join('; ')}\n`))

// Every line in one shell and every fifth in the others takes a minute; PGOCI_THOROUGH kills at every line in all.
const every = (step: number) => (_line: number, index: number) => process.env['PGOCI_THOROUGH'] || index % step === 0

const killing = 'kill -9 $$'

/** The lines before which a shell can be killed: those that begin a statement. */
function killableLines(text: string, from: number): number[] {
  const lines = text.split('\n')
  return lines.flatMap((line, index) => {
    if (index < from || line.trim() === '' || line.trim().startsWith('#')) return []
    const previous = lines.slice(0, index).findLast((one) => one.trim() !== '' && !one.trim().startsWith('#')) ?? ''
    if (/(\|\||&&|\||\\|\bin|\{ cd .*)$/.test(previous)) return []
    const parses = (inserted: string) =>
      spawnSync('sh', ['-n'], { input: insertedAt(text, index, inserted) }).status === 0
    // A line within quotes takes anything, even what is no statement.
    return parses(killing) && !parses('fi') ? [index] : []
  })
}

function insertedAt(text: string, index: number, line: string): string {
  return text.split('\n').toSpliced(index, 0, line).join('\n')
}

/** The text as it is sent, which lacks comments; words stand before it. */
function killer(index: number) {
  return (sent: { script: string }) => {
    const head = sent.script.split('\n').findIndex((line) => line.startsWith('set -u'))
    const offset = head - verbText('push').split('\n').indexOf('set -u')
    sent.script = insertedAt(sent.script, index + offset, killing)
  }
}

async function killEverywhere(host: Host, lines: readonly number[], options: { fresh: boolean }): Promise<number> {
  const transport = hostTransport(host)
  let killed = 0
  let target = targetAt(join(temporaryFolder(), 'store'), transport)
  if (!options.fresh) await install(target, { distribution, vector: extension('first') })
  for (const [turn, line] of lines.entries()) {
    if (options.fresh) target = targetAt(join(temporaryFolder(), 'store'), transport)
    const { root } = target
    const before = completeState(root)
    // A new distribution every other time, so that the live link of the old one is nailed as well.
    const images = { distribution: turn % 2 ? distribution : other, vector: extension(`${host.name} ${line}`) }
    const outcome = await install({ ...target, transport: damaging(transport, 'push', killer(line)) }, images).then(
      () => 'done',
      (error: { code?: string; message: string }) => error.code ?? error.message,
    )
    expect(['done', 'HOST_UNREACHABLE'], `killed before line ${line}`).toContain(outcome)
    if (outcome !== 'done') killed += 1
    const after = completeState(root, 'main', { afterKill: true })
    if (after?.generation === before?.generation) expect(after, `killed before line ${line}`).toEqual(before)
    else expect(after?.live).not.toBe(before?.live)
    await install(target, images)
    const last = completeState(root)
    expect(last?.live, `the run after the kill before line ${line}`).not.toBe(before?.live)
    expect(stagingOf(root)).toEqual([])
    checkObjects(root)
  }
  return killed
}

const text = verbText('push')
const pushBegins = text.split('\n').findIndex((line) => line.startsWith('# push NONCE'))

describe.each(hosts)('on a host with $name', (host) => {
  test('Atomic: a push whose shell is killed before any line of it leaves the old state or the new one', async () => {
    const lines = killableLines(text, pushBegins).filter(every(host === dashHost ? 1 : 5))
    const killed = await killEverywhere(host, lines, { fresh: false })
    counts.push(`${killed} of ${lines.length} lines (${host.name})`)
    expect(killed).toBeGreaterThan(lines.length / 2)
  })
})

test('Atomic: the first push of a host is as safe', async () => {
  const lines = killableLines(text, pushBegins).filter(every(2))
  const killed = await killEverywhere(dashHost, lines, { fresh: true })
  counts.push(`${killed} of ${lines.length} lines of a first push`)
  expect(killed).toBeGreaterThan(lines.length / 3)
})

test('Atomic: a removal that is killed before any line leaves all or nothing, and the next run finishes it', async () => {
  const removal = verbText('remove')
  const begins = removal.split('\n').findIndex((line) => line.startsWith('# remove NONCE'))
  const lines = killableLines(removal, begins)
  const transport = hostTransport(dashHost)
  let killed = 0
  for (const line of lines) {
    const target = targetAt(join(temporaryFolder(), 'store'), transport)
    await install(target, { distribution, vector: extension('removed') })
    const before = completeState(target.root)
    const outcome = await remove({ ...target, transport: damaging(transport, 'remove', killer(line)) }, 1).then(
      () => 'done',
      (error: { code?: string }) => error.code,
    )
    expect(['done', 'HOST_UNREACHABLE'], `killed before line ${line}`).toContain(outcome)
    if (outcome !== 'done') killed += 1
    const generation = await generationOf(target)
    if (generation > 0) expect(completeState(target.root)).toEqual(before)
    await remove(target, generation)
    expect(readdirSync(target.root).sort(), `killed before line ${line}`).toEqual(['FORMAT', 'lock'])
  }
  counts.push(`${killed} of ${lines.length} lines of a removal`)
  expect(killed).toBeGreaterThan(lines.length / 2)
})

test('Atomic: a kill in the middle of collecting garbage, of recording or of linking is as harmless', async () => {
  const lines = killableLines(text, 0)
    .filter((line) => line < pushBegins)
    .filter(every(4))
  const killed = await killEverywhere(dashHost, lines, { fresh: false })
  counts.push(`${killed} of ${lines.length} lines of the functions`)
  expect(killed).toBeGreaterThan(lines.length / 3)
})
