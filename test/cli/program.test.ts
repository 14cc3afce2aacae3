import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { importSchema } from '../../src/cli/import.ts'
import { programText } from '../../src/cli/program.ts'
import { rollbackSchema } from '../../src/cli/rollback.ts'
import { distributionName, type Member } from '../../src/engine/record.ts'
import { digestOf } from '../../src/model/digest.ts'

const member = (name: string, reference: string): Member => ({
  ...{ name, token: 't', stack: 's', reference, image: reference, platform: 'linux/amd64' },
  ...{ digest: digestOf(reference), treeDigest: digestOf(reference) },
})
const pg = member(distributionName, 'example.org/pg:18')

test('a program has its secrets from the configuration, those of a jump host too', () => {
  const proxy = { host: 'jump.example.com', privateKey: 'KEY' }
  const connection = { host: 'db1.example.com', sudo: true, password: 'SECRET', proxy }
  const instances = [{ instance: 'orders', members: [pg, member('vector', 'example.org/vector:1')] }]
  expect(programText(connection, instances, { root: '/var/lib/pgoci' })).toBe(`import * as pulumi from '@pulumi/pulumi'
import { Distribution, Extension } from 'pulumi-postgres-oci'

const config = new pulumi.Config()
const connection = {
  host: 'db1.example.com',
  sudo: true,
  password: config.requireSecret('password'),
  proxy: {
    host: 'jump.example.com',
    privateKey: config.requireSecret('proxyPrivateKey'),
  },
}

const pg = new Distribution('orders', { connection, image: 'example.org/pg:18' })
new Extension('vector', { distribution: pg, image: 'example.org/vector:1' })
`)
})

test('several instances, none with extensions, in a folder of their own', () => {
  const instances = ['orders', '18-new'].map((instance) => ({ instance, members: [pg] }))
  expect(
    programText({ host: 'db1' }, instances, { root: '/srv/pg' }),
  ).toBe(`import { Distribution } from 'pulumi-postgres-oci'

const connection = {
  host: 'db1',
}

new Distribution('orders', { connection, root: '/srv/pg', image: 'example.org/pg:18' })

new Distribution('18-new', { connection, root: '/srv/pg', image: 'example.org/pg:18' })
`)
})

test('what was chosen of an image, what was taken on, and the Postgres of packages', () => {
  const facts = { provides: {}, include: ['lib/*.so'], overrides: ["soname-clash:lib'x.so.1"] }
  const members = [
    member(distributionName, 'installed:15/main'),
    { ...member('vector', 'example.org/vector:1'), facts },
  ]
  const text = programText({ host: 'db1' }, [{ instance: 'orders', members }], { root: '/var/lib/pgoci' })
  expect(text).toContain(`const pg = new Distribution('orders', { connection, installed: { cluster: '15/main' } })
new Extension('vector', { distribution: pg, image: 'example.org/vector:1', include: ['lib/*.so'], overrides: ['soname-clash:lib\\'x.so.1'] })
`)
})

test('what a host says cannot leave its string', () => {
  const hostile = `x' + require("child_process").execSync('id') + '\\\n\u2028\u202e\${process.exit()}`
  const text = programText({ host: 'db1' }, [{ instance: 'a', members: [member(distributionName, hostile)] }], {
    root: '/var/lib/pgoci',
  })
  const [, literal = ''] = /image: ('.*') \}\)\n$/.exec(text) ?? []
  expect(literal).not.toMatch(/[^\x20-\x7e]/)
  expect(new Function(`return ${literal}`)()).toBe(hostile)
})

test.each([
  ['rollback', rollbackSchema],
  ['import', importSchema],
] as const)('docs/schemas/%s.json is what --json prints', (verb, schema) => {
  const text = `${JSON.stringify(z.toJSONSchema(schema, { io: 'input' }), null, 2)}\n`
  expect(readFileSync(`docs/schemas/${verb}.json`, 'utf8')).toBe(text)
})
