import { chmodSync, existsSync, mkdtempSync, readdirSync, readlinkSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { distributionFiles, extensionFiles, writeLayout } from '../support/postgres-images.ts'
import { TestStack } from '../support/pulumi.ts'
import { startSshd, type TestSshd } from '../support/sshd.ts'
import { differences } from '../support/store-check.ts'

// Two stacks on one host: the first has an instance in each of two roots, the second shares one of these roots.
const program = `
import * as pulumi from '@pulumi/pulumi'
import { Distribution, Extension } from 'pulumi-postgres-oci'
const { connection, postgres } = new pulumi.Config().requireObject('all')
for (const { name, root, hstore } of postgres) {
  const distribution = new Distribution(name, { connection, root, image: 'oci:' + process.env.IMAGES + ':pg18' })
  new Extension(name + '-hstore', { distribution, image: 'oci:' + process.env.IMAGES + ':' + hstore })
}
`
const folder = mkdtempSync(join(tmpdir(), 'pgoci-stacks-'))
const images = join(folder, 'images')
const env = { IMAGES: images, PGOCI_CACHE: join(folder, 'cache') }
const shop = new TestStack(program, { main: 'index.mjs', env })
const blog = new TestStack(program, { main: 'index.mjs', env })
const shared = join(folder, 'shared')
const second = join(folder, 'second')
let sshd: TestSshd

const state = (root: string, instance: string) => {
  const home = join(root, 'instances', instance)
  const current = readlinkSync(join(home, 'current'))
  return [current, readlinkSync(join(home, current, 'root')), readlinkSync(join(home, current, 'live'))]
}
const objects = (root: string) =>
  readdirSync(join(root, 'objects'), { recursive: true }).filter((name) => /\//.test(String(name)))
const up = (stack: TestStack) => stack.expect(0, 'up', '--yes', '--skip-preview')
const unchanged = (stack: TestStack) => stack.expect(0, 'preview', '--refresh', '--expect-no-changes')

function declare(stack: TestStack, ...postgres: { name: string; root: string; hstore: string }[]): Promise<void> {
  const connection = { host: '127.0.0.1', port: sshd.port, user: 'deploy', password: 'test', hostKey: sshd.hostKey }
  return stack.set('all', JSON.stringify({ connection, postgres }))
}

beforeAll(async () => {
  chmodSync(folder, 0o755)
  sshd = await startSshd()
  const version = (mark: string) => extensionFiles('hstore', (control) => `# ${mark}\n${control}`)
  await writeLayout(images, [
    { tag: 'pg18', files: distributionFiles() },
    ...['1', '2', '3', '4', '5', '6'].map((mark) => ({ tag: mark, files: version(mark) })),
  ])
  await Promise.all([shop.init(), blog.expect(0, 'stack', 'init', 'blog')])
})

afterAll(async () => {
  shop.remove()
  blog.remove()
  await sshd.close()
  rmSync(folder, { recursive: true, force: true })
})

test('Owned: stacks that install at the same time in the same root share its files and nothing else', async () => {
  await declare(shop, { name: 'orders', root: shared, hstore: '1' }, { name: 'stock', root: second, hstore: '1' })
  await declare(blog, { name: 'posts', root: shared, hstore: '1' })
  await Promise.all([up(shop), up(blog)])
  // The trees differ, because each leads to its own instance; their files are there once.
  expect(objects(shared)).toEqual(objects(second))
  for (const stack of [shop, blog]) await unchanged(stack)
})

test("updates and collections of one stack leave the other's instance as it was", async () => {
  const before = { posts: state(shared, 'posts'), stock: state(second, 'stock') }
  let said = ''
  for (const hstore of ['2', '3', '4', '5', '6']) {
    await declare(shop, { name: 'orders', root: shared, hstore }, { name: 'stock', root: second, hstore: '1' })
    said = await up(shop)
  }
  expect(said).toMatch(/deploy@127\.0\.0\.1:\d+: freed \d+ kB: 1 generation, 1 tree, \d+ files/)
  expect({ posts: state(shared, 'posts'), stock: state(second, 'stock') }).toEqual(before)
  expect(differences(shared, 'posts')).toEqual([])
  await unchanged(blog)
})

test('a stack that is destroyed takes what only it used, and says so; the last one leaves the store empty', async () => {
  const before = state(shared, 'posts')
  const said = await shop.expect(0, 'destroy', '--yes', '--skip-preview')
  // Extensions go first, each change as a generation of its own.
  expect(said).toMatch(/freed \d+ MB: \d generations, \d trees, \d+ files/)
  expect(readdirSync(second).sort()).toEqual(['FORMAT', 'lock'])
  expect(state(shared, 'posts')).toEqual(before)
  expect(differences(shared, 'posts')).toEqual([])
  await unchanged(blog)
  await blog.expect(0, 'destroy', '--yes', '--skip-preview')
  expect(readdirSync(shared).sort()).toEqual(['FORMAT', 'lock'])
  expect(existsSync(second)).toBe(true)
})
