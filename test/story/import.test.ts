import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { importSchema } from '../../src/cli/import.ts'
import { pgoci } from '../support/cli.ts'
import { temporaryFolder } from '../support/folder.ts'
import { lacks } from '../support/needs.ts'
import { type OpenSsh, startOpenSsh } from '../support/openssh.ts'
import { distributionFiles, extensionFiles, writeLayout } from '../support/postgres-images.ts'
import { TestStack } from '../support/pulumi.ts'

const program = `import * as pulumi from '@pulumi/pulumi'
import { Distribution, Extension } from 'pulumi-postgres-oci'
const config = new pulumi.Config()
const { root, images, connection } = config.requireSecretObject('all').apply((all) => all)
const pg = new Distribution('pg18', { connection, root, image: pulumi.interpolate\`oci:\${images}:pg18\` })
new Extension('hstore', { distribution: pg, image: pulumi.interpolate\`oci:\${images}:hstore\` })
`

// The longest way to a host: two hosts to jump through, each with a key of its own, and a locked key at the end.
describe.skipIf(lacks('/usr/sbin/sshd'))('pgoci import through jump hosts (needs openssh-server)', () => {
  const folder = temporaryFolder()
  const images = join(folder, 'images')
  const root = join(folder, 'store')
  const hostFile = join(folder, 'db1.json')
  const env = { PGOCI_CACHE: join(folder, 'cache') }
  let hosts: [OpenSsh, OpenSsh, OpenSsh]
  let keys: Record<'privateKey' | 'proxyPrivateKey' | 'proxyProxyPrivateKey', string>

  beforeAll(async () => {
    hosts = [await startOpenSsh(), await startOpenSsh(), await startOpenSsh()]
    const [host, jump, gate] = hosts
    keys = {
      privateKey: readFileSync(host.lockedKey, 'utf8'),
      proxyPrivateKey: readFileSync(jump.key, 'utf8'),
      proxyProxyPrivateKey: readFileSync(gate.key, 'utf8'),
    }
    const own = ({ port, hostKeys, connection }: OpenSsh) => {
      return { host: '127.0.0.1', port, user: connection.user, hostKey: hostKeys.ed25519 }
    }
    const connection = {
      ...own(host),
      privateKey: keys.privateKey,
      privateKeyPassword: 'secret words',
      proxy: {
        ...own(jump),
        privateKey: keys.proxyPrivateKey,
        proxy: { ...own(gate), privateKey: keys.proxyProxyPrivateKey },
      },
    }
    writeFileSync(hostFile, JSON.stringify(connection))
    await writeLayout(images, [
      { tag: 'pg18', files: distributionFiles() },
      { tag: 'hstore', files: extensionFiles('hstore') },
    ])
    const lost = new TestStack(program, { main: 'index.mjs', env })
    await lost.init({ all: { secret: JSON.stringify({ root, images, connection }) } })
    await lost.expect(0, 'up', '--yes', '--skip-preview')
    lost.remove()
  })

  afterAll(() => Promise.all(hosts?.map((one) => one.close()) ?? []))

  test('each key becomes a secret of the new stack, whose next preview shows no changes', async () => {
    const found = new TestStack('', { env })
    const logins = () => hosts.map((one) => one.log().split('Accepted publickey').length)
    const before = logins()
    const { code, stdout, stderr } = await pgoci([
      ...['import', hostFile, '--root', root, '--stack', 'story/test', '-o', found.folder, '--json'],
    ])
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(logins()).toEqual(before.map((count) => count + 1))

    const { secrets, program, file } = importSchema.parse(JSON.parse(stdout))
    expect(secrets).toEqual(['privateKey', 'privateKeyPassword', 'proxyPrivateKey', 'proxyProxyPrivateKey'])
    const text = readFileSync(program, 'utf8')
    for (const secret of [...Object.values(keys), 'secret words']) {
      expect(stdout).not.toContain(secret)
      expect(text).not.toContain(secret)
    }
    writeFileSync(join(found.folder, 'index.ts'), text)
    const values = Object.entries({ ...keys, privateKeyPassword: 'secret words' })
    await found.init(Object.fromEntries(values.map(([key, secret]) => [key, { secret }])))
    await found.expect(0, 'import', '--yes', '--file', file, '--generate-code=false', '--protect=false')
    await found.expect(0, 'preview', '--refresh', '--expect-no-changes')
    const state = await found.expect(0, 'stack', 'export')
    expect(state).not.toContain('"plaintext"')
    expect(state).not.toContain('PRIVATE KEY')
    await found.expect(0, 'destroy', '--yes', '--skip-preview')
    found.remove()
  })
})
