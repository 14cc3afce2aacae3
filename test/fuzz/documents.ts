import { parseSet } from '../../src/engine/extension-set.ts'
import { parseLock } from '../../src/engine/lock-file.ts'
import { packFacts, unpackFacts } from '../../src/engine/packed-facts.ts'
import { parseDocuments } from '../../src/engine/repository.ts'
import { ProviderError } from '../../src/model/error.ts'
import { parseArtifactConfig, parseConfig, parseIndexOrManifest } from '../../src/oci/schema.ts'
import { parseSettings } from '../../src/oci/settings.ts'
import { findList, offersOfList } from '../../src/postgres/extension-list.ts'
import { findCatalogs, namesInCatalogs, offersOfCatalogs } from '../../src/postgres/image-catalog.ts'
import { amd64, both } from '../support/sample.ts'
import type { Reader } from './readers.ts'

const digest = `sha256:${'0'.repeat(64)}`
const json = (value: unknown) => Buffer.from(JSON.stringify(value))
const throws = ProviderError

const catalog = `kind: ClusterImageCatalog
metadata: {labels: {images.cnpg.io/os: trixie}}
spec:
  images:
    - major: 18
      image: &image registry.example.com/postgresql:18.6@${digest}
      extensions:
        - name: pg-ivm
          image: {reference: "registry.example.com/pg-ivm:1.13-202608201415-18-trixie@${digest}"}
        - name: other
          image: {reference: *image}
---
- name: postgis
- name: timescaledb
  version: "2.13.0"
`
const list = json({
  extensions: [
    {
      name: 'timescaledb',
      versions: [
        { version: '2.13.0', availableFor: [{ flavor: 'pg', postgresVersion: '18.6', arch: 'aarch64', os: 'linux' }] },
      ],
    },
  ],
})
const image = { reference: 'registry.example.com/a:1', platform: 'linux/amd64', digest }
const lock = json({
  version: 1,
  names: [
    {
      ...image,
      name: 'a',
      repository: 'registry.example.com/{name}:{version}',
      postgres: 18,
      os: 'none',
      version: '1',
    },
  ],
  images: [image],
})
const settings = json({ 'registry.example.com:5000': { insecure: true, username: 'a', password: 'b' } })
const nothing = { binaries: [], links: {}, unread: {}, extensions: {}, packages: {} }

export const documentReaders: readonly Reader[] = [
  {
    name: 'manifests and indexes of images',
    samples: [amd64.manifest.bytes, both.bytes],
    read: (bytes) => parseIndexOrManifest(bytes, 'x'),
    throws,
  },
  {
    name: 'configs of images',
    samples: [amd64.config.bytes],
    read: (bytes) => [parseArtifactConfig(bytes, 'x'), parseConfig(bytes, 'x')],
    throws,
  },
  {
    name: 'catalogs, lists and sets of extensions',
    samples: [Buffer.from(catalog), list],
    read: (bytes) => {
      // Where there is an error at each byte, a parser of YAML takes 30 microseconds for each.
      const documents = parseDocuments(bytes.toString('utf8', 0, 16_384), 'x')
      const catalogs = findCatalogs(documents)
      const found = documents.map(findList).find((one) => one !== undefined)
      return [
        offersOfCatalogs(catalogs, 'pg_ivm'),
        namesInCatalogs(catalogs),
        found && offersOfList(found, 'timescaledb', (version) => version),
        parseSet(documents[1], 'x'),
      ]
    },
    throws,
  },
  { name: 'lock files', samples: [lock], read: (bytes) => parseLock(bytes.toString('utf8'), 'x'), throws },
  {
    name: 'settings of registries',
    samples: [settings],
    read: (bytes) => parseSettings(bytes.toString('utf8')),
    throws,
  },
  {
    name: 'packed facts',
    samples: [Buffer.from(packFacts(nothing))],
    read: (bytes) => unpackFacts(bytes.toString('latin1')),
  },
]
