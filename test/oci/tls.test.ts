import { readFileSync } from 'node:fs'
import { createServer, type Server, type ServerOptions } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import type { TLSSocket } from 'node:tls'
import { afterEach, beforeAll, expect } from 'vitest'
import type { Certificates } from '../../src/oci/certificates.ts'
import { registrySource } from '../../src/oci/registry.ts'
import { type Certificate, makeCertificate } from '../support/certificate.ts'
import { startDockerRegistry } from '../support/docker-registry.ts'
import { temporaryFolder } from '../support/folder.ts'
import { image } from '../support/layout.ts'
import { testWith } from '../support/needs.ts'
import { end } from '../support/tar.ts'

const made = image([end])
const [layer] = made.layers as [(typeof made.layers)[0]]
const folder = temporaryFolder()

let certificate: Certificate
let client: Certificate
beforeAll(() => {
  certificate = makeCertificate(join(folder, 'server'))
  client = makeCertificate(join(folder, 'client'))
})
const servers: Server[] = []
afterEach(() => {
  for (const server of servers.splice(0)) server.close().closeAllConnections()
})

/** Redirects to `location`, or sends the layer; notes who its clients say they are. */
async function serve(options: ServerOptions, location?: string) {
  const shown: unknown[] = []
  const tls = { cert: readFileSync(certificate.certificate), key: readFileSync(certificate.key) }
  const server = createServer({ ...tls, ...options }, ({ socket }, answer) => {
    shown.push((socket as TLSSocket).getPeerCertificate().subject?.CN)
    if (location === undefined) return void answer.writeHead(200).end(layer.bytes)
    answer.writeHead(307, { location }).end()
  })
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return { host: `127.0.0.1:${(server.address() as AddressInfo).port}`, shown }
}

async function read(host: string, certificates: Certificates): Promise<Buffer> {
  const reference = { transport: 'registry' as const, registry: host, repository: 'team/image' }
  const source = registrySource(reference, { certificates, env: {}, network: { wait: async () => {} } })
  return Buffer.concat(await (await source.blob(layer)).toArray())
}

const trust = () => ({ caFiles: [certificate.authority] })
const asking = () => ({ requestCert: true, ca: readFileSync(client.authority) })

testWith('openssl')('our certificate is shown to the registry, and to nobody that it redirects to', async () => {
  const storage = await serve({ ...asking(), rejectUnauthorized: false })
  const { host, shown } = await serve(asking(), `https://${storage.host}/data`)
  const certificates = { ...trust(), certFile: client.certificate, keyFile: client.key }
  expect(await read(host, certificates)).toEqual(layer.bytes)
  expect(shown).toEqual(['registry'])
  expect(storage.shown).toEqual([undefined])
})

testWith('docker-registry', 'openssl')('a registry that wants a certificate says so', async () => {
  const real = await startDockerRegistry(join(folder, 'real'), { tls: true, clientAuthority: client })
  const { host, caFile = '' } = real
  const run = read(host, { caFiles: [caFile] }).finally(() => real.close())
  await expect(run).rejects.toThrow(
    `Cannot reach ${host}/team/image: ${host} wants a certificate of ours; set certFile and keyFile of "${host}" in postgres-oci:registries (for npx pgoci, in PGOCI_REGISTRIES) to one that it knows`,
  )
})

testWith('openssl')('a redirect from https to http is refused', async () => {
  const { host } = await serve({}, 'http://127.0.0.1:1/data?signature=secret')
  await expect(read(host, trust())).rejects.toThrow(
    `Cannot use the registry ${host}: it redirects from https:// to "http:"; ask who runs it`,
  )
})

testWith('openssl')('a certificate of another authority is refused, also where the registry redirects', async () => {
  const other = makeCertificate(join(folder, 'other'))
  const { host } = await serve({})
  await expect(read(host, { caFiles: [other.authority] })).rejects.toThrow('is not accepted')
  const stranger = { cert: readFileSync(other.certificate), key: readFileSync(other.key) }
  const storage = await serve(stranger)
  const registry = await serve({}, `https://${storage.host}/data`)
  await expect(read(registry.host, trust())).rejects.toThrow(`the certificate of ${storage.host} is not accepted`)
})
