import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeEach, expect, test } from 'vitest'
import { digestOf, hexOf } from '../../src/model/digest.ts'
import { ProviderError } from '../../src/model/error.ts'
import { openCache } from '../../src/oci/cache.ts'
import { folderFiles } from '../../src/oci/folder-files.ts'
import { layoutSource } from '../../src/oci/layout.ts'
import { blobsOf, image, writeLayoutOf } from '../support/layout.ts'
import { end } from '../support/tar.ts'

const folder = mkdtempSync(join(tmpdir(), 'pgoci-layout-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const one = image([end])
const two = image([end], { architecture: 'arm64' })
let layout: string
beforeEach(() => {
  layout = mkdtempSync(join(folder, 'layout-'))
  writeLayoutOf(layout, { one: one.manifest, two: two.manifest }, [...blobsOf(one), ...blobsOf(two)])
})

async function failure(run: Promise<unknown>): Promise<string> {
  const error = await run.catch((thrown: unknown) => thrown)
  expect(error).toBeInstanceOf(ProviderError)
  return (error as ProviderError).message
}
const blobAt = (content: { digest: Parameters<typeof hexOf>[0] }) =>
  join(layout, 'blobs', 'sha256', hexOf(content.digest))

test('a tag names its image, and without a tag the only image is meant', async () => {
  expect((await layoutSource(folderFiles(layout)).resolve('two')).digest).toBe(two.manifest.digest)
  writeLayoutOf(layout, { one: one.manifest }, [])
  expect((await layoutSource(folderFiles(layout)).resolve(undefined)).digest).toBe(one.manifest.digest)
})

test('a tag that is missing, or none where it needs one, names what there is', async () => {
  const source = layoutSource(folderFiles(layout))
  expect(await failure(source.resolve('three'))).toContain('Cannot find the tag "three"')
  expect(await failure(source.resolve('three'))).toContain('it has one, two; use one of them')
  expect(await failure(source.resolve(undefined))).toContain('2 fit, and its tags are one, two; name one tag')
})

test.each<[string, () => void, RegExp]>([
  [
    'a folder without oci-layout',
    () => rmSync(join(layout, 'oci-layout')),
    /there is no oci-layout, so it is no OCI layout/,
  ],
  ['a folder that is not there', () => rmSync(layout, { recursive: true }), /there is no oci-layout/],
  [
    'a layout of version 2',
    () => writeFileSync(join(layout, 'oci-layout'), '{"imageLayoutVersion":"2.0"}'),
    /"imageLayoutVersion"/,
  ],
  ['an index that is no JSON', () => writeFileSync(join(layout, 'index.json'), '{'), /is no JSON/],
  [
    'an index of 5 MiB (CVE-2023-25153)',
    () => writeFileSync(join(layout, 'index.json'), Buffer.alloc(5 * 1024 ** 2)),
    /larger than 4 MiB/,
  ],
  [
    'an index that is a folder out of it',
    () => replaceByLink('index.json', '/etc/hostname'),
    /a link out of the layout/,
  ],
])('%s is refused', async (_, damage, says) => {
  damage()
  expect(await failure(layoutSource(folderFiles(layout)).resolve('one'))).toMatch(says)
})

function replaceByLink(path: string, target: string): void {
  rmSync(join(layout, path))
  symlinkSync(target, join(layout, path))
}

test('a blob that leads out of the layout, is missing, or is no file is refused', async () => {
  const source = layoutSource(folderFiles(layout))
  const [layer] = one.layers as [(typeof one.layers)[0]]
  rmSync(blobAt(layer))
  expect(await failure(source.blob(layer))).toContain('the layout is incomplete')
  symlinkSync('/etc/hostname', blobAt(layer))
  expect(await failure(source.blob(layer))).toContain('a link out of the layout')
  rmSync(blobAt(layer))
  expect(spawnSync('mkfifo', [blobAt(layer)]).status).toBe(0)
  expect(await failure(source.blob(layer))).toContain('it is no file')
})

test('a link inside the layout is followed, as tools share blobs by them', async () => {
  const [layer] = one.layers as [(typeof one.layers)[0]]
  rmSync(blobAt(layer))
  writeFileSync(join(layout, 'shared'), layer.bytes)
  symlinkSync('../../shared', blobAt(layer))
  await openCache(join(layout, 'cache')).blob(layoutSource(folderFiles(layout)), layer)
})

test('whatever byte of whatever blob is changed, cut off or added, the image is refused', async () => {
  for (const content of blobsOf(one)) {
    const flipped = Buffer.from(content.bytes)
    flipped[content.size >> 1] = (flipped[content.size >> 1] as number) ^ 1
    for (const bytes of [flipped, content.bytes.subarray(1), Buffer.concat([content.bytes, Buffer.from(' ')])]) {
      writeFileSync(blobAt(content), bytes)
      const cache = openCache(mkdtempSync(join(folder, 'cache-')))
      const source = layoutSource(folderFiles(layout))
      const use = content === one.manifest ? cache.manifest(source, content.digest) : cache.blob(source, content)
      expect(await failure(use)).toContain(`Cannot use ${content.digest} from oci:`)
    }
    writeFileSync(blobAt(content), content.bytes)
    expect(digestOf(content.bytes)).toBe(content.digest)
  }
})
