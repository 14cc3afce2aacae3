import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { temporaryFolder } from '../support/folder.ts'
import { distributionFiles, extensionFiles, type Layer, writeLayout } from '../support/postgres-images.ts'
import { TestStack } from '../support/pulumi.ts'
import { startSshd, type TestSshd } from '../support/sshd.ts'

// Extensions from images that are whole Postgres servers: one built on the distribution's, one on another.
const program = `import * as pulumi from '@pulumi/pulumi'
import { Distribution, Extension } from 'pulumi-postgres-oci'
const { connection, root, pg, names } = new pulumi.Config().requireObject('all')
const distribution = new Distribution('main', { connection, root, image: 'oci:./images:' + pg })
new Extension('hstore', { distribution, image: 'oci:./images:with-hstore' })
const include = names.flatMap((name) => ['lib/postgresql/' + name + '.so', 'share/postgresql/extension/' + name + '*'])
new Extension('cube', { distribution, image: 'oci:./images:with-cube', include })
`
const store = join(temporaryFolder(), 'store')
const stack = new TestStack(program, { main: 'index.mjs' })
let sshd: TestSshd

const base: readonly Layer[] = [distributionFiles(), new Map([['etc/issue', Buffer.from('base')]])]
const live = (path: string) => readdirSync(join(store, 'instances/main/current/live', path))
const declare = (pg: string, names = ['cube']) => {
  const connection = { host: '127.0.0.1', port: sshd.port, user: 'test', password: 'test', hostKey: sshd.hostKey }
  return stack.set('all', JSON.stringify({ connection, root: store, pg, names }))
}

beforeAll(async () => {
  sshd = await startSshd()
  await writeLayout(join(stack.folder, 'images'), [
    { tag: 'pg', files: base },
    { tag: 'pg-next', files: [...base, new Map([['etc/issue', Buffer.from('next')]])] },
    { tag: 'with-hstore', files: [...base, extensionFiles('hstore')] },
    { tag: 'with-cube', files: [distributionFiles(), extensionFiles('cube'), extensionFiles('pg_trgm')] },
  ])
  await stack.init()
})

afterAll(async () => {
  stack.remove()
  await sshd.close()
})

test('what an image adds to the distribution, and what include names, is installed and nothing else', async () => {
  await declare('pg')
  expect(await stack.expect(0, 'preview', '--diff')).toMatch(/baseLayers *: 2/)
  await stack.expect(0, 'up', '--yes', '--skip-preview')
  expect(live('lib')).toEqual(expect.arrayContaining(['hstore.so', 'cube.so', 'plpgsql.so']))
  expect(live('lib')).not.toContain('pg_trgm.so')
  await stack.expect(0, 'preview', '--refresh', '--expect-no-changes')
})

test('Bug: another include of an image that stays changed nothing on the host', async () => {
  await declare('pg', ['cube', 'pg_trgm'])
  await stack.expect(0, 'up', '--yes', '--skip-preview')
  expect(live('lib')).toEqual(expect.arrayContaining(['cube.so', 'pg_trgm.so']))
  await stack.expect(0, 'preview', '--refresh', '--expect-no-changes')
})

test('an update of the distribution that such an image was not built on is refused by the preview', async () => {
  await declare('pg-next')
  const { code, output } = await stack.run('preview')
  expect(code).not.toBe(0)
  expect(output).toMatch(/Extension \(hstore\)[\s\S]*its lowest layers are not those of the distribution/)
})
