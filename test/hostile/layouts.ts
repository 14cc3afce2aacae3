import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { hexOf } from '../../src/model/digest.ts'
import type { Blob, TestImage } from '../support/layout.ts'
import { inLayouts } from './shape.ts'

type Damage = (folder: string, made: TestImage) => void
type Case = readonly [what: string, damage: Damage, says: RegExp]

const fifo = (path: string) => {
  if (spawnSync('mkfifo', [path]).status !== 0) throw new Error(`Cannot make the FIFO ${path}`)
}
const write =
  (name: string, content: string | Buffer): Damage =>
  (folder) =>
    writeFileSync(join(folder, name), content)
/** Puts something else where a file was. */
const instead =
  (find: (made: TestImage) => string, put: (path: string, folder: string) => void): Damage =>
  (folder, made) => {
    const path = join(folder, find(made))
    rmSync(path, { recursive: true })
    put(path, folder)
  }

const out = /is a link out of the layout/
const noFile = /it is no file/
const files: Readonly<Record<string, (made: TestImage) => string>> = {
  'oci-layout': () => 'oci-layout',
  'index.json': () => 'index.json',
  'the manifest': ({ manifest }) => `blobs/sha256/${hexOf(manifest.digest)}`,
  'the config': ({ config }) => `blobs/sha256/${hexOf(config.digest)}`,
  'a layer': ({ layers }) => `blobs/sha256/${hexOf((layers[0] as Blob).digest)}`,
}
const places: Case[] = Object.entries(files).flatMap(([what, find]): Case[] => [
  [`${what} that is a FIFO`, instead(find, fifo), noFile],
  [`${what} that is a folder`, instead(find, (path) => mkdirSync(path)), noFile],
  [`${what} that is a link to a file elsewhere`, instead(find, (path) => symlinkSync('/etc/passwd', path)), out],
  [`${what} that is a link up`, instead(find, (path) => symlinkSync('../../../../../../../../etc/passwd', path)), out],
  [`${what} that is a link to a device`, instead(find, (path) => symlinkSync('/dev/zero', path)), out],
  [`${what} that is a link to itself`, instead(find, (path) => symlinkSync(path, path)), /ELOOP|too many/],
  [
    `${what} that is a link to a folder of the layout`,
    instead(find, (path, folder) => symlinkSync(join(folder, 'blobs'), path)),
    noFile,
  ],
  [
    `${what} that is a link beside the layout, of the same beginning`,
    instead(find, (path, folder) => {
      writeFileSync(`${folder}-evil`, 'x')
      symlinkSync(`${folder}-evil`, path)
    }),
    out,
  ],
])

const missing: Case[] = [
  [
    'no oci-layout',
    instead(
      () => 'oci-layout',
      () => {},
    ),
    /there is no oci-layout, so it is no OCI layout/,
  ],
  [
    'no index.json',
    instead(
      () => 'index.json',
      () => {},
    ),
    /there is no index.json/,
  ],
  ['no manifest', instead(files['the manifest'] as never, () => {}), /the layout is incomplete/],
  ['no config', instead(files['the config'] as never, () => {}), /the layout is incomplete/],
  ['no layer', instead(files['a layer'] as never, () => {}), /the layout is incomplete/],
  [
    'no blobs',
    instead(
      () => 'blobs',
      () => {},
    ),
    /the layout is incomplete/,
  ],
  [
    'blobs that are a file',
    instead(
      () => 'blobs',
      (path) => writeFileSync(path, ''),
    ),
    /the layout is incomplete/,
  ],
  [
    'blobs that are a link elsewhere',
    (folder) => {
      renameSync(join(folder, 'blobs'), `${folder}-blobs`)
      symlinkSync(`${folder}-blobs`, join(folder, 'blobs'))
    },
    out,
  ],
  [
    'blobs of sha256 that are a link elsewhere',
    (folder) => {
      renameSync(join(folder, 'blobs/sha256'), `${folder}-sha256`)
      symlinkSync(`${folder}-sha256`, join(folder, 'blobs/sha256'))
    },
    out,
  ],
  [
    'a layer of 10 GiB, of holes',
    (folder, made) => truncateSync(join(folder, files['a layer']?.(made) ?? ''), 10 * 1024 ** 3),
    /more than the announced \d+ bytes came/,
  ],
  [
    'a manifest of 10 GiB, of holes',
    (folder, made) => truncateSync(join(folder, files['the manifest']?.(made) ?? ''), 10 * 1024 ** 3),
    /larger than 4 MiB/,
  ],
]

