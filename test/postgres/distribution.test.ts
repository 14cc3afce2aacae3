import { expect, test } from 'vitest'
import { findDistribution } from '../../src/postgres/distribution.ts'
import { treeFrom } from '../support/trees.ts'

const loader = 'usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2*'

test.each([
  {
    what: 'Docker Hub, CNPG and Debian packages',
    files: [
      loader,
      'usr/lib/postgresql/17/bin/postgres*',
      'usr/lib/postgresql/17/lib/x.so',
      'usr/share/postgresql/17/postgres.bki',
    ],
    found: ['debian', 'rootfs', 'usr/lib/postgresql/17/lib', 'usr/share/postgresql/17'],
  },
  {
    what: 'Docker Hub, Alpine',
    files: [
      'lib/ld-musl-x86_64.so.1*',
      'usr/local/bin/postgres*',
      'usr/local/lib/postgresql/x.so',
      'usr/local/share/postgresql/postgres.bki',
    ],
    found: ['prefix', 'rootfs', 'usr/local/lib/postgresql', 'usr/local/share/postgresql'],
  },
  {
    what: 'PGDG packages for Enterprise Linux',
    files: [
      'usr/lib64/ld-linux-x86-64.so.2*',
      'usr/pgsql-16/bin/postgres*',
      'usr/pgsql-16/lib/x.so',
      'usr/pgsql-16/share/postgres.bki',
    ],
    found: ['rpm', 'rootfs', 'usr/pgsql-16/lib', 'usr/pgsql-16/share'],
  },
  {
    what: 'Fedora and Enterprise Linux themselves',
    files: [
      'usr/lib64/ld-linux-x86-64.so.2*',
      'usr/bin/postgres*',
      'usr/lib64/pgsql/x.so',
      'usr/share/pgsql/postgres.bki',
    ],
    found: ['fedora', 'rootfs', 'usr/lib64/pgsql', 'usr/share/pgsql'],
  },
  {
    what: 'Bitnami',
    files: [
      loader,
      'opt/bitnami/postgresql/bin/postgres*',
      'opt/bitnami/postgresql/lib/x.so',
      'opt/bitnami/postgresql/share/postgres.bki',
    ],
    found: ['bitnami', 'rootfs', 'opt/bitnami/postgresql/lib', 'opt/bitnami/postgresql/share'],
  },
  {
    what: 'StackGres, with a folder for each minor',
    files: [
      loader,
      'usr/lib/postgresql/15.4/bin/postgres*',
      'usr/lib/postgresql/15.4/lib/x.so',
      'usr/share/postgresql/15.4/postgres.bki',
    ],
    found: ['debian', 'rootfs', 'usr/lib/postgresql/15.4/lib', 'usr/share/postgresql/15.4'],
  },
  {
    what: 'Nix',
    files: [
      'nix/store/abc-postgresql-17.6/bin/postgres*',
      'nix/store/abc-postgresql-17.6/lib/x.so',
      'nix/store/abc-postgresql-17.6/share/postgresql/postgres.bki',
    ],
    found: [
      ...['nix', 'relocatable', 'nix/store/abc-postgresql-17.6/lib'],
      'nix/store/abc-postgresql-17.6/share/postgresql',
    ],
  },
  {
    what: 'a prefix that brings no libc',
    files: ['bin/postgres*', 'lib/postgresql/x.so', 'share/postgresql/postgres.bki'],
    found: ['prefix', 'relocatable', 'lib/postgresql', 'share/postgresql'],
  },
])('finds the server of $what', ({ files, found }) => {
  const { layout, mode, libraryDirectory, shareDirectory } = findDistribution(treeFrom(...files), 'image')
  expect([layout, mode, libraryDirectory, shareDirectory]).toEqual(found)
})

const server = (major: number) => [
  `usr/lib/postgresql/${major}/bin/postgres*`,
  `usr/lib/postgresql/${major}/lib/x.so`,
  `usr/share/postgresql/${major}/postgres.bki`,
]

test('an image with two servers is refused, and both are named', () => {
  expect(() => findDistribution(treeFrom(...server(15), ...server(16)), 'image')).toThrow(
    /usr\/lib\/postgresql\/15\/bin\/postgres, usr\/lib\/postgresql\/16/,
  )
})

test.each([
  { why: 'no server', files: ['usr/share/postgresql/15/postgres.bki'] },
  { why: 'a server that may not be executed', files: server(15).map((path) => path.replace('*', '')) },
  { why: 'a server without its share folder', files: server(15).slice(0, 2) },
  // It would become part of a unit and of a script.
  {
    why: "a folder with shell's characters",
    files: ["a'$(x)/bin/postgres*", "a'$(x)/lib/postgresql/x.so", "a'$(x)/share/postgresql/postgres.bki"],
  },
])('refuses $why', ({ files }) => {
  expect(() => findDistribution(treeFrom(...files), 'image')).toThrow(/holds no Postgres server/)
})
