import { appendFileSync, chmodSync, cpSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { probe } from '../../src/host/probe.ts'
import type { Transport } from '../../src/host/transport.ts'
import { temporaryFolder } from '../support/folder.ts'
import { hosts, hostTransport } from '../support/hosts.ts'
import { watchInodes } from '../support/inodes.ts'
import { checkObjects, completeState, type Files, imageOf, install, stagingOf, targetAt } from '../support/store.ts'

const same = Object.fromEntries(Array.from({ length: 300 }, (_, index) => [`root/share/${index}`, `content ${index}`]))
const distribution = (files: Files) => imageOf({ 'root/bin/postgres*': 'x', ...same, ...files }, { distribution: true })
const first = distribution({
  'root/a file': 'becomes a folder',
  'root/a folder/with/files': 'becomes a file',
  'root/gone/with/files': 'goes',
  'root/-rf': 'goes',
  'root/back\\slash': 'goes',
  'root/a link': { to: 'bin/postgres' },
  'root/another link': { to: 'bin/postgres' },
  'root/ünï 𝄞': 'stays',
  'root/program': 'becomes executable',
})
const second = distribution({
  'root/a file/below': 'a file that became a folder',
  'root/a folder': 'a folder that became a file',
  'root/came/with/files': 'comes',
  'root/empty': '',
  'root/a link': { to: 'came/with' },
  'root/another link': { to: 'bin/postgres' },
  'root/ünï 𝄞': 'stays',
  'root/program*': 'becomes executable',
})

/** Counts what goes to the host with each push; `before` is called ahead of it. */
function counting(transport: Transport, before: () => void = () => {}): { transport: Transport; sent: number[] } {
  const sent: number[] = []
  const exec: Transport['exec'] = (command, options = {}) => {
    const { stdin } = options
    if (!command.endsWith('pgoci-push') || !(stdin instanceof Readable)) return transport.exec(command, options)
    before()
    const index = sent.push(0) - 1
    const counted = async function* () {
      for await (const chunk of stdin as AsyncIterable<Buffer>) {
        sent[index] = (sent[index] ?? 0) + chunk.length
        yield chunk
      }
    }
    return transport.exec(command, { ...options, stdin: Readable.from(counted(), { objectMode: false }) })
  }
  return { transport: { ...transport, exec }, sent }
}

describe.each(hosts)('a tree that is like one which is there, on a host with $name', (host) => {
  test('is made of it, and only what differs travels', async () => {
    const { transport, sent } = counting(hostTransport(host))
    const target = targetAt(join(temporaryFolder(), 'store'), transport)
    await install(target, { distribution: first })
    const watch = watchInodes(target.root)
    await install(target, { distribution: second })
    expect(watch.findWritten()).toEqual([])
    expect(completeState(target.root)?.generation).toBe(2)
    await install(target, { distribution: first })
    expect(completeState(target.root)?.generation).toBe(3)
    checkObjects(target.root)
    expect(stagingOf(target.root)).toEqual([])
    const [whole = 0, part = 0] = sent
    const script = 30_000
    expect(part - script).toBeLessThan((whole - script) / 2)
  })

  test('comes whole when that one was damaged since it was looked at', async () => {
    const root = join(temporaryFolder(), 'store')
    await install(targetAt(root, hostTransport(host)), { distribution: first })
    let isFirst = true
    const { transport, sent } = counting(hostTransport(host), () => {
      if (isFirst) damage(join(root, 'instances/main/current/root/share/7'))
      isFirst = false
    })
    await install(targetAt(root, transport), { distribution: second })
    expect(sent.length).toBe(2)
    expect(completeState(root)?.generation).toBe(2)
  })

  test('Bug: made of a restored backup, whose files are copies, it left the objects to the garbage', async () => {
    const target = targetAt(join(temporaryFolder(), 'store'), hostTransport(host))
    await install(target, { distribution: first })
    cpSync(target.root, `${target.root}.backup`, { recursive: true, verbatimSymlinks: true, preserveTimestamps: true })
    rmSync(target.root, { recursive: true })
    renameSync(`${target.root}.backup`, target.root)
    expect((await probe(target, { verify: 'quick', purpose: 'report' })).renewed.length).toBeGreaterThan(0)
    await install(target, { distribution: second })
    const { bad, deviations } = await probe(target, { verify: 'full' })
    expect({ bad: bad.size, deviations: deviations.size }).toEqual({ bad: 0, deviations: 0 })
    expect(checkObjects(target.root)).toBeGreaterThan(300)
  })

  test('comes whole when the manifest of that one was', async () => {
    const root = join(temporaryFolder(), 'store')
    await install(targetAt(root, hostTransport(host)), { distribution: first })
    let isFirst = true
    const { transport, sent } = counting(hostTransport(host), () => {
      if (isFirst) writeFileSync(join(root, 'manifests', first.treeDigest.slice(7)), 'bin/other\td\t755\t-\n')
      isFirst = false
    })
    await install(targetAt(root, transport), { distribution: second })
    expect(sent.length).toBe(2)
    expect(completeState(root)?.generation).toBe(2)
  })
})

function damage(path: string): void {
  chmodSync(path, 0o644)
  appendFileSync(path, 'damaged')
}
