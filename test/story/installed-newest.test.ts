import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { AptHost, whyNoAptHost } from '../support/apt-host.ts'
import { type PackagedHost, packagedHost } from '../support/packaged-host.ts'
import { writeLayout } from '../support/postgres-images.ts'
import { TestStack } from '../support/pulumi.ts'
import { sounds } from '../support/sounds.ts'

const program = `import * as pulumi from '@pulumi/pulumi'
import { Distribution, Extension } from 'pulumi-postgres-oci'
const { connection, installed, image, name } = new pulumi.Config().requireObject('all')
const distribution = new Distribution(name, { connection, installed })
if (image) new Extension('sounds', { distribution, image: 'oci:./images:' + image })
`

const why = whyNoAptHost()

// Hosts with Postgres 18 or later, which has two paths of its own in place of Debian's patch.
describe.skipIf(why !== undefined)(
  `the newest Postgres of apt, and such as lie elsewhere${why ? ` (skipped: ${why})` : ''}`,
  { timeout: 900_000 },
  () => {
    let debian: PackagedHost
    let host: AptHost
    let bin: string
    const stack = new TestStack(program, { main: 'index.mjs' })

    const declare = (name: string, installed: object, image?: string) =>
      stack.set('all', JSON.stringify({ connection: host.connection, name, installed, image }))
    const live = (instance: string) => new RegExp(`'/var/lib/pgoci/instances/${instance}/live/[0-9a-f]{16}/`)

    /** A cluster as `initdb` and `pg_ctl` of `folder` make it, which pg_lsclusters does not know. */
    function startCluster(folder: string, data: string) {
      const as = 'runuser -u postgres --'
      host.run(`install -d -o postgres -g postgres ${data} /run/${data}
        ${as} ${folder}/initdb -D ${data} -A peer --no-sync --no-instructions >/dev/null
        printf "%s\\n" "listen_addresses = ''" "unix_socket_directories = '/run${data}'" >>${data}/postgresql.conf
        cd / && ${as} ${folder}/pg_ctl -D ${data} -s -w -l ${data}/log start`)
      return (statements: string) => host.query(statements, { bin: folder, words: `-h /run${data} -d postgres` })
    }

    beforeAll(async () => {
      debian = await packagedHost('testing')
      host = await AptHost.start(debian)
      bin = `/usr/lib/postgresql/${debian.major}/bin`
      host.run(`pg_createcluster ${debian.major} main --start`)
      await writeLayout(join(stack.folder, 'images'), [
        { tag: 'sounds', files: sounds(debian.root, debian.major) },
        { tag: 'louder', files: sounds(debian.root, debian.major, { version: '1.1' }) },
        { tag: 'sounds-17', files: sounds(debian.root, 17) },
      ])
      await stack.init()
    })

    afterAll(async () => {
      stack.remove()
      await host?.close()
    })

    test('Postgres 18 is led to the store by its two paths, once, and lists what lies there', async () => {
      const query = (statements: string) => host.query(statements, { words: `--cluster ${debian.major}/main` })
      await declare('orders', { major: debian.major }, 'sounds')
      await stack.expect(0, 'up', '--yes', '--skip-preview')
      const written = host.run(`cat /etc/postgresql/${debian.major}/main/conf.d/pgoci-orders.conf`)
      expect(written).toMatch(new RegExp(`^extension_control_path = ${live('orders').source}share:\\$system'$`, 'm'))
      expect(written).toMatch(new RegExp(`^dynamic_library_path = ${live('orders').source}lib:\\$libdir'$`, 'm'))
      expect(query("SELECT default_version FROM pg_available_extensions WHERE name = 'sounds'")).toBe('1.0')
      expect(query("CREATE EXTENSION sounds; CREATE EXTENSION hstore; SELECT sounds('Postgres')")).toBe('P232')

      const times = 'SELECT pg_conf_load_time(), pg_postmaster_start_time()'
      const loaded = query(times)
      await declare('orders', { major: debian.major }, 'louder')
      await stack.expect(0, 'up', '--yes', '--skip-preview')
      expect(query("ALTER EXTENSION sounds UPDATE; SELECT louder('postgres')")).toBe('POSTGRES')
      expect(query(times)).toBe(loaded)
      await stack.expect(0, 'preview', '--refresh', '--expect-no-changes')
    })

    test('of several majors, each is led in its own way, and the error lists them', async () => {
      host.run('pg_createcluster 17 main --start')
      await declare('both', {}, 'sounds')
      const newest = `${debian.major}/main`
      expect((await stack.run('preview')).output).toContain(
        `there are 17/main (online), ${newest} (online); name one, as in installed: { cluster: "17/main" }`,
      )
      await declare('orders', { cluster: newest }, 'louder')
      await stack.expect(0, 'up', '--yes', '--skip-preview')
      await stack.expect(0, 'destroy', '--yes', '--skip-preview')
      await declare('older', { major: 17 }, 'sounds-17')
      await stack.expect(0, 'up', '--yes', '--skip-preview')
      expect(host.run('cat /etc/postgresql/17/main/conf.d/pgoci-older.conf')).toContain('extension_destdir = ')
      const query = (statements: string) => host.query(statements, { words: '--cluster 17/main' })
      expect(query("CREATE EXTENSION sounds; SELECT sounds('Postgres')")).toBe('P232')
      await stack.expect(0, 'destroy', '--yes', '--skip-preview')
      host.run('pg_dropcluster 17 main --stop')
    })

    test('one that is elsewhere is found by its pg_config, beside those of packages', async () => {
      // Postgres finds its folders from where its program is, if both end alike.
      host.run(`mkdir -p /opt/pg/lib/postgresql /opt/pg/share/postgresql
        cp -a /usr/lib/postgresql/${debian.major} /opt/pg/lib/postgresql
        cp -a /usr/share/postgresql/${debian.major} /opt/pg/share/postgresql`)
      const elsewhere = `/opt/pg/lib/postgresql/${debian.major}/bin`
      const query = startCluster(elsewhere, '/srv/pg')
      await declare('elsewhere', { pgConfig: `${elsewhere}/pg_config` }, 'sounds')
      await stack.expect(0, 'up', '--yes', '--skip-preview')
      expect(host.run('cat /srv/pg/postgresql.auto.conf')).toMatch(live('elsewhere'))
      expect(query("CREATE EXTENSION sounds; SELECT sounds('Postgres')")).toBe('P232')
      await stack.expect(0, 'preview', '--refresh', '--expect-no-changes')
      await stack.expect(0, 'destroy', '--yes', '--skip-preview')
      expect(host.run('cat /srv/pg/postgresql.auto.conf')).not.toContain('pgoci')
      host.run(`runuser -u postgres -- ${elsewhere}/pg_ctl -D /srv/pg -s -m immediate stop`)
    })

    // There are no rpm packages here: the programs lie where those of Fedora and of yum.postgresql.org lie.
    test.each([
      { folder: '/usr/bin', library: '/usr/lib64/pgsql', data: '/var/lib/pgsql/data' },
      { folder: '/usr/pgsql-18/bin', library: '/usr/pgsql-18/lib', data: '/var/lib/pgsql/18/data' },
    ])(
      'where dnf puts it, in $folder, its cluster is that of a data folder, and stays found when it is upgraded',
      async ({ folder, library, data }) => {
        const modules = `/usr/lib/postgresql/${debian.major}/lib`
        host.run(`pg_ctlcluster ${debian.major} main stop -m immediate 2>/dev/null || true
        ! command -v pg_lsclusters || mv "$(command -v pg_lsclusters)" /root
        rm -rf ${bin} /usr/bin/psql /usr/bin/pg_config && mkdir -p ${folder} ${library} /var/lib/pgsql
        cp -a /opt/pg/lib/postgresql/${debian.major}/lib/*.so ${library}
        for program in /opt/pg/lib/postgresql/${debian.major}/bin/*; do
          # Where it looks for modules is in it, and stays as long as it was.
          sed 's#${modules}#${library.padEnd(modules.length, '/')}#g' "$program" >${folder}/"\${program##*/}"
          chmod 755 ${folder}/"\${program##*/}"
        done`)
        const query = startCluster(folder, data)
        await declare('dnf', {}, 'sounds')
        const preview = await stack.expect(0, 'preview', '--diff')
        expect(preview).toContain(`installed:${data}`)
        await stack.expect(0, 'up', '--yes', '--skip-preview')
        expect(host.run(`cat ${data}/postgresql.auto.conf`)).toMatch(live('dnf'))
        expect(preview).toContain(`serverDirectory: "${folder.slice(1)}"`)
        expect(query("CREATE EXTENSION sounds; SELECT sounds('Postgres')")).toBe('P232')
        // As rpm does: another file in its place, while the old one runs.
        host.run(
          `cp ${folder}/postgres ${folder}/new && printf x >>${folder}/new && mv ${folder}/new ${folder}/postgres`,
        )
        expect(await stack.expect(7, 'preview', '--refresh', '--expect-no-changes', '--diff')).toContain(
          'upgraded: packages',
        )
        await stack.expect(0, 'up', '--refresh', '--yes', '--skip-preview')
        await stack.expect(0, 'destroy', '--yes', '--skip-preview')
        expect(host.run(`cat ${data}/postgresql.auto.conf`)).not.toContain('pgoci')
        host.run(
          `runuser -u postgres -- ${folder}/pg_ctl -D ${data} -s -m immediate stop && rm ${folder}/postgres ${folder}/pg_config`,
        )
      },
    )
  },
)