const versions: Case[] = ['2.0.0', '0.9', '10.0.0', '', 'latest', ' 1.0.0'].map((version) => [
  `the version ${JSON.stringify(version)}`,
  write('oci-layout', JSON.stringify({ imageLayoutVersion: version })),
  /"imageLayoutVersion"/,
])
const markers: Case[] = [
  ...versions,
  ['a version that is a number', write('oci-layout', '{"imageLayoutVersion":1}'), /"imageLayoutVersion"/],
  ['a version that is null', write('oci-layout', '{"imageLayoutVersion":null}'), /"imageLayoutVersion"/],
  ['a version twice', write('oci-layout', '{"imageLayoutVersion":"2","imageLayoutVersion":"1.0.0"}'), /twice/],
  ['no version', write('oci-layout', '{}'), /"imageLayoutVersion"/],
  ['an oci-layout that is no JSON', write('oci-layout', '1.0.0'), /is no JSON/],
  ['an oci-layout that is empty', write('oci-layout', ''), /is no JSON/],
  ['an oci-layout that is null', write('oci-layout', 'null'), /malformed/],
  ['an oci-layout that is a list', write('oci-layout', '[]'), /malformed/],
  ['an oci-layout of 5 MiB', write('oci-layout', ' '.repeat(5 * 1024 ** 2)), /larger than 4 MiB/],
]

const tag = 'org.opencontainers.image.ref.name'
const listed = (edit: (entry: { digest: string; annotations: object }) => unknown): Damage => {
  return (folder) => {
    const path = join(folder, 'index.json')
    const index = JSON.parse(readFileSync(path, 'utf8'))
    writeFileSync(path, JSON.stringify({ ...index, manifests: edit(index.manifests[0]) }))
  }
}
const indexes: Case[] = [
  ['an index.json that is no JSON', write('index.json', '{'), /is no JSON/],
  ['an index.json that is null', write('index.json', 'null'), /malformed/],
  ['an index.json without manifests', write('index.json', '{"schemaVersion":2}'), /it lists none/],
  [
    'an index.json of 5 MiB (CVE-2023-25153)',
    write('index.json', Buffer.alloc(5 * 1024 ** 2, ' ')),
    /larger than 4 MiB/,
  ],
  ['an index.json with a key twice', write('index.json', '{"manifests":[],"manifests":[]}'), /"manifests" twice/],
  ['an index.json of nothing', listed(() => []), /it lists none/],
  ['manifests that are an object', listed((one) => ({ one })), /"manifests"/],
  ['an entry that is null', listed(() => [null]), /"manifests.0"/],
  ['a digest that is a path (CVE-2014-9358)', listed((one) => [{ ...one, digest: '../../x' }]), /"manifests.0.digest"/],
  ['a digest of another kind', listed((one) => [{ ...one, digest: `sha512:${'0'.repeat(128)}` }]), /is no sha256/],
  ['a digest that is not there', listed((one) => [{ ...one, digest: `sha256:${'0'.repeat(64)}` }]), /incomplete/],
  ['annotations of numbers', listed((one) => [{ ...one, annotations: { [tag]: 1 } }]), /"manifests.0.annotations/],
  ['another tag', listed((one) => [{ ...one, annotations: { [tag]: 'other' } }]), /it has other; use one of them/],
  ['a tag that draws', listed((one) => [{ ...one, annotations: { [tag]: '\u001b[2J' } }]), /it has \\x1b\[2J; use one/],
  [
    'a tag of two images',
    listed((one) => [one, { ...one, digest: `sha256:${'0'.repeat(64)}` }]),
    /2 fit, and its tags are root; name one tag/,
  ],
  [
    'a tag that leads to a layer',
    (folder, made) => listed((one) => [{ ...one, digest: made.layers[0]?.digest }])(folder, made),
    /is no JSON/,
  ],
  [
    'a tag that leads to a config',
    (folder, made) => listed((one) => [{ ...one, digest: made.config.digest }])(folder, made),
    /malformed/,
  ],
]

export const layouts = inLayouts([...places, ...missing, ...markers, ...indexes])
