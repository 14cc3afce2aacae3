import { expect, test } from 'vitest'
import { extensionName, placeExtension } from '../../src/postgres/extension.ts'
import { treeFrom } from '../support/trees.ts'

const places = (...lines: readonly string[]) =>
  Object.fromEntries(placeExtension(treeFrom(...lines), 'image').map(({ path, entry }) => [path, entry]))

test.each([
  { what: 'CloudNativePG', files: ['lib/vector.so', 'share/extension/vector.control', 'system/libgeos.so.1'] },
  {
    what: 'Debian and pglayers',
    files: [
      'usr/lib/postgresql/15/lib/vector.so',
      'usr/share/postgresql/15/extension/vector.control',
      'usr/lib/x86_64-linux-gnu/libgeos.so.1',
    ],
  },
  {
    what: 'Debian before usr was merged',
    files: [
      'usr/lib/postgresql/15/lib/vector.so',
      'usr/share/postgresql/15/extension/vector.control',
      'lib/aarch64-linux-gnu/libgeos.so.1',
    ],
  },
  {
    what: 'PGDG for Enterprise Linux',
    files: ['usr/pgsql-16/lib/vector.so', 'usr/pgsql-16/share/extension/vector.control', 'usr/lib64/libgeos.so.1'],
  },
  {
    what: 'Fedora',
    files: ['usr/lib64/pgsql/vector.so', 'usr/share/pgsql/extension/vector.control', 'usr/lib64/libgeos.so.1'],
  },
  {
    what: 'Alpine',
    files: [
      'usr/local/lib/postgresql/vector.so',
      'usr/local/share/postgresql/extension/vector.control',
      'usr/lib/libgeos.so.1',
    ],
  },
  {
    what: 'Bitnami',
    files: [
      'opt/bitnami/postgresql/lib/vector.so',
      'opt/bitnami/postgresql/share/extension/vector.control',
      'usr/lib/x86_64-linux-gnu/libgeos.so.1',
    ],
  },
  {
    what: 'PGXN trunk',
    files: ['pgsql/pkglib/vector.so', 'pgsql/share/extension/vector.control', 'system/libgeos.so.1'],
  },
  {
    what: 'pgt.dev',
    files: ['vector.so', 'extension/vector.control', 'system/libgeos.so.1'],
  },
  {
    what: 'pglayers, isolated, with what CloudNativePG has beside: licences',
    files: ['lib/vector.so', 'share/extension/vector.control', 'system/libgeos.so.1', 'licenses/libgeos/copyright'],
  },
  {
    what: 'PGXN trunk with a library and what it says of itself',
    files: [
      'trunk.json',
      'digests',
      'pgsql/pkglib/vector.so',
      'pgsql/share/extension/vector.control',
      'pgsql/lib/libgeos.so.1',
      'pgsql/doc/vector.md',
    ],
  },
  {
    what: 'pgt.dev with its manifest',
    files: ['manifest.json', 'vector.so', 'extension/vector.control', 'system/libgeos.so.1'],
  },
  {
    what: 'a StackGres image, with a folder for each minor',
    files: [
      'usr/lib/postgresql/15.4/lib/vector.so',
      'usr/share/postgresql/15.4/extension/vector.control',
      'usr/lib64/libgeos.so.1',
    ],
  },
  {
    what: 'Nix, whose libraries stay where RUNPATH says',
    files: [
      'nix/store/abc-pgvector-0.8.1/lib/vector.so',
      'nix/store/abc-pgvector-0.8.1/share/postgresql/extension/vector.control',
      'system/libgeos.so.1',
    ],
  },
  {
    what: 'StackGres',
    files: [
      'usr/lib/postgresql/15/lib/vector.so',
      'usr/share/postgresql/15/extension/vector.control',
      'usr/lib64/libgeos.so.1',
    ],
  },
])('$what: modules, SQL and libraries go where a running server sees them', ({ files }) => {
  expect(Object.keys(places(...files)).sort()).toEqual([
    'live/lib/vector.so',
    'live/share/extension/vector.control',
    'live/system/libgeos.so.1',
  ])
})

