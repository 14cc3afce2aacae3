import { execFile } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { createWriteStream, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { promisify } from 'node:util'
import { createGzip } from 'node:zlib'
import { afterAll, expect, test } from 'vitest'
import { type Member, packTar } from '../../src/archive/pack.ts'
import { digestFromHex, hexOf } from '../../src/model/digest.ts'
import { blob, descriptor, writeLayoutOf } from '../support/layout.ts'

const folder = mkdtempSync(join(tmpdir(), 'pgoci-memory-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const mebibyte = 1024 ** 2
const oci = 'application/vnd.oci.image'

/** Passes bytes on and counts and hashes them. */
function meter() {
  const hash = createHash('sha256')
  let size = 0
  const stream = new PassThrough()
  stream.on('data', (chunk: Buffer) => {
    size += chunk.length
    hash.update(chunk)
  })
  return { stream, digest: () => digestFromHex(hash.digest('hex')), size: () => size }
}

/** A layer of one file of 200 MiB and 50 of 1 MiB, which no compression makes small; written as it is made. */
async function writeLayer(blobs: string, name: string) {
  const block = randomBytes(mebibyte)
  function* members(): Iterable<Member> {
    const file = (path: string, count: number): Member => {
      const content = (async function* () {
        for (let at = 0; at < count; at += 1) yield block
      })()
      return { kind: 'file', path, size: count * mebibyte, executable: false, content }
    }
    yield file(`${name}/large`, 200)
    for (let at = 0; at < 50; at += 1) yield file(`${name}/${at}`, 1)
  }
  const [plain, packed] = [meter(), meter()]
  const temporary = join(blobs, name)
  await pipeline(
    packTar(members()),
    plain.stream,
    createGzip({ level: 1 }),
    packed.stream,
    createWriteStream(temporary),
  )
  const digest = packed.digest()
  renameSync(temporary, join(blobs, hexOf(digest)))
  const layer = { mediaType: `${oci}.layer.v1.tar+gzip`, digest, size: packed.size() }
  return { layer, diffId: plain.digest() }
}

test('an image of 500 MiB, with files of 200, goes through in constant memory, from its source to the stream for a host', async () => {
  const blobs = join(folder, 'layout', 'blobs', 'sha256')
  mkdirSync(blobs, { recursive: true })
  const layers = [await writeLayer(blobs, 'a'), await writeLayer(blobs, 'b')]
  const config = blob(`${oci}.config.v1+json`, {
    os: 'linux',
    architecture: 'amd64',
    rootfs: { type: 'layers', diff_ids: layers.map(({ diffId }) => diffId) },
  })
  const manifest = blob(`${oci}.manifest.v1+json`, {
    schemaVersion: 2,
    config: descriptor(config),
    layers: layers.map(({ layer }) => layer),
  })
  writeLayoutOf(join(folder, 'layout'), { large: manifest }, [config])
  const program = join(import.meta.dirname, '../support/install-dry.ts')
  const { stdout } = await promisify(execFile)(process.execPath, [
    program,
    join(folder, 'layout'),
    join(folder, 'cache'),
  ])
  const found = JSON.parse(stdout) as { entries: number; bytes: number; before: number; memory: number }
  expect(found.entries).toBe(104)
  expect(found.bytes).toBeGreaterThan(500 * mebibyte)
  // V8 lets 64 MiB of buffers lie before it collects them, and is late on a busy machine; one of the large files
  // held whole would be above this.
  expect(found.memory - found.before).toBeLessThan(150)
})
