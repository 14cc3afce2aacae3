import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { DebianStack } from '../support/debian-stack.ts'
import { whyNoRealHosts } from '../support/root-needs.ts'

const why = whyNoRealHosts()

// One life of one host; the tests are its chapters, in order.
describe.skipIf(why !== undefined)(`a real Debian host${why ? ` (skipped: ${why})` : ''}`, { timeout: 300_000 }, () => {
  let db: DebianStack

  beforeAll(async () => {
    db = await DebianStack.start({ cache: 'new' })
  }, 600_000)

  afterAll(() => db?.remove())

  test('up installs Debian with Postgres 15 and an extension, and the documented commands start it', async () => {
    await db.declare('ip4r')
    await db.up()
    await db.serve()
    expect(await db.query("CREATE EXTENSION ip4r; SELECT ip4r '10.0.0.0/8' >>= ip4r '10.1.2.3'")).toBe(
      'CREATE EXTENSION\nt',
    )
  })

  test('it runs as the host user postgres, in the image and not in the host', async () => {
    const pid = (await db.host.run('systemctl show pgoci-orders --property=MainPID --value')).trim()
    expect(await db.host.run(`stat -c %U /proc/${pid}`)).toBe('postgres\n')
    expect(await db.host.run(`readlink /proc/${pid}/exe`)).toBe('/usr/lib/postgresql/15/bin/postgres\n')
    await expect(db.host.run('ls /usr/lib/postgresql')).rejects.toThrow('No such file')
    // Whoever breaks out of SQL as a superuser still cannot change what was installed.
    const write = (path: string) => db.query(`COPY (SELECT 1) TO PROGRAM 'touch ${path}'`)
    expect(await write('/usr/bin/evil')).toContain('ERROR')
    expect(await write(`/var/lib/pgoci/instances/orders/current/evil`)).toContain('ERROR')
  })

  test('the run script hands on words and streams', async () => {
    const run = '/var/lib/pgoci/instances/orders/current/run'
    expect(await db.host.run(`sh ${run} psql -At -c 'SELECT $$a  b$$, $x$c$x$'`)).toBe('a  b|c\n')
    expect(await db.host.run(`sh ${run} pg_dump | sh ${run} psql -q -o /dev/null -v ON_ERROR_STOP=1 template1`)).toBe(
      '',
    )
    await expect(db.host.run(`sh ${run} psql -c 'SELECT 1/0'`)).rejects.toThrow('ended with 1')
  })

  test('a drop-in brings more of the host in, and leaves the tree as it is', async () => {
    const folder = '/etc/systemd/system/pgoci-orders.service.d'
    await db.host.run(
      `install -d -o postgres /srv/archive && mkdir ${folder} && cat >${folder}/archive.conf`,
      '[Service]\nBindPaths=/srv/archive\n',
    )
    await db.host.run('systemctl daemon-reload && systemctl restart pgoci-orders')
    expect(await db.query("COPY (SELECT 'kept') TO '/srv/archive/row'")).toBe('COPY 1')
    expect(await db.host.run('cat /srv/archive/row')).toBe('kept\n')
    await db.stack.expect(0, 'preview', '--refresh', '--expect-no-changes')
  })

  test('extensions of a second up are creatable in an open session, without reload or restart', async () => {
    const session = db.session()
    const started = await session.query('SELECT pg_postmaster_start_time(), pg_conf_load_time()')
    expect(await session.query('CREATE EXTENSION semver')).toContain('ERROR')
    await db.declare('ip4r', 'semver', 'hll', 'postgis')
    await db.up()
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
    expect(await db.query(transform)).toContain('ERROR')
    await db.host.run('systemctl restart pgoci-orders')
    expect(await db.query(transform)).toBe('POINT(391391 5817855)')
  })

  test('a new image of the distribution waits for the next restart; until then the server keeps all it had', async () => {
    const session = db.session()
    await session.query('SELECT 1')
    await db.declareDistribution('postgres-next')
    await db.declare('ip4r', 'semver', 'postgis')
    await db.up()
    const build = "SELECT pg_read_file('/etc/build')"
    expect(await session.query(build)).toContain('ERROR')
    expect(await session.query("CREATE EXTENSION hstore; SELECT 'a=>1'::hstore -> 'a'")).toBe('CREATE EXTENSION\n1')
    // Declared no more, and still there for the server that has it.
    expect(await session.query('SELECT #hll_empty()')).toBe('0')
    session.close()
    // For people: a job that looks for drift does not fail.
    const pending = await db.stack.expect(0, 'preview', '--refresh', '--expect-no-changes')
    expect(pending).toMatch(
      /orders: restart pending: postmaster \d+, since .* UTC: it runs what generation \d+ installed/,
    )
    await db.host.run('systemctl restart pgoci-orders')
    expect(await db.stack.expect(0, 'preview', '--refresh', '--expect-no-changes')).not.toContain('restart pending')
    expect(await db.query(build)).toBe('next\n')
    expect(await db.query('SELECT #hll_empty()')).toContain('could not access file')
    expect(await db.query("SELECT 'a=>1'::hstore -> 'a', semver '1.2.3'")).toBe('1|1.2.3')
  })

  test('after a reboot the server is there, with its extensions', async () => {
    await db.host.reboot()
    expect(await db.query('SELECT string_agg(extname, $$,$$ ORDER BY extname) FROM pg_extension')).toBe(
      'hll,hstore,ip4r,plpgsql,postgis,semver',
    )
    await db.stack.expect(0, 'preview', '--refresh', '--expect-no-changes')
  })

  test('destroy leaves the store empty and the data alone', async () => {
    const refused = await db.stack.run('destroy', '--yes', '--skip-preview')
    expect(refused.output).toContain('a process still runs from')
    await db.host.run('systemctl disable --now pgoci-orders')
    await db.stack.expect(0, 'destroy', '--yes', '--skip-preview')
    expect(await db.host.run('ls -A /var/lib/pgoci')).toBe('FORMAT\nlock\n')
    expect(await db.host.run('cat /var/lib/postgresql/orders/PG_VERSION')).toBe('15\n')
  })
})
