import { expect, test } from 'vitest'
import { chooseCluster, settingsFor, settingsToDo } from '../../src/postgres/packaged.ts'

const server = (major: number, ...settings: string[]) => ({
  bin: `/usr/lib/postgresql/${major}/bin`,
  version: `postgres (PostgreSQL) ${major}.4 (Debian ${major}.4-1)`,
  settings,
})
const cluster = (name: string, major: number, status = 'online') => ({
  name,
  status,
  bin: `/usr/lib/postgresql/${major}/bin`,
})
const two = {
  servers: [server(15, 'extension_destdir'), server(18, 'extension_control_path')],
  clusters: [cluster('15/main', 15), cluster('15/other', 15, 'down'), cluster('18/main', 18)],
}

test.each([
  [{ major: 18 }, '18/main'],
  [{ cluster: '15/other' }, '15/other'],
  [{ major: 15, cluster: '15/main' }, '15/main'],
])('%j is the cluster %s', (asked, name) => {
  const found = chooseCluster(two, asked, 'db1')
  expect(found.cluster.name).toBe(name)
  expect(found.server.bin).toBe(found.cluster.bin)
})

test.each([
  [
    two,
    {},
    'Cannot tell which cluster of db1 is meant: there are 15/main (online), 15/other (down), 18/main (online); name one, as in installed: { cluster: "15/main" }',
  ],
  [
    two,
    { major: 17 },
    'Cannot find a cluster of Postgres 17 on db1: there are 15/main (online), 15/other (down), 18/main (online); name one of them, or make that one first',
  ],
  [
    { ...two, clusters: [] },
    { cluster: '15/main' },
    'Cannot find the cluster "15/main" on db1: there is postgres (PostgreSQL) 15.4 (Debian 15.4-1), postgres (PostgreSQL) 18.4 (Debian 18.4-1), but no cluster of it: none runs, and pg_lsclusters lists none; make one, or start it',
  ],
  [
    { servers: [], clusters: [cluster('15/main', 15)] },
    {},
    'Cannot find a cluster of Postgres on db1: no package has put a Postgres there; install it with apt or dnf, or name its pg_config in installed: { pgConfig }',
  ],
])('of %j, %j is none', (seen, asked, message) => {
  expect(() => chooseCluster(seen, asked, 'db1')).toThrow(message)
})

const live = '/var/lib/pgoci/instances/orders/live/0123456789abcdef'

test('Postgres 18 is led by its two paths, an older one of Debian by extension_destdir, others not at all', () => {
  expect(settingsFor(server(18, 'extension_control_path'), live)).toEqual([
    ['extension_control_path', `${live}/share:$system`],
    ['dynamic_library_path', `${live}/lib:$libdir`],
  ])
  expect(settingsFor(server(17, 'extension_destdir'), live)).toEqual([
    ['extension_destdir', live],
    ['dynamic_library_path', `${live}/lib:$libdir`],
  ])
  expect(() => settingsFor(server(17), live)).toThrow('it loads them from its own folders only')
})

test('what is set already stays, if it leads to us; what somebody else has set is told and not replaced', () => {
  const wanted = settingsFor(server(18, 'extension_control_path'), live)
  const found = (control: string, library = '$libdir') =>
    new Map([
      ['extension_control_path', control],
      ['dynamic_library_path', library],
    ])
  expect(settingsToDo(wanted, found('$system'), 'x')).toBe('set')
  expect(settingsToDo(wanted, found(`${live}/share:$system`, `${live}/lib:$libdir`), 'x')).toBe('nothing')
  expect(settingsToDo(wanted, found(`/opt/mine:${live}/share:$system`, `${live}/lib`), 'x')).toBe('nothing')
  expect(settingsToDo(wanted, found(`${live}/share:$system`), 'x')).toBe('set')
  expect(() => settingsToDo(wanted, found('/opt/mine:$system'), 'the cluster 18/main on db1')).toThrow(
    `Cannot set extension_control_path of the cluster 18/main on db1: it is "/opt/mine:$system" already; take that away there, or set extension_control_path = '${live}/share:/opt/mine:$system' yourself`,
  )
})
