import { readFileSync } from 'node:fs'
import { createServer, type IncomingMessage } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { ProviderError } from '../../src/model/error.ts'
import { registrySource } from '../../src/oci/registry.ts'
import type { RepositoryOptions } from '../../src/oci/repository.ts'
import { type Certificate, makeCertificate } from '../support/certificate.ts'
import { startRegistry, type TestRegistry } from '../support/fault-registry.ts'
import { temporaryFolder } from '../support/folder.ts'
import { blobsOf, image } from '../support/layout.ts'
import { testWith } from '../support/needs.ts'
import { end } from '../support/tar.ts'

const made = image([end])
const folder = temporaryFolder()

/** A proxy on loopback that leads every name to one port, and may refuse or say nothing. */
async function startProxy(port: () => number) {
  const asked: string[] = []
  const authorizations = new Set<string | undefined>()
  const sockets = new Set<Socket>()
  let behaviour: 'work' | 'silence' | 'refuse' = 'work'
  const note = (request: IncomingMessage) => {
    asked.push(`${request.method} ${request.url}`)
    authorizations.add(request.headers['proxy-authorization'])
    return behaviour === 'work'
  }
  const server = createServer((request, answer) => {
    if (!note(request)) return void answer.writeHead(502).end()
    answer.writeHead(200, { 'docker-content-digest': made.manifest.digest }).end()
  })
  server.on('connection', (socket) => sockets.add(socket))
  server.on('connect', (request: IncomingMessage, socket: Socket) => {
    socket.on('error', () => {})
    if (!note(request)) return void (behaviour === 'refuse' && socket.end('HTTP/1.1 407 No\r\n\r\n'))
    const to = connect(port(), '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n')
      socket.pipe(to).pipe(socket)
    })
    to.on('error', () => socket.destroy())
    socket.on('close', () => to.destroy())
    sockets.add(to)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    authorizations,
    behave: (how: typeof behaviour) => {
      behaviour = how
    },
    close: async () => {
      server.close()
      for (const socket of sockets) socket.destroy()
    },
  }
}

let certificate: Certificate
let registry: TestRegistry
let proxy: Awaited<ReturnType<typeof startProxy>>
beforeAll(() => {
  certificate = makeCertificate(join(folder, 'server'))
})
beforeEach(async () => {
  const tls = { cert: readFileSync(certificate.certificate), key: readFileSync(certificate.key) }
  registry = await startRegistry({ one: made.manifest }, blobsOf(made), { tls })
  proxy = await startProxy(() => Number(registry.host.split(':')[1]))
})
afterEach(async () => {
  await proxy.close()
  await registry.close()
})

function resolveAt(host: string, options: RepositoryOptions, signal?: AbortSignal) {
  const network = { stall: 300, wait: async () => {} }
  const reference = { transport: 'registry' as const, registry: host, repository: 'team/image' }
  return registrySource(reference, { network, ...options }).resolve('one', signal ? { signal } : {})
}
/** Its certificate is for 127.0.0.1, so by any other name it is not trusted, which shows that it was reached. */
const reached = /the certificate of .* is not accepted/

testWith('openssl')('a registry is reached through the proxy of the environment, which knows its name', async () => {
  for (const name of ['HTTPS_PROXY', 'https_proxy', 'HTTP_PROXY'])
    await expect(resolveAt('registry.test', { env: { [name]: proxy.url } })).rejects.toThrow(reached)
  expect(proxy.asked).toEqual(Array.from({ length: 3 }, () => 'CONNECT registry.test:443'))
  expect([...proxy.authorizations]).toEqual([undefined])
})

testWith('openssl')("Docker Hub's images are asked for where they are", async () => {
  await expect(resolveAt('docker.io', { env: { https_proxy: proxy.url } })).rejects.toThrow(reached)
  expect(proxy.asked).toEqual(['CONNECT registry-1.docker.io:443'])
})

testWith('openssl')("a proxy's scheme may be missing, and its login is for it alone", async () => {
  const env = { HTTPS_PROXY: `${proxy.url.replace('http://', 'user:p%40ss@')}` }
  await expect(resolveAt('registry.test', { env })).rejects.toThrow(reached)
  expect([...proxy.authorizations]).toEqual([`Basic ${Buffer.from('user:p@ss').toString('base64')}`])
})

testWith('openssl')('plain HTTP goes to the proxy of its own', async () => {
  const env = { HTTP_PROXY: proxy.url }
  expect(await resolveAt('registry.test', { env, setting: { insecure: true } })).toEqual({
    digest: made.manifest.digest,
  })
  expect(proxy.asked).toEqual(['HEAD http://registry.test/v2/team/image/manifests/one'])
})

testWith('openssl')('what NO_PROXY names, and what is on this machine, is reached without', async () => {
  const certificates = { caFiles: [certificate.authority] }
  expect((await resolveAt(registry.host, { certificates, env: { HTTPS_PROXY: proxy.url } })).digest).toBe(
    made.manifest.digest,
  )
  for (const no of ['registry.invalid', '.invalid', 'x, *.invalid', '*'])
    await expect(resolveAt('registry.invalid', { env: { HTTPS_PROXY: proxy.url, NO_PROXY: no } }), no).rejects.toThrow(
      'is not known to the name service',
    )
  expect(proxy.asked).toEqual([])
})

testWith('openssl')(
  'a proxy that refuses, is silent or is gone is an error, and aborting does not wait for it',
  async () => {
    const env = { HTTPS_PROXY: proxy.url.replace('//', '//user:secret@') }
    proxy.behave('refuse')
    await expect(resolveAt('registry.test', { env })).rejects.toThrow(
      'Cannot reach registry.test/team/image: registry.test cannot be reached through the proxy, which answers 407; check the name and the network, and run it again',
    )
    proxy.behave('silence')
    await expect(resolveAt('registry.test', { env })).rejects.toThrow('registry.test does not answer in time')
    const abort = new AbortController()
    const run = resolveAt('registry.test', { env, network: {} }, abort.signal)
    setImmediate(() => abort.abort(new ProviderError('ABORTED', 'Stopped')))
    await expect(run).rejects.toThrow('Stopped')
    await proxy.close()
    await expect(resolveAt('registry.test', { env })).rejects.toThrow('refuses connections')
  },
)

test.each(['http://[', 'ftp://proxy:21', 'http://user:secret@:x'])('%s is no proxy, and not shown', async (value) => {
  const run = async () => resolveAt('registry.test', { env: { https_proxy: value } })
  await expect(run).rejects.toThrow(
    /^Cannot use the proxy in HTTPS_PROXY: it is no URL; expected one as in http:\/\/proxy\.example\.com:3128$/,
  )
})
