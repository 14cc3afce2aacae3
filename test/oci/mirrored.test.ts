import { mkdtempSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { digestOf } from '../../src/model/digest.ts'
import { parseReference } from '../../src/model/reference.ts'
import { openCache } from '../../src/oci/cache.ts'
import type { Environment } from '../../src/oci/environment.ts'
import { readImage } from '../../src/oci/image.ts'
import { openSource } from '../../src/oci/open.ts'
import type { RegistrySettings } from '../../src/oci/settings.ts'
import { type RegistryOptions, send, startRegistry, status, type TestRegistry } from '../support/fault-registry.ts'
import type { Blob } from '../support/layout.ts'
import { both, sampleBlobs } from '../support/sample.ts'
import { authsOf, userFiles } from '../support/user-files.ts'

const files = userFiles()
const running: TestRegistry[] = []
afterEach(async () => {
  for (const one of running.splice(0)) await one.close()
})

async function start(options: RegistryOptions & { blobs?: readonly Blob[] } = {}): Promise<TestRegistry> {
  const { blobs = sampleBlobs, ...more } = options
  const registry = await startRegistry(blobs.length > 0 ? { 17: both } : {}, blobs, more)
  running.push(registry)
  return registry
}
const basic = (password: string): RegistryOptions => ({ login: { kind: 'basic', accounts: { user: password } } })
const plain = (...registries: TestRegistry[]): RegistrySettings =>
  Object.fromEntries(registries.map(({ host }) => [host, { insecure: true }]))
const sentTo = (registry: TestRegistry) =>
  registry.records.flatMap(({ headers }) => (headers.authorization === undefined ? [] : [headers.authorization]))
const basicOf = (login: string) => `Basic ${Buffer.from(login).toString('base64')}`

/** Reads an image whole, as `up` does; what was logged, and whether it is what was pushed. */
async function pull(image: string, settings: RegistrySettings) {
  const lines: string[] = []
  const environment: Environment = {
    ...files.environment,
    settings,
    log: (line) => lines.push(line),
    network: { wait: async () => {} },
  }
  const reference = parseReference(image)
  const source = openSource(reference, environment)
  const { digest } = reference.digest ? { digest: reference.digest } : await source.resolve(reference.tag)
  const cache = openCache(mkdtempSync(join(files.folder, 'cache-')), { log: (line) => lines.push(line) })
  const { layers } = await readImage(source, digest, { cache, platform: { os: 'linux', architecture: 'amd64' } })
  for (const layer of layers) await cache.blob(source, layer)
  return { digest, log: lines.join('\n') }
}

describe("mirrors of the stack's settings", () => {
  test('are asked for all but the tag, in order; who has everything leaves nothing to the others', async () => {
    const [origin, first, second] = [await start(), await start(), await start()]
    const settings = {
      ...plain(origin, first, second),
      [origin.host]: { insecure: true, mirrors: [first.host, second.host] },
    }
    const { digest, log } = await pull(`${origin.host}/team/image:17`, settings)
    expect(digest).toBe(both.digest)
    expect(origin.requests).toEqual(['HEAD /v2/team/image/manifests/17'])
    expect(first.requests).toHaveLength(5)
    expect(second.requests).toEqual([])
    expect(log).toBe('')
  })

  test("a prefix stands before the repository, as a proxy-cache project's of Harbor", async () => {
    const [origin, mirror] = [await start({ blobs: [] }), await start()]
    const settings = { ...plain(mirror), [origin.host]: { insecure: true, mirrors: [`${mirror.host}/team`] } }
    await pull(`${origin.host}/image@${both.digest}`, settings)
    expect(origin.requests).toEqual([])
    expect(mirror.requests[0]).toBe(`GET /v2/team/image/manifests/${both.digest}`)
  })

  test('one that lies, one that fails and one that has nothing are passed over and named; the bytes are right', async () => {
    const [origin, lying, failing, empty] = [await start(), await start(), await start(), await start({ blobs: [] })]
    const mirrors = [lying, failing, empty]
    lying.fault(/GET .*manifests/, send(Buffer.from('{"schemaVersion": 2}')))
    failing.fault(/./, ...Array.from({ length: 20 }, () => status(503)))
    const settings = {
      ...plain(...mirrors),
      [origin.host]: { insecure: true, mirrors: mirrors.map(({ host }) => host) },
    }
    const { log } = await pull(`${origin.host}/team/image:17`, settings)
    for (const { host } of mirrors) expect(log).toContain(`${host}/team/image (mirror of ${origin.host}/team/image)`)
    expect(log.split('\n')).toHaveLength(3)
  })

  test("each place gets its own login and none of another's (CVE-2020-15157 is its kin; C-oci 1.5)", async () => {
    const [origin, mirror, open] = [
      await start(basic('of-origin')),
      await start(basic('of-mirror')),
      await start({ blobs: [] }),
    ]
    files.write('home/.docker/config.json', authsOf({ [mirror.host]: 'user:of-mirror' }))
    const settings = {
      ...plain(mirror, open),
      [origin.host]: { insecure: true, username: 'user', password: 'of-origin', mirrors: [open.host, mirror.host] },
    }
    await pull(`${origin.host}/team/image:17`, settings)
    expect(new Set(sentTo(origin))).toEqual(new Set([basicOf('user:of-origin')]))
    expect(new Set(sentTo(mirror))).toEqual(new Set([basicOf('user:of-mirror')]))
    expect(sentTo(open)).toEqual([])

    // Without a login of its own a mirror gets none, and the image still comes.
    files.write('home/.docker/config.json', authsOf({ [origin.host]: 'user:of-origin' }))
    mirror.records.length = 0
    const { log } = await pull(`${origin.host}/team/image@${both.digest}`, settings)
    expect(sentTo(mirror)).toEqual([])
    expect(log).toContain(`${mirror.host}/team/image (mirror of `)
    expect(log).not.toContain('of-origin')
  })
})

describe('registries.conf', () => {
  const conf = (prefix: string, location: string, ...mirrors: string[]) =>
    files.write(
      'etc/containers/registries.conf',
      `[[registry]]\nprefix = "${prefix}"\nlocation = "${location}"\ninsecure = true\n${mirrors
        .map((one) => `[[registry.mirror]]\ninsecure = true\nlocation = ${one}\n`)
        .join('')}`,
    )

  test('an image comes from where its prefix is said to be, with the login of that place', async () => {
    const place = await start(basic('p'))
    conf('registry.example.com/postgres', `${place.host}/team`)
    const login = { [place.host]: { username: 'user', password: 'p' } }
    expect((await pull('registry.example.com/postgres/image:17', login)).digest).toBe(both.digest)
    const wrong = { 'registry.example.com': { username: 'user', password: 'of-example' } }
    const failing = pull('registry.example.com/postgres/image:17', wrong)
    await expect(failing).rejects.toThrow(`${place.host}/team/image (for registry.example.com/postgres/image)`)
    expect(new Set(sentTo(place))).toEqual(new Set([basicOf('user:p')]))
  })

  test('its mirrors are asked for tags too, unless it says otherwise; a tag that they lack is asked for at the origin', async () => {
    const [origin, silent, mirror] = [await start(), await start(), await start()]
    conf(origin.host, origin.host, `"${silent.host}"\npull-from-mirror = "digest-only"`, `"${mirror.host}"`)
    await pull(`${origin.host}/team/image:17`, {})
    expect(origin.requests).toEqual([])
    expect(silent.requests.filter((line) => line.startsWith('HEAD'))).toEqual([])
    expect(mirror.requests).toEqual(['HEAD /v2/team/image/manifests/17'])

    mirror.fault(/HEAD/, status(404))
    mirror.fault(/GET/, status(404))
    const { log } = await pull(`${origin.host}/team/image:17`, {})
    expect(origin.requests).toEqual(['HEAD /v2/team/image/manifests/17'])
    expect(log).toContain(`Passing over ${mirror.host}/team/image (mirror of ${origin.host}/team/image) for its tags: `)
  })

  test('a mirror for tags only names the digest, which is then fetched elsewhere', async () => {
    const [origin, tags] = [await start(), await start()]
    conf(origin.host, origin.host, `"${tags.host}"\npull-from-mirror = "tag-only"`)
    await pull(`${origin.host}/team/image:17`, {})
    expect(tags.requests).toEqual(['HEAD /v2/team/image/manifests/17'])
    expect(origin.requests.filter((line) => line.includes('/17'))).toEqual([])
  })

  test("what a mirror says of a tag is a digest, and what comes is proven by it: the mirror's other bytes are not used", async () => {
    const [origin, mirror] = [await start(), await start()]
    conf(origin.host, origin.host, `"${mirror.host}"`)
    mirror.fault(/GET .*blobs/, send(Buffer.from('lies')))
    expect((await pull(`${origin.host}/team/image:17`, {})).log).toContain(`${mirror.host}/team/image (mirror of `)
  })

  test('what it blocks is not asked for; a file that is broken is met when something is, and not before', async () => {
    const origin = await start()
    const path = files.write(
      'etc/containers/registries.conf',
      `[[registry]]\nlocation = "${origin.host}"\nblocked = true`,
    )
    const image = `${origin.host}/team/image:17`
    await expect(pull(image, plain(origin))).rejects.toThrow(`Cannot read ${origin.host}/team/image: "${path}" blocks`)
    files.write('etc/containers/registries.conf', 'broken')
    const source = openSource(parseReference(image), { ...files.environment, settings: plain(origin) })
    expect(source.name).toBe(`${origin.host}/team/image`)
    const broken = `Cannot use "${path}": line 1 is no TOML`
    await expect(source.resolve('17')).rejects.toThrow(broken)
    await expect(source.manifest(digestOf(''))).rejects.toThrow(broken)
    expect(origin.requests).toEqual([])
  })
})
