import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { AptHost, whyNoAptHost } from '../support/apt-host.ts'
import { type PackagedHost, packagedHost } from '../support/packaged-host.ts'
import { writeLayout } from '../support/postgres-images.ts'
import { TestStack } from '../support/pulumi.ts'
import { sounds } from '../support/sounds.ts'

// What docs/installed.md shows, but for its names.
const program = `import * as pulumi from '@pulumi/pulumi'
import { Distribution, Extension } from 'pulumi-postgres-oci'
const { connection, installed, image } = new pulumi.Config().requireObject('all')
const distribution = new Distribution('orders', { connection, installed })
if (image) new Extension('sounds', { distribution, image: 'oci:./images:' + image })
export const { binDirectory, mode, postgresVersion } = distribution
`

const bin = '/usr/lib/postgresql/15'
const why = whyNoAptHost()

// One life of one host; the tests are its chapters, in order.
describe.skipIf(why !== undefined)(
  `the Postgres of apt${why ? ` (skipped: ${why})` : ''}`,
  { timeout: 900_000 },
  () => {
    let debian: PackagedHost
    let host: AptHost
    let packaged: string
    const stack = new TestStack(program, { main: 'index.mjs' })

    const declare = (installed: object, image?: string) =>
      stack.set('all', JSON.stringify({ connection: host.connection, installed, image }))
    const hashesOfPackages = () =>
      host.run(
        'dpkg -L postgresql-15 postgresql-client-15 postgresql-common | sort -u | while read -r each; do [ ! -f $each ] || sha256sum $each; done; cat /etc/postgresql/15/main/*.conf | sha256sum; ls -A /etc/postgresql/15/main/conf.d',
      )

    beforeAll(async () => {
      debian = await packagedHost('bookworm')
      host = await AptHost.start(debian)
      host.run('pg_createcluster 15 main --start')
      packaged = hashesOfPackages()
      await writeLayout(join(stack.folder, 'images'), [
        { tag: 'sounds', files: sounds(debian.root, 15) },
        { tag: 'louder', files: sounds(debian.root, 15, { version: '1.1' }) },
        { tag: 'lonely', files: sounds(debian.root, 15, { isLonely: true }) },
      ])
      await stack.init()
    })

    afterAll(async () => {
      stack.remove()
      await host?.close()
    })

    test('its facts are in the first preview, and nothing is changed', async () => {
      await declare({ major: 15 }, 'sounds')
      const output = await stack.expect(0, 'preview', '--diff')
      expect(output).toMatch(/mode +: "installed"/)
      expect(output).toMatch(/postgresVersion: "15\.\d+"/)
      expect(output).toContain('"installed:15/main"')
      expect(hashesOfPackages()).toBe(packaged)
      expect(host.run('ls /var/lib/pgoci 2>&1 || true')).toContain('No such file')
    })

    test('up leads the cluster to the store by one drop-in and a reload, and CREATE EXTENSION works', async () => {
      const started = host.query('SELECT pg_postmaster_start_time()')
      await stack.expect(0, 'up', '--yes', '--skip-preview')
      expect(host.query("CREATE EXTENSION sounds; SELECT sounds('Postgres')")).toBe('P232')
      expect(host.query('SELECT pg_postmaster_start_time()')).toBe(started)
      expect(host.run('cat /etc/postgresql/15/main/conf.d/*.conf')).toMatch(
        /^# By pulumi-postgres-oci.*\nextension_destdir = '\/var\/lib\/pgoci\/instances\/orders\/live\/[0-9a-f]{16}'\ndynamic_library_path = '.*\/lib:\$libdir'\n$/,
      )
      await stack.expect(0, 'preview', '--refresh', '--expect-no-changes')
    })

    test('Bug: a module to preload, or that SQL names without $libdir, was not found, and the server did not start', () => {
      expect(
        host.query(
          "CREATE FUNCTION pg_temp.bare(text) RETURNS text AS 'sounds', 'soundex' LANGUAGE C; SELECT pg_temp.bare('Postgres')",
        ),
      ).toBe('P232')
      const preload = '/etc/postgresql/15/main/conf.d/preload.conf'
      host.run(`echo "shared_preload_libraries = 'sounds'" >${preload} && pg_ctlcluster 15 main restart`)
      expect(host.query('SHOW shared_preload_libraries')).toBe('sounds')
      host.run(`rm ${preload} && pg_ctlcluster 15 main restart`)
    })

    test('another version of an extension is there for open sessions at once, and ALTER EXTENSION goes to it', async () => {
      await declare({ major: 15 }, 'louder')
      await stack.expect(0, 'up', '--yes', '--skip-preview')
      expect(host.query("ALTER EXTENSION sounds UPDATE; SELECT louder('postgres')")).toBe('POSTGRES')
    })

    test('a library that neither host nor RUNPATH has is refused by the preview', async () => {
      await declare({ major: 15 }, 'lonely')
      const { code, output } = await stack.run('preview')
      expect(code).not.toBe(0)
      expect(output).toMatch(/lib\/sounds\.so needs libx\.so\.6[\s\S]*the host has not got it/)
      await declare({ major: 15 }, 'louder')
    })

    test('a setting that somebody takes away is drift, and up brings it back', async () => {
      host.run('rm /etc/postgresql/15/main/conf.d/pgoci-orders.conf && pg_ctlcluster 15 main reload')
      while (host.query('SHOW extension_destdir') !== '');
      host.sshd.commands.length = 0
      const output = await stack.expect(7, 'preview', '--refresh', '--expect-no-changes', '--diff')
      expect(output).toContain('setting extension_destdir is \\"\\": CREATE EXTENSION finds nothing of ours')
      // By what the state says, and by what the program asks.
      expect(host.sshd.commands.filter((command) => command.includes('pgoci-survey'))).toHaveLength(2)
      await stack.expect(0, 'up', '--refresh', '--yes', '--skip-preview')
      expect(host.query("SELECT sounds('Postgres')")).toBe('P232')
      await stack.expect(0, 'preview', '--refresh', '--expect-no-changes')
    })

    test('a module that packages change is drift, and the proof is made anew', async () => {
      const module = `${bin}/lib/pgcrypto.so`
      host.run(`cp ${module} /root/module && printf x >>${module}`)
      const output = await stack.expect(7, 'preview', '--refresh', '--expect-no-changes', '--diff')
      expect(output).toContain('upgraded: packages of the host changed modules or libraries that Postgres loads')
      await stack.expect(0, 'up', '--refresh', '--yes', '--skip-preview')
      await stack.expect(0, 'preview', '--refresh', '--expect-no-changes')
      host.run(`cp /root/module ${module}`)
      await stack.expect(0, 'up', '--refresh', '--yes', '--skip-preview')
    })

    test('apt upgrades Postgres underneath: drift says so, and the proof is made anew', async () => {
      const minor = (version: string) => /^\d+\.\d+/.exec(version)?.[0] ?? ''
      const [was, is] = [minor(debian.from), minor(debian.to)]
      // A library that only the host has, which goes with the upgrade.
      const library = '/usr/local/lib/libx.so.6'
      host.run(`cp "$(ldconfig -p | sed -n 's/.*libc\\.so\\.6 .* => //p' | head -n 1)" ${library} && ldconfig`)
      await declare({ major: 15 }, 'lonely')
      await stack.expect(0, 'up', '--refresh', '--yes', '--skip-preview')
      host.run(`dpkg -i /mnt/*.deb && rm ${library} && ldconfig`)
      packaged = hashesOfPackages().replace('pgoci-orders.conf\n', '')
      const upgraded = `upgraded: packages of the host brought PostgreSQL ${is} in place of ${was}; up proves the extensions`

      const refused = await stack.run('preview', '--refresh', '--diff')
      expect(refused.code).not.toBe(0)
      expect(refused.output).toContain(upgraded)
      expect(refused.output).toMatch(/lib\/sounds\.so needs libx\.so\.6[\s\S]*the host has not got it/)

      await declare({ major: 15 }, 'louder')
      await stack.expect(0, 'up', '--refresh', '--yes', '--skip-preview')
      expect(await stack.expect(0, 'stack', 'output', 'postgresVersion')).toBe(`${is}\n`)
      await stack.expect(0, 'preview', '--refresh', '--expect-no-changes')
      host.run('pg_ctlcluster 15 main restart')
      expect(host.query("SELECT sounds('Postgres'); SHOW server_version")).toMatch(`P232\n${is} `)
    })

    test('with several clusters, the error lists them, and cluster names one', async () => {
      host.run('pg_createcluster 15 other')
      const { output } = await stack.run('preview')
      expect(output).toContain(
        'there are 15/main (online), 15/other (down); name one, as in installed: { cluster: "15/main" }',
      )
      await declare({ cluster: '15/main' }, 'louder')
      await stack.expect(0, 'up', '--yes', '--skip-preview')
      await declare({ cluster: '15/other' }, 'louder')
      expect((await stack.run('preview')).output).toContain(
        'Cannot turn "orders" from installed:15/main to installed:15/other',
      )
      await declare({ cluster: '15/main' }, 'louder')
    })

    test('destroy takes the setting back, and no file of a package was ever another', async () => {
      await stack.expect(0, 'destroy', '--yes', '--skip-preview')
      while (host.query('SHOW extension_destdir') !== '');
      expect(host.query("SELECT sounds('Postgres')")).toContain('could not access file')
      expect(hashesOfPackages()).toBe(packaged)
      expect(host.run('ls -A /var/lib/pgoci')).toBe('FORMAT\nlock\n')
    })

    test('without conf.d it is ALTER SYSTEM, which destroy resets', async () => {
      host.run(
        "rmdir /etc/postgresql/15/main/conf.d && sed -i '/^include_dir/d' /etc/postgresql/15/main/postgresql.conf",
      )
      const written = () => host.run('cat /var/lib/postgresql/15/main/postgresql.auto.conf')
      await declare({ cluster: '15/main' })
      await stack.expect(0, 'up', '--yes', '--skip-preview')
      expect(written()).toMatch(/^extension_destdir = '\/var\/lib\/pgoci\/instances\/orders\/live\//m)
      await stack.expect(0, 'destroy', '--yes', '--skip-preview')
      expect(written()).not.toContain('extension_destdir')
    })

    test('a cluster that does not let its owner in as superuser says what to do, and nothing is left behind', async () => {
      host.run("sed -i 's/^local.*all.*postgres.*peer/local all postgres reject/' /etc/postgresql/15/main/pg_hba.conf")
      host.run('pg_ctlcluster 15 main reload')
      while (!host.query('SELECT 1').includes('rejects'));
      const { code, output } = await stack.run('up', '--yes', '--skip-preview')
      expect(code).not.toBe(0)
      expect(output).toContain('give it a line "local all postgres peer" at the top of pg_hba.conf')
    })

    test('destroy takes the extensions of a Postgres away that is gone', async () => {
      host.run('pg_dropcluster 15 main --stop && pg_createcluster 15 main --start')
      await stack.expect(0, 'up', '--yes', '--skip-preview')
      host.run('pg_dropcluster 15 main --stop && dpkg --purge postgresql-15')
      await stack.expect(0, 'destroy', '--yes', '--skip-preview')
      expect(host.run('ls -A /var/lib/pgoci')).toBe('FORMAT\nlock\n')
    })
  },
)
