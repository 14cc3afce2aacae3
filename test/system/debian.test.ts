import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { DebianHost } from '../support/debian-host.ts'
import { debianImages } from '../support/debian-images.ts'
import { PsqlSession } from '../support/psql.ts'
import { TestStack } from '../support/pulumi.ts'
import { startRegistry, type TestRegistry } from '../support/registry.ts'
import { whyNoRealHosts } from '../support/root-needs.ts'

const why = whyNoRealHosts()
const instance = '/var/lib/pgoci/instances/orders'
const run = `${instance}/current/run`
const unit = `${instance}/current/pgoci-orders.service`

// One life of one host; the tests are its chapters, in order.
describe.skipIf(why !== undefined)(`a real Debian host${why ? ` (skipped: ${why})` : ''}`, () => {
  let host: DebianHost
  let registry: TestRegistry
  let stack: TestStack

  const declare = (...extensions: string[]) =>
    stack.set(
      'extensions',
      JSON.stringify(Object.fromEntries(extensions.map((name) => [name, `${registry.address}/debian/${name}:15`]))),
    )
  const up = () => stack.expect(0, 'up', '--yes', '--skip-preview')
  const query = async (statement: string) => {
    const session = new PsqlSession(host)
    try {
      return await session.query(statement)
    } finally {
      session.close()
    }
  }

  beforeAll(async () => {
    registry = await startRegistry(`${await debianImages()}/registry`)
    host = await DebianHost.start()
    stack = new TestStack(readFileSync('examples/rootfs/index.ts', 'utf8'))
    await stack.init({
      host: host.address,
      user: 'deploy',
      sudo: 'true',
      privateKey: { secret: host.privateKey },
      hostKey: host.hostKey,
      distribution: `${registry.address}/debian/postgres:15`,
      'postgres-oci:registries': JSON.stringify({ [registry.address]: { insecure: true } }),
    })
  }, 600_000)

  afterAll(() => {
    registry?.stop()
    stack?.remove()
    host?.remove()
  })

  test('up installs Debian with Postgres 15 and an extension, and the documented commands start it', async () => {
    await declare('ip4r')
    await up()
    // As in docs/rootfs.md.
    await host.run('useradd --system --user-group --home-dir /var/lib/postgresql --create-home postgres')
    await host.run(`sh ${run} initdb --auth-local=peer --auth-host=scram-sha-256 --data-checksums --no-instructions`)
    await host.run(`systemctl enable --now ${unit}`)
    expect(await query("CREATE EXTENSION ip4r; SELECT ip4r '10.0.0.0/8' >>= ip4r '10.1.2.3'")).toBe(
      'CREATE EXTENSION\nt',
    )
  })

  test('it runs as the host user postgres, in the image and not in the host', async () => {
    const pid = (await host.run('systemctl show pgoci-orders --property=MainPID --value')).trim()
    expect(await host.run(`stat -c %U /proc/${pid}`)).toBe('postgres\n')
    expect(await host.run(`readlink /proc/${pid}/exe`)).toBe('/usr/lib/postgresql/15/bin/postgres\n')
    await expect(host.run('ls /usr/lib/postgresql')).rejects.toThrow('No such file')
    // Whoever breaks out of SQL as a superuser still cannot change what was installed.
    const write = (path: string) => query(`COPY (SELECT 1) TO PROGRAM 'touch ${path}'`)
    expect(await write('/usr/bin/evil')).toContain('ERROR')
    expect(await write(`${instance}/current/evil`)).toContain('ERROR')
  })

  test('extensions of a second up are creatable in an open session, without reload or restart', async () => {
    const session = new PsqlSession(host)
    const started = await session.query('SELECT pg_postmaster_start_time(), pg_conf_load_time()')
    expect(await session.query('CREATE EXTENSION semver')).toContain('ERROR')
    await declare('ip4r', 'semver', 'hll', 'postgis')
    await up()
    await session.query('CREATE EXTENSION semver; CREATE EXTENSION hll; CREATE EXTENSION postgis')
    expect(await session.query("SELECT semver '1.10.0' > semver '1.9.0'")).toBe('t')
    expect(await session.query('SELECT round(#hll_add_agg(hll_hash_integer(i))) FROM generate_series(1, 9) i')).toBe(
      '9',
    )
    // GEOS comes with the extension: its library is found through the live folder.
    const area = "SELECT round(ST_Area(ST_Buffer('POINT(0 0)'::geometry, 1))::numeric, 2)"
    expect(await session.query(area)).toBe('3.12')
    expect(await session.query('SELECT pg_postmaster_start_time(), pg_conf_load_time()')).toBe(started)
    session.close()
  })

  test('files outside the live folders, as the data of PROJ, are there after a restart', async () => {
    const transform = "SELECT ST_AsText(ST_Transform('POINT(13.4 52.5)'::geometry, 'EPSG:4326', 'EPSG:25833'), 0)"
    expect(await query(transform)).toContain('ERROR')
    await host.run('systemctl restart pgoci-orders')
    expect(await query(transform)).toBe('POINT(391391 5817855)')
  })

  test('after a reboot the server is there, with its extensions', async () => {
    await host.reboot()
    expect(await query('SELECT string_agg(extname, $$,$$ ORDER BY extname) FROM pg_extension')).toBe(
      'hll,ip4r,plpgsql,postgis,semver',
    )
    await stack.expect(0, 'preview', '--refresh', '--expect-no-changes')
  })

  test('destroy leaves the store empty and the data alone', async () => {
    const refused = await stack.run('destroy', '--yes', '--skip-preview')
    expect(refused.output).toContain('stop the server first')
    await host.run('systemctl disable --now pgoci-orders')
    await stack.expect(0, 'destroy', '--yes', '--skip-preview')
    expect(await host.run('find /var/lib/pgoci -mindepth 2')).toBe('')
    expect(await host.run('cat /var/lib/postgresql/orders/PG_VERSION')).toBe('15\n')
  })
})
