import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { bestOffer } from '../../src/engine/names.ts'
import { parseDocuments, type RepositoryArgument, readRepository } from '../../src/engine/repository.ts'
import type { Target } from '../../src/postgres/offer.ts'
import { temporaryFolder } from '../support/folder.ts'

const folder = temporaryFolder()
const target: Target = { major: 18, postgresVersion: '18.4', os: 'trixie', platform: 'linux/amd64' }
const digest = `sha256:${'0'.repeat(64)}`
const file = (name: string, text: string) => {
  writeFileSync(join(folder, name), text)
  return join(folder, name)
}
const best = async (argument: RepositoryArgument, name: string, more: Partial<Target> = {}) =>
  bestOffer(await readRepository(argument), { name }, { ...target, ...more })

// The shape of CloudNativePG's published catalogs, with keys that only its operator needs.
const catalog = `apiVersion: postgresql.cnpg.io/v1
kind: ClusterImageCatalog
metadata:
  name: postgresql-minimal-trixie
  labels:
    images.cnpg.io/os: trixie
spec:
  images:
    - major: 17
      image: registry.example.com/postgresql:17.11-202608170816-minimal-trixie@${digest}
    - major: 18
      image: registry.example.com/postgresql:18.6-202608170814-minimal-trixie@${digest}
      extensions:
        - name: pg-ivm
          image:
            reference: registry.example.com/pg-ivm:1.13-202608201415-18-trixie@${digest}
        - name: postgis
          image:
            reference: registry.example.com/postgis-extension:3.6.4-202608201415-18-trixie@${digest}
          ld_library_path:
            - system
          env:
            - name: PROJ_DATA
              value: \${image_root}/share/proj
---
kind: ConfigMap
`

test('a catalog of CloudNativePG tells the image of a name, by major and system', async () => {
  const argument = { catalog: file('catalog.yaml', catalog) }
  expect(await best(argument, 'postgis')).toEqual({
    reference: `registry.example.com/postgis-extension:3.6.4-202608201415-18-trixie@${digest}`,
    version: '3.6.4-202608201415',
    newer: [],
  })
  expect((await best(argument, 'pg_ivm'))?.version).toBe('1.13-202608201415')
  expect(await best(argument, 'postgis', { major: 17 })).toBeUndefined()
  expect(await best(argument, 'postgis', { os: 'bookworm' })).toBeUndefined()
  expect((await best({ catalog: parseDocuments(catalog, 'x')[0] as object as never }, 'postgis'))?.version).toMatch(
    /^3\.6\.4/,
  )
})

test('an index of StackGres tells which versions fit, and a template where they are', async () => {
  const available = (postgresVersion: string, more: object = {}) => ({
    flavor: 'pg',
    postgresVersion,
    build: '6.31',
    arch: 'x86_64',
    os: 'linux',
    ...more,
  })
  const index = {
    publishers: [{ id: 'com.example', publicKey: '…' }],
    extensions: [
      {
        name: 'timescaledb',
        repository: 'https://extensions.example.com',
        publisher: 'com.example',
        channels: { stable: '2.13.0' },
        versions: [
          { version: '2.13.0', availableFor: [available('18'), available('18', { arch: 'aarch64' })] },
          {
            version: '2.14.0',
            availableFor: [available('18', { arch: 'aarch64' }), available('18', { flavor: 'bf' })],
          },
          { version: '2.15.0', availableFor: [available('18.6')] },
        ],
      },
    ],
  }
  const argument = {
    index: file('index.json', JSON.stringify(index)),
    image: 'registry.example.com/sg/{name}:{version}-pg{major}',
  }
  const told = ['2.15.0: for Postgres 18.6 only', '2.14.0: for arm64 only']
  expect(await best(argument, 'timescaledb')).toEqual({
    reference: 'registry.example.com/sg/timescaledb:2.13.0-pg18',
    version: '2.13.0',
    newer: told,
  })
  expect((await best(argument, 'timescaledb', { platform: 'linux/arm64' }))?.version).toBe('2.14.0')
  expect((await best(argument, 'timescaledb', { postgresVersion: '18.6' }))?.version).toBe('2.15.0')
})

test.each([
  ['a file that is missing', { catalog: join(folder, 'nowhere.yaml') }, 'Cannot read'],
  ['what is no catalog', { catalog: file('map.yaml', 'kind: ConfigMap\n') }, 'it holds no ImageCatalog'],
  ['what is no YAML', { catalog: file('bad.yaml', 'a: [1\nb: }') }, 'it is no YAML'],
  ['a key twice', { catalog: file('twice.yaml', 'kind: A\nkind: B\n') }, 'Map keys must be unique'],
  ['aliases without end', { catalog: file('laughs.yaml', laughs()) }, 'it is no YAML (Excessive alias count'],
  ['what is no index', { index: file('list.json', '[]'), image: 'a/{name}:{version}' }, 'it holds no index'],
])('%s is refused', async (_, argument, why) => {
  await expect(readRepository(argument)).rejects.toThrow(why)
})

function laughs(): string {
  const lines = ['a0: &a0 [x, x, x, x, x, x, x, x, x]']
  for (let at = 1; at < 9; at += 1)
    lines.push(
      `a${at}: &a${at} [${Array(9)
        .fill(`*a${at - 1}`)
        .join(', ')}]`,
    )
  return `${lines.join('\n')}\n`
}