test('what modules open beside themselves stays beside them: bitcode, private libraries, data', () => {
  const found = places(
    'lib/vector.so',
    'lib/bitcode/vector/src/vector.bc',
    'lib/pglx_vector_libgeos.so.3',
    'share/contrib/postgis-3.6/legacy.sql',
    'share/proj/proj.db',
    'bin/raster2pgsql*',
    'usr/lib/postgresql/17/lib/postgis-deps/libgeos.so.3',
    'nix/store/abc-geos-3.13/lib/libgeos.so.3',
  )
  expect(Object.keys(found).sort()).toEqual([
    'live/lib/bitcode/vector/src/vector.bc',
    'live/lib/pglx_vector_libgeos.so.3',
    'live/lib/postgis-deps/libgeos.so.3',
    'live/lib/vector.so',
    'live/share/contrib/postgis-3.6/legacy.sql',
    'live/share/proj/proj.db',
    'root/bin/raster2pgsql',
    'root/nix/store/abc-geos-3.13/lib/libgeos.so.3',
  ])
})

test("Bug: programs in Debian's folder of a version landed below that of the modules, where nobody looks for them", () => {
  const found = places('usr/lib/postgresql/15/lib/pg_repack.so', 'usr/lib/postgresql/15/bin/pg_repack*')
  expect(Object.keys(found).sort()).toEqual(['live/lib/pg_repack.so', 'root/usr/lib/postgresql/15/bin/pg_repack'])
})

test('what lies elsewhere goes to the same place of the root, for the next start; manuals go nowhere', () => {
  const control = 'usr/share/postgresql/15/extension/postgis.control'
  const found = places(control, 'usr/share/proj/proj.db', 'usr/share/doc/postgis/README', 'usr/bin/shp2pgsql*')
  expect(Object.keys(found).sort()).toEqual([
    'live/share/extension/postgis.control',
    'root/usr/bin/shp2pgsql',
    'root/usr/share/proj/proj.db',
  ])
})

test('a link made by update-alternatives is replaced by what it ends at, because a running server has no other way', () => {
  const share = 'usr/share/postgresql/15/extension'
  const found = places(
    `${share}/postgis-3.control`,
    `${share}/postgis.control -> /etc/alternatives/postgis.control`,
    `etc/alternatives/postgis.control -> /${share}/postgis-3.control`,
    'usr/lib/x86_64-linux-gnu/libblas.so.3 -> blas/libblas.so.3',
    'usr/lib/x86_64-linux-gnu/blas/libblas.so.3',
  )
  expect(found['live/share/extension/postgis.control']).toEqual(found['live/share/extension/postgis-3.control'])
  expect(found['live/system/libblas.so.3']).toEqual(found['root/usr/lib/x86_64-linux-gnu/blas/libblas.so.3'])
})

test('a link to what only the distribution has stays a link, in the root', () => {
  const found = places('lib/vector.so', 'usr/lib/x86_64-linux-gnu/libx.so.1 -> libx.so.1.2')
  expect(found['root/usr/lib/x86_64-linux-gnu/libx.so.1']).toEqual({ kind: 'link', target: 'libx.so.1.2' })
})

test('links that never end are no endless loop', () => {
  expect(places('lib/vector.so', 'system/a.so -> b.so', 'system/b.so -> a.so')).toHaveProperty('root/system/a.so')
})

test('a module without a control file is an extension too, and a control file without a module', () => {
  expect(places('lib/wal2json.so')).toHaveProperty('live/lib/wal2json.so')
  expect(places('share/extension/tle.control')).toHaveProperty('live/share/extension/tle.control')
})

test('an image with neither is refused', () => {
  expect(() => places('usr/bin/psql*', 'usr/share/postgresql/15/readme')).toThrow(/no control file and no module/)
})

test.each([
  ['live/share/extension/hstore.control', 'hstore'],
  // Settings of one version, not an extension (extension.c, get_available_extensions).
  ['live/share/extension/hstore--1.8.control', undefined],
  ['live/share/extension/hstore--1.8.sql', undefined],
  ['root/share/extension/hstore.control', undefined],
])('the extension that %s makes', (path, name) => {
  expect(extensionName(path)).toBe(name)
})
