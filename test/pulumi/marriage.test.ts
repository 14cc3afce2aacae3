import { join } from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import { temporaryFolder } from '../support/folder.ts'
import { distributionFiles, extensionFiles, writeLayout } from '../support/postgres-images.ts'

type Values = Record<string, unknown>

const folder = temporaryFolder()
const layout = join(folder, 'images')
// The provider opens its cache when it is loaded.
process.env['PGOCI_CACHE'] = join(folder, 'cache')
const { distribution, extension } = await import('../../src/provider.ts')

beforeAll(async () => {
  const hstore = extensionFiles('hstore')
  const module = 'lib/postgresql/hstore.so'
  const forked = Buffer.from(hstore.get(module) as Uint8Array)
  forked.write('EnterpriseDB\0', forked.indexOf('PostgreSQL\0\0'))
  const other = [...hstore].map(([path, bytes]): [string, Uint8Array] => [
    path,
    path.endsWith('.control') ? Buffer.concat([bytes, Buffer.from('# another\n')]) : bytes,
  ])
  await writeLayout(layout, [
    { tag: 'pg18', files: distributionFiles() },
    { tag: 'pg18-next', files: new Map([...distributionFiles(), ['share/postgresql/NEWS', Buffer.from('next')]]) },
    { tag: 'hstore', files: hstore },
    { tag: 'other', files: new Map(other) },
    { tag: 'forked', files: new Map([...hstore, [module, forked]]) },
    { tag: 'earthdistance', files: extensionFiles('earthdistance') },
  ])
})

let instance = 0
/** Of an instance of its own, whose host nobody can reach: a proof needs none. */
function inputs(changes: Values): Values {
  const connection = { host: '127.0.0.1', port: 1, hostKey: 'ssh-ed25519 AAAA' }
  const platform = process.arch === 'arm64' ? 'linux/arm64' : 'linux/amd64'
  return { connection, platform, root: '/store', instance: `of-test-${instance}`, __stack: 'shop/prod', ...changes }
}

async function checked(resource: typeof distribution, news: Values, olds: Values = {}) {
  const found = await resource.check?.(olds, news)
  if (found === undefined) throw new TypeError('There is no check')
  return {
    inputs: found.inputs as Values,
    reasons: (found.failures ?? []).map(({ property, reason }) => [property, reason]),
  }
}

async function postgres(tag = 'pg18', olds: Values = {}) {
  const found = await checked(distribution, inputs({ image: `oci:${layout}:${tag}` }), olds)
  expect(found.reasons).toEqual([])
  expect(found.inputs).not.toHaveProperty('__facts')
  const { digest: distributionDigest, postgresMajor } = found.inputs
  return { distributionDigest, postgresMajor }
}

const added = (basis: Values, tag: string, more: Values = {}, olds: Values = {}) =>
  checked(extension, inputs({ name: tag, image: `oci:${layout}:${tag}`, ...basis, ...more }), olds)

test('an image that was built for this Postgres is proven, and what passes through is not kept', async () => {
  instance += 1
  const { inputs: found, reasons } = await added(await postgres(), 'hstore')
  expect(reasons).toEqual([])
  expect(found).not.toHaveProperty('__facts')
  expect(found).not.toHaveProperty('findings')
})

test('one that was not is refused, with file, both sides and what to do; an override stays visible', async () => {
  instance += 1
  const basis = await postgres()
  const { reasons } = await added(basis, 'forked')
  expect(reasons).toEqual([
    [
      'image',
      expect.stringMatching(
        /^Cannot add oci:\S+ to Postgres 18\.\d+: lib\/hstore\.so is built with ABI EnterpriseDB, and the distribution has PostgreSQL; choose .* \(abi-vendor:lib\/hstore\.so\)$/,
      ),
    ],
  ])
  const taken = await added(basis, 'forked', { overrides: ['abi-vendor:lib/hstore.so'] })
  expect(taken.reasons).toEqual([])
  expect(taken.inputs['findings']).toEqual([expect.stringMatching(/^accepted abi-vendor:lib\/hstore\.so: /)])
})

test('what is required and not declared yet is a note; declared before, there is none', async () => {
  instance += 1
  const basis = await postgres()
  const { inputs: found } = await added(basis, 'earthdistance')
  expect(found['findings']).toEqual([expect.stringMatching(/^note requires:earthdistance\.cube: /)])
})

test('two extensions that bring the same path with other content are refused in the preview, not at the commit', async () => {
  instance += 1
  const basis = await postgres()
  expect((await added(basis, 'hstore')).reasons).toEqual([])
  const { reasons } = await added(basis, 'other')
  expect(reasons).toEqual([
    ['image', expect.stringMatching(/"other" .*hstore\.control" differs from that of "hstore"/)],
  ])
})

test('what is proven is not proven again; when its distribution changes, it is', async () => {
  instance += 1
  const first = await postgres()
  const { inputs: old } = await added(first, 'forked', { overrides: ['abi-vendor:lib/hstore.so'] })
  const same = await added(first, 'forked', { overrides: ['abi-vendor:lib/hstore.so'] }, old)
  expect(same.inputs).toEqual(old)
  const next = await postgres('pg18-next')
  expect(next.distributionDigest).not.toBe(first.distributionDigest)
  expect((await added(next, 'forked', {}, old)).reasons).toHaveLength(1)
})

test('facts that nobody has at hand, as after an import, are read from the image', async () => {
  instance += 1
  const { inputs: known } = await checked(distribution, inputs({ image: `oci:${layout}:pg18` }))
  // What is proven is not read again.
  await checked(distribution, inputs({ image: `oci:${layout}:pg18` }), known)
  const basis = { distributionDigest: known['digest'], postgresMajor: 18 }
  expect((await added(basis, 'forked')).reasons).toHaveLength(1)
  expect((await added({ ...basis, __facts: 'damaged' }, 'hstore')).reasons).toEqual([])
})

test('another glibc or ICU is refused until it is acknowledged by name', async () => {
  instance += 1
  const { inputs: now } = await checked(distribution, inputs({ image: `oci:${layout}:pg18` }))
  const icu = String(now['icu'])
  const before = { ...now, icu: '57.1', reference: 'another' }
  const change = `ICU 57 → ICU ${icu.split('.')[0]}`
  const { reasons } = await checked(distribution, inputs({ image: `oci:${layout}:pg18` }), before)
  expect(reasons).toEqual([['acknowledgeCollationChange', expect.stringContaining(`(${change})`)]])
  const acknowledged = inputs({ image: `oci:${layout}:pg18`, acknowledgeCollationChange: change })
  expect((await checked(distribution, acknowledged, before)).reasons).toEqual([])
})
