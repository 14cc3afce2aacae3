import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { isElf, readElf } from '../../src/postgres/elf.ts'
import { blob } from '../support/layout.ts'
import { distributionFiles, type Layer, writeLayout } from '../support/postgres-images.ts'
import { startSshd, type TestSshd } from '../support/sshd.ts'

const folder = mkdtempSync(join(tmpdir(), 'pgoci-machines-'))
process.env['PGOCI_CACHE'] = join(folder, 'cache')
const { distribution } = await import('../../src/provider.ts')
const layout = join(folder, 'images')
const machines = { amd64: { uname: 'x86_64', elf: 62 }, arm64: { uname: 'aarch64', elf: 183 } } as const
type Architecture = keyof typeof machines
const architectures = Object.keys(machines) as Architecture[]
const servers: TestSshd[] = []

/** The files with the machine type of that architecture in the headers of programs and libraries. */
function builtFor(architecture: Architecture): Layer {
  const files = new Map(distributionFiles())
  for (const [path, content] of files) {
    if (!(content instanceof Uint8Array) || !isElf(content)) continue
    const copy = Buffer.from(content)
    copy.writeUInt16LE(machines[architecture].elf, 18)
    files.set(path, copy)
  }
  return files
}

beforeAll(async () => {
  const images = architectures.map((architecture) => ({
    tag: architecture,
    files: builtFor(architecture),
    platform: { os: 'linux', architecture },
  }))
  await writeLayout(layout, images)
  // One index of both, as registries have for a multi-platform tag.
  const path = join(layout, 'index.json')
  const all = JSON.parse(readFileSync(path, 'utf8'))
  const manifests = all.manifests.map(({ annotations: _, ...one }: { annotations: object }) => one)
  const { bytes, ...both } = blob('application/vnd.oci.image.index.v1+json', { schemaVersion: 2, manifests })
  writeFileSync(join(layout, 'blobs/sha256', both.digest.slice('sha256:'.length)), bytes)
  const annotations = { 'org.opencontainers.image.ref.name': 'both' }
  writeFileSync(path, JSON.stringify({ ...all, manifests: [{ ...both, annotations }] }))
})

afterAll(async () => {
  for (const server of servers) await server.close()
  rmSync(folder, { recursive: true, force: true })
})

test.each(architectures)(
  'a host that says it is %s gets the image for it, wherever Pulumi runs',
  async (architecture) => {
    const bin = join(folder, `bin-${architecture}`)
    mkdirSync(bin)
    writeFileSync(join(bin, 'uname'), `#!/bin/sh\necho ${machines[architecture].uname}\n`, { mode: 0o755 })
    const sshd = await startSshd({ env: { ...process.env, PATH: `${bin}:${process.env['PATH']}` } })
    servers.push(sshd)
    const connection = { host: '127.0.0.1', port: sshd.port, user: 'test', password: 'test', hostKey: sshd.hostKey }
    const root = join(folder, architecture)
    const asked = { connection, root, instance: 'main', __stack: 'shop/prod', image: `oci:${layout}:both` }
    const { inputs, failures = [] } = (await distribution.check?.({}, asked)) ?? {}
    expect(failures).toEqual([])
    expect(inputs).toMatchObject({ platform: `linux/${architecture}`, postgresMajor: 18 })
    await distribution.create(inputs)
    const files = readdirSync(join(root, 'objects'), { recursive: true, encoding: 'utf8' }).filter((name) =>
      /\//.test(name),
    )
    const binaries = files.map((name) => readFileSync(join(root, 'objects', name))).filter(isElf)
    expect(new Set(binaries.map((bytes) => readElf(bytes).machine))).toEqual(new Set([machines[architecture].elf]))
  },
)

test('a machine that nobody builds for is named, and may be told by hand', async () => {
  const bin = join(folder, 'bin-other')
  mkdirSync(bin)
  writeFileSync(join(bin, 'uname'), '#!/bin/sh\necho vax\n', { mode: 0o755 })
  const sshd = await startSshd({ env: { ...process.env, PATH: `${bin}:${process.env['PATH']}` } })
  servers.push(sshd)
  const connection = { host: '127.0.0.1', port: sshd.port, user: 'test', password: 'test', hostKey: sshd.hostKey }
  const asked = { connection, root: join(folder, 'vax'), instance: 'main', __stack: 's', image: `oci:${layout}:both` }
  expect((await distribution.check?.({}, asked))?.failures).toMatchObject([
    { reason: expect.stringContaining('its machine type is "vax"; set platform, as in "linux/amd64"') },
  ])
  const told = await distribution.check?.({}, { ...asked, platform: 'linux/arm64' })
  expect(told?.inputs).toMatchObject({ platform: 'linux/arm64' })
})
