import { existsSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { pgoci } from '../support/cli.ts'
import { temporaryFolder } from '../support/folder.ts'
import { distributionFiles, extensionFiles, type Layer, writeLayout } from '../support/postgres-images.ts'
import { TestStack } from '../support/pulumi.ts'
import { startSshd, type TestSshd } from '../support/sshd.ts'

// A distribution and its extension, by the real CLI: one of them is updated alone, then both.
const program = `import * as pulumi from '@pulumi/pulumi'
import { Distribution, Extension } from 'pulumi-postgres-oci'
const { connection, root, pg, hstore, overrides } = new pulumi.Config().requireObject('all')
const distribution = new Distribution('main', { connection, root, image: 'oci:./images:' + pg })
new Extension('hstore', { distribution, image: 'oci:./images:' + hstore, overrides })
`
const store = join(temporaryFolder(), 'store')
const stack = new TestStack(program, { main: 'index.mjs' })
let sshd: TestSshd

const generation = () => Number(readlinkSync(join(store, 'instances/main/current')).split('/').at(-1))
const connection = () => {
  return { host: '127.0.0.1', port: sshd.port, user: 'test', password: 'test', hostKey: sshd.hostKey }
}
const declare = (pg: string, hstore: string, overrides?: string[]) =>
  stack.set('all', JSON.stringify({ connection: connection(), root: store, pg, hstore, overrides }))
const takenOn = ['abi-vendor:lib/hstore.so']
async function refused() {
  const { code, output } = await stack.run('preview')
  expect(code).not.toBe(0)
  expect(output).toMatch(/Extension \(hstore\)[\s\S]*\(abi-vendor:lib\/hstore\.so\)/)
}

/** The same module as another vendor would build it. */
function forked(files: Layer): Layer {
  return new Map(
    [...files].map(([path, content]): [string, Uint8Array | { link: string }] => {
      if (!(content instanceof Uint8Array) || !/^lib\/postgresql\/[^/]+\.so$/.test(path)) return [path, content]
      const bytes = Buffer.from(content)
      const at = bytes.indexOf('PostgreSQL\0\0')
      if (at >= 0) bytes.write('EnterpriseDB\0', at)
      return [path, bytes]
    }),
  )
}

beforeAll(async () => {
  sshd = await startSshd()
  await writeLayout(join(stack.folder, 'images'), [
    { tag: 'pg', files: distributionFiles() },
    { tag: 'pg-forked', files: forked(distributionFiles()) },
    { tag: 'hstore', files: extensionFiles('hstore') },
    { tag: 'hstore-forked', files: forked(extensionFiles('hstore')) },
  ])
  await stack.init()
})

afterAll(async () => {
  stack.remove()
  await sshd.close()
})

test('Proved: an extension that does not fit is refused by the first preview, before there is anything', async () => {
  await declare('pg', 'hstore-forked')
  const { code, output } = await stack.run('preview')
  expect(code).not.toBe(0)
  expect(output).toMatch(
    /Extension \(hstore\)[\s\S]*is built with ABI EnterpriseDB, and the distribution has PostgreSQL/,
  )
  expect(existsSync(store)).toBe(false)
})

test('Proved: an update of the distribution alone that its extension does not survive is refused by the preview', async () => {
  await declare('pg', 'hstore')
  await stack.expect(0, 'up', '--yes')
  await stack.expect(0, 'preview', '--expect-no-changes')
  const before = generation()
  await declare('pg-forked', 'hstore')
  for (const words of [['preview'], ['up', '--yes']]) {
    const { code, output } = await stack.run(...words)
    expect(code).not.toBe(0)
    expect(output).toMatch(/Extension \(hstore\)[\s\S]*\(abi-vendor:lib\/hstore\.so\)/)
  }
  expect(generation()).toBe(before)
})

test('an update of both at once is proven with both new images, and goes through', async () => {
  const before = generation()
  await declare('pg-forked', 'hstore-forked')
  const preview = await stack.expect(0, 'preview', '--diff')
  expect(preview, 'facts are for us').not.toContain('__facts')
  await stack.expect(0, 'up', '--yes')
  expect(generation()).toBeGreaterThan(before)
  await stack.expect(0, 'preview', '--expect-no-changes')
})

test('Bug: an override that was taken away was not missed where the host, and no cache, has the image', async () => {
  await declare('pg', 'hstore')
  await stack.expect(0, 'up', '--yes', '--skip-preview')
  // What the host declares of the extension is older than its override.
  await declare('pg-forked', 'hstore', takenOn)
  await stack.expect(0, 'up', '--yes', '--skip-preview')
  rmSync(join(stack.folder, 'cache'), { recursive: true })
  await declare('pg-forked', 'hstore')
  await refused()
})

test('Bug: an import lost what was taken on, and nothing that came after it proved the extension again', async () => {
  await declare('pg-forked', 'hstore-forked')
  await stack.expect(0, 'up', '--yes', '--skip-preview')
  await declare('pg-forked', 'hstore', takenOn)
  await stack.expect(0, 'up', '--yes', '--skip-preview')
  await stack.expect(0, 'stack', 'rm', '--yes', '--force', '--preserve-config')
  const hostFile = join(stack.folder, 'db1.json')
  writeFileSync(hostFile, JSON.stringify(connection()))
  const { code, stderr } = await pgoci([
    ...['import', hostFile, '--root', store, '--stack', 'story/test', '-o', stack.folder],
  ])
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  expect(readFileSync(join(stack.folder, 'import.ts'), 'utf8')).toContain(`overrides: ['${takenOn}']`)
  await stack.expect(0, 'stack', 'init', 'test')
  const file = join(stack.folder, 'import.json')
  await stack.expect(0, 'import', '--yes', '--file', file, '--generate-code=false', '--protect=false')
  await stack.expect(0, 'preview', '--expect-no-changes')
  await declare('pg-forked', 'hstore')
  await refused()
})
