import { copyFileSync, cpSync, mkdirSync, readFileSync } from 'node:fs'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { parseReference } from '../../src/model/reference.ts'
import { certificatesFor } from '../../src/oci/certificates.ts'
import { openSource } from '../../src/oci/open.ts'
import { makeCertificate } from '../support/certificate.ts'
import { goModule } from '../support/go-module.ts'
import { testWith } from '../support/needs.ts'
import { userFiles } from '../support/user-files.ts'

const files = userFiles()
const certificates = (registry: string) => certificatesFor(registry, files.environment)
const special = process.getuid?.() === 0 ? 'certs.rootful.d' : 'certs.rootless.d'
const none = { caFiles: undefined, certFile: undefined, keyFile: undefined }

describe('which folder counts (containers-certs.d.5)', () => {
  const folders = [
    'home/.config/containers/certs.d',
    `etc/containers/${special}`,
    'etc/containers/certs.d',
    `usr/share/containers/${special}`,
    'usr/share/containers/certs.d',
    'etc/docker/certs.d',
  ]
  test.each(folders)('%s', (folder) => {
    expect(certificates('a.test')).toEqual({})
    const path = files.write(`${folder}/a.test/ca.crt`, 'x')
    expect(certificates('a.test').caFiles).toEqual([path])
  })

  test('the first that is there, whole, and even if it is empty', () => {
    for (const folder of folders.toReversed()) {
      const path = files.write(`${folder}/a.test/ca.crt`, 'x')
      expect(certificates('a.test').caFiles).toEqual([path])
    }
    files.environment.env['XDG_CONFIG_HOME'] = join(files.folder, 'config')
    mkdirSync(join(files.folder, 'config/containers/certs.d/a.test'), { recursive: true })
    expect(certificates('a.test')).toEqual(none)
  })

  test.each([
    ['a.test:5000', 'a.test:5000', true],
    ['a.test:5000', 'a.test', false],
    ['a.test', 'a.test:443', false],
    ['a.test:443', 'a.test', false],
    ['a.test', 'b.a.test', false],
  ])('%s for %s is %s: the port is part of the name', (folder, registry, fits) => {
    files.write(`etc/containers/certs.d/${folder}/ca.crt`, 'x')
    expect(certificates(registry).caFiles !== undefined).toBe(fits)
  })

  test("the stack's settings come before all folders", () => {
    files.write('etc/containers/certs.d/a.test/ca.crt', 'x')
    const settings = { 'a.test': { caFile: '/ca.pem' }, 'b.test': { certFile: '/c', keyFile: '/k' } }
    const stack = { ...files.environment, settings }
    expect(certificatesFor('a.test', stack)).toEqual({ ...none, caFiles: ['/ca.pem'] })
    expect(certificatesFor('b.test', stack)).toEqual({ ...none, certFile: '/c', keyFile: '/k' })
  })
})

test('a folder has any number of authorities and a certificate of ours with its key; other files are passed over', () => {
  const write = (name: string) => files.write(`etc/docker/certs.d/a.test/${name}`, 'x')
  const [b, a, cert, key] = [write('b.crt'), write('a.crt'), write('client.cert'), write('client.key')]
  write('README')
  expect(certificates('a.test')).toEqual({ caFiles: [a, b], certFile: cert, keyFile: key })
})

test.each([
  ['client.cert', 'there is no .key of the same name beside it (authorities end in .crt)'],
  ['client.key', 'there is no .cert of the same name beside it'],
])('%s alone is an error that names it', (name, why) => {
  const path = files.write(`etc/docker/certs.d/a.test/${name}`, 'x')
  files.write('etc/docker/certs.d/a.test/other.crt', 'x')
  expect(() => certificates('a.test')).toThrow(`Cannot use "${path}": ${why}`)
})

testWith('go')("the folder of containers/image's tests is read: all authorities, the first certificate", async () => {
  const folder = join(files.folder, 'etc/containers/certs.d/a.test')
  cpSync(join(goModule('image'), 'pkg/tlsclientconfig/testdata/full'), folder, { recursive: true })
  expect(certificates('a.test')).toEqual({
    caFiles: ['ca-cert-1.crt', 'ca-cert-2.crt'].map((name) => join(folder, name)),
    certFile: join(folder, 'client-cert-1.cert'),
    keyFile: join(folder, 'client-cert-1.key'),
  })
})

testWith('openssl')(
  'a registry of an own authority that asks who we are is read with what certs.d has for it',
  async () => {
    const { authority, certificate, key } = makeCertificate(join(files.folder, 'made'))
    const [ca, cert, ours] = [readFileSync(authority), readFileSync(certificate), readFileSync(key)]
    const digest = `sha256:${'a'.repeat(64)}`
    const server = createServer({ ca, cert, key: ours, requestCert: true, rejectUnauthorized: true }, (_, answer) =>
      answer.writeHead(200, { 'docker-content-digest': digest }).end(),
    )
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const host = `127.0.0.1:${(server.address() as AddressInfo).port}`
    const resolve = () => openSource(parseReference(`${host}/team/image:17`), environment).resolve('17')
    const environment = { ...files.environment, network: { wait: async () => {} } }
    try {
      await expect(resolve()).rejects.toThrow(`the certificate of ${host} is not accepted`)
      const folder = join(files.folder, 'etc/docker/certs.d', host)
      mkdirSync(folder, { recursive: true })
      copyFileSync(authority, join(folder, 'ca.crt'))
      await expect(resolve()).rejects.toThrow(`Cannot reach ${host}`)
      copyFileSync(certificate, join(folder, 'client.cert'))
      copyFileSync(key, join(folder, 'client.key'))
      expect(await resolve()).toEqual({ digest })
      files.write(`etc/docker/certs.d/${host}/client.key`, 'broken')
      await expect(resolve()).rejects.toThrow(
        `Cannot use "${folder}/client.cert": it and its key are not one certificate`,
      )
      const broken = files.write(`etc/docker/certs.d/${host}/ca.crt`, 'broken')
      await expect(resolve()).rejects.toThrow(`Cannot use "${broken}": it is no certificate in PEM`)
    } finally {
      server.close().closeAllConnections()
    }
  },
)
