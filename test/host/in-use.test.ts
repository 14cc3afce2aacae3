import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { localTransport } from '../../src/host/local.ts'
import { remove, type StoreTarget } from '../../src/host/store.ts'
import { temporaryFolder } from '../support/folder.ts'
import { hosts, hostTransport } from '../support/hosts.ts'
import { lacksRoot } from '../support/needs.ts'
import { distributionFiles, extensionFiles } from '../support/postgres-images.ts'
import { startIn, type TestProcess } from '../support/process.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { completeState, imageOf, install, placed, targetAt } from '../support/store.ts'

const treesOf = (root: string) => readdirSync(join(root, 'trees'))

// One life of a server; the tests are its chapters, in order.
describe('garbage collection beside a real Postgres', () => {
  const target = targetAt(join(temporaryFolder(), 'store'), localTransport())
  const { root } = target
  const files = distributionFiles()
  const distributions = ['1', '2'].map((build) =>
    imageOf({ ...placed(files), 'root/share/build': build }, { distribution: true }),
  )
  const hstore = (build: string) =>
    imageOf(placed(extensionFiles('hstore', (control) => `# ${build}\n${control}`)), { distribution: false })
  let server: TestServer
  let first: { root: string; live: string }
  const generations = () => readdirSync(join(root, 'instances/main/generations')).sort()
  const change = (build: number, version: string) =>
    install(target, { distribution: distributions[build] as (typeof distributions)[0], hstore: hstore(version) })

  beforeAll(async () => {
    await change(0, '1')
    first = completeState(root) ?? { root: '', live: '' }
    server = await startServer({
      binDirectory: join(root, 'instances/main/root/bin'),
      libraryPath: '',
      folder: join(temporaryFolder(), 'cluster'),
    })
  })

  afterAll(() => server?.stop())

  test('a module that a session has mapped stays, with its tree, through any number of generations', async () => {
    const session = await server.session()
    await session.query('CREATE EXTENSION hstore')
    await session.query("SELECT 'a=>1'::hstore")
    for (const version of ['2', '3', '4', '5']) await change(0, version)
    // Its root is that of all generations, which is no reason to keep them all.
    expect(generations()).toEqual(['3', '4', '5'])
    expect(treesOf(root)).toContain(first.live)
    expect((await session.query("SELECT 'a=>1'::hstore -> 'a' AS a")).rows).toEqual([{ a: '1' }])
    await session.end()
  })

  test('a postmaster of an older distribution starts backends and loads modules after many changes', async () => {
    for (const version of ['6', '7', '8', '9']) await change(1, version)
    expect(generations()).toEqual(['5', '7', '8', '9'])
    expect(treesOf(root)).toContain(first.root)
    const session = await server.session()
    expect((await session.query("SELECT 'a=>1'::hstore -> 'a' AS a")).rows).toEqual([{ a: '1' }])
    await session.end()
  })

  test('a postmaster whose binary somebody deleted still keeps its tree', async () => {
    rmSync(join(root, 'trees', first.root, 'bin/postgres'))
    await change(1, '10')
    expect(treesOf(root)).toContain(first.root)
    const session = await server.session()
    expect((await session.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }])
    await session.end()
    await expect(remove(target, 10)).rejects.toMatchObject({ code: 'CONFLICT' })
  })

  test('when it has stopped, the next change frees all that it had', async () => {
    await server.stop()
    const freed = await change(1, '11')
    expect(freed?.generations).toBeGreaterThanOrEqual(1)
    expect(treesOf(root)).not.toContain(first.root)
    expect(treesOf(root)).toHaveLength(1 + 3)
  })
})

describe.skipIf(lacksRoot).each(hosts)('on a host with $name (needs root for namespaces)', (host) => {
  const distribution = imageOf({ 'root/bin/sleep*': readFileSync('/bin/sleep') }, { distribution: true })

  /** Changes it until nothing but a process could keep the first tree, and says whether it is there. */
  async function isKept(start: (target: StoreTarget, tree: string) => Promise<TestProcess>) {
    const target = targetAt(join(temporaryFolder(), 'store'), hostTransport(host))
    await install(target, { distribution })
    const tree = join(target.root, 'trees', completeState(target.root)?.root ?? '')
    const running = await start(target, tree)
    try {
      for (const name of ['2', '3', '4', '5'])
        await install(target, { distribution: imageOf({ 'root/bin/sleep*': name }, { distribution: true }) })
      return existsSync(join(tree, 'bin/sleep'))
    } finally {
      expect(await running.stop(), 'it ran to the end').toBe(true)
    }
  }

  test('a process that has a tree as its root keeps it', async () => {
    const program = 'chroot $ARGV[0] or die; sleep 600'
    expect(await isKept((_target, tree) => startIn('perl', ['-e', program, tree]))).toBe(true)
  })

  test.each(['', '/trees'])(
    'a process in a mount namespace that has %s of the store elsewhere keeps its tree',
    async (part) => {
      // Where it was, nothing is.
      const script = 'mount --bind "$1" "$2"; mount -t tmpfs none "$3"; exec "$2$4" 600'
      const start = ({ root }: StoreTarget, tree: string) => {
        const file = `${tree}/bin/sleep`.slice(`${root}${part}`.length)
        return startIn('unshare', [
          '--mount',
          'sh',
          '-euc',
          script,
          'sh',
          `${root}${part}`,
          temporaryFolder(),
          root,
          file,
        ])
      }
      expect(await isKept(start)).toBe(true)
    },
  )
})
