import { digestOf, hexOf } from '../../src/model/digest.ts'
import { type Blob, blob, blobsOf, descriptor, image, type TestImage } from '../support/layout.ts'
import { inImages } from './shape.ts'

type Case = readonly [what: string, make: (layer: Buffer) => { root: Blob; blobs: Blob[] }, says: RegExp]
type Edit = (made: TestImage) => object

const manifestType = 'application/vnd.oci.image.manifest.v1+json'
const rooted = (root: Blob, ...blobs: readonly Blob[]) => ({ root, blobs: [...blobs] })

/** The manifest of a good image with other fields. */
const manifest =
  (edit: Edit): Case[1] =>
  (layer) => {
    const good = image([layer])
    const made = image([layer], { manifest: edit(good) })
    return rooted(made.manifest, ...blobsOf(made))
  }
/** The config of a good image with other fields. */
const config =
  (fields: object): Case[1] =>
  (layer) => {
    const made = image([layer], { config: fields })
    return rooted(made.manifest, ...blobsOf(made))
  }
/** The text of a good manifest, edited. */
const text =
  (edit: (json: string) => string | Buffer): Case[1] =>
  (layer) => {
    const made = image([layer])
    return rooted(blob(manifestType, Buffer.from(edit(made.manifest.bytes.toString()) as string)), ...blobsOf(made))
  }
/** The text of a good config, edited. */
const configText =
  (edit: (json: string) => string): Case[1] =>
  (layer) => {
    const good = image([layer])
    const other = blob(good.config.mediaType, Buffer.from(edit(good.config.bytes.toString())))
    const made = image([layer], { manifest: { config: descriptor(other) } })
    return rooted(made.manifest, other, ...blobsOf(made))
  }
const layerWith = (fields: object): Case[1] =>
  manifest(({ layers }) => ({ layers: layers.map((one) => ({ ...descriptor(one), ...fields })) }))
const configWith = (fields: object): Case[1] =>
  manifest((made) => ({ config: { ...descriptor(made.config), ...fields } }))
/** One blob holds other bytes than its digest says. */
const lying =
  (which: 'config' | 'layer', edit: (bytes: Buffer) => Buffer): Case[1] =>
  (layer) => {
    const made = image([layer])
    const lied = which === 'config' ? made.config : (made.layers[0] as Blob)
    const blobs = blobsOf(made).map((one) => (one === lied ? { ...one, bytes: edit(one.bytes) } : one))
    return rooted(made.manifest, ...blobs)
  }

const hex = hexOf(digestOf('x'))
const badDigests: Readonly<Record<string, unknown>> = {
  'a path (CVE-2024-3727)': 'sha256:../../../etc/passwd',
  'a path behind a digest': `sha256:${hex}/../../x`,
  'an address': `sha256:${hex}?x=@evil.example`,
  capitals: `sha256:${hex.toUpperCase()}`,
  'an algorithm in capitals': `SHA256:${hex}`,
  '63 digits': `sha256:${hex.slice(1)}`,
  '65 digits': `sha256:0${hex}`,
  'a newline behind it': `sha256:${hex}\n`,
  'a space before it': ` sha256:${hex}`,
  'no algorithm': hex,
  'no digits': 'sha256:',
  nothing: '',
  'another algorithm': `sha512:${hex}${hex}`,
  'an algorithm of no strength': 'md5:d41d8cd98f00b204e9800998ecf8427e',
  'an unknown algorithm': 'blake9:00',
  'a command': '$(reboot)',
  'a number': 5,
  null: null,
  'a list': [`sha256:${hex}`],
}

const digests: Case[] = Object.entries(badDigests).flatMap(([what, digest]): Case[] => [
  [`a layer's digest that is ${what}`, layerWith({ digest }), /"layers.0.digest"/],
  [`a config's digest that is ${what}`, configWith({ digest }), /"config.digest"/],
  [`a diff id that is ${what}`, config({ rootfs: { type: 'layers', diff_ids: [digest] } }), /"rootfs.diff_ids.0"/],
])

const badSizes: Readonly<Record<string, unknown>> = {
  negative: -1,
  'a fraction': 1.5,
  text: '100',
  null: null,
  'beyond 2^53': 2 ** 60,
  'not there': undefined,
  'a list': [1],
  true: true,
}

const sizes: Case[] = [
  ...Object.entries(badSizes).flatMap(([what, size]): Case[] => [
    [`a layer's size that is ${what}`, layerWith({ size }), /"layers.0.size"/],
    [`a config's size that is ${what}`, configWith({ size }), /"config.size"/],
  ]),
  ["a layer's size that is a byte less", manifest(({ layers }) => ({ layers: layers.map(less) })), /announced/],
  ["a layer's size that is a byte more", manifest(({ layers }) => ({ layers: layers.map(more) })), /announced/],
  ["a layer's size of nothing", layerWith({ size: 0 }), /more than the announced 0 bytes came/],
  ["a layer's size beyond everything", layerWith({ size: 2 ** 52 }), /larger than 8 GiB/],
  [
    'layers that are together larger than 8 GiB',
    manifest(({ layers }) => ({ layers: Array(9).fill({ ...descriptor(layers[0] as Blob), size: 1024 ** 3 }) })),
    /layers, its config lists|larger than 8 GiB/,
  ],
  ["a config's size that is a byte less", manifest((made) => ({ config: less(made.config) })), /announced/],
  ["a config's size that is a byte more", manifest((made) => ({ config: more(made.config) })), /announced/],
  ['a config beyond 4 MiB', configWith({ size: 5 * 1024 ** 2 }), /config is larger than 4 MiB/],
  ['a config that is another one', lying('config', (bytes) => Buffer.alloc(bytes.length, ' ')), /has the digest/],
  ['a config that is cut', lying('config', (bytes) => bytes.subarray(1)), /has the digest/],
  ['a config with a byte more', lying('config', (bytes) => Buffer.concat([bytes, Buffer.from(' ')])), /more than the/],
  ['a layer that is another one', lying('layer', (bytes) => Buffer.alloc(bytes.length)), /has the digest/],
  ['a layer that is cut', lying('layer', (bytes) => bytes.subarray(0, -512)), /has the digest/],
  ['a layer with a block more', lying('layer', (bytes) => Buffer.concat([bytes, Buffer.alloc(512)])), /more than the/],
  ['a layer of no bytes', lying('layer', () => Buffer.alloc(0)), /has the digest/],
]

function less(one: Blob) {
  return { ...descriptor(one), size: one.size - 1 }
}
function more(one: Blob) {
  return { ...descriptor(one), size: one.size + 1 }
}

const other = digestOf('other')
const fields: Case[] = [
  ['a layer that is text', layerWith({ mediaType: 'text/plain' }), /"text\/plain", which is no file system layer/],
  [
    'a layer that is encrypted',
    layerWith({ mediaType: 'application/vnd.oci.image.layer.v1.tar+encrypted' }),
    /no file sys/,
  ],
  [
    'a layer of a chart',
    layerWith({ mediaType: 'application/vnd.cncf.helm.chart.content.v1.tar+gzip' }),
    /no file sys/,
  ],
  ['a layer of an attestation', layerWith({ mediaType: 'application/vnd.in-toto+json' }), /no file system layer/],
  ['a layer of a type that is none', layerWith({ mediaType: '../../x' }), /"layers.0.mediaType" is no media type/],
  [
    'a layer of a type with an escape',
    layerWith({ mediaType: 'a/b\u001b[2J' }),
    /"layers.0.mediaType" is no media type/,
  ],
  ['a layer of a type of 300 bytes', layerWith({ mediaType: `a/${'b'.repeat(300)}` }), /is no media type/],
  ['a layer without a type', layerWith({ mediaType: undefined }), /"layers.0.mediaType"/],
  ['no layer', manifest(() => ({ layers: [] })), /"layers" is empty/],
  ['300 layers', manifest(({ layers }) => ({ layers: Array(300).fill(descriptor(layers[0] as Blob)) })), /"layers"/],
  ['layers that are null', manifest(() => ({ layers: null })), /"layers"/],
  [
    'layers that are an object',
    manifest(({ layers }) => ({ layers: { 0: descriptor(layers[0] as Blob) } })),
    /"layers"/,
  ],
  ['a layer that is null', manifest(() => ({ layers: [null] })), /"layers.0"/],
  ['a layer that is text instead of an object', manifest(() => ({ layers: ['x'] })), /"layers.0"/],
  ['a config that is null', manifest(() => ({ config: null })), /"config"/],
  ['a config that is a list', manifest((made) => ({ config: [descriptor(made.config)] })), /"config"/],
  ['no config', manifest(() => ({ config: undefined })), /"config"/],
  [
    'a config that is not there',
    manifest(() => ({ config: { ...descriptor(blob('application/vnd.oci.image.config.v1+json', { x: 1 })) } })),
    /incomplete/,
  ],
  ['both a manifest and an index (CVE-2021-41190)', manifest(() => ({ manifests: [] })), /"manifests" is that of an/],
  ['both, without a type', manifest(() => ({ manifests: [], mediaType: undefined })), /is that of a manifest/],
  ['manifests that are null', manifest(() => ({ manifests: null })), /"manifests" is that of an index/],
  [
    'a manifest that says it is an index',
    manifest(() => ({ mediaType: indexType })),
    /"manifests"|is that of a manifest/,
  ],
  ['Docker schema 1', manifest(() => ({ schemaVersion: 1 })), /Docker schema 1/],
  ['schema 3', manifest(() => ({ schemaVersion: 3 })), /"schemaVersion"/],
  ['a schema in text', manifest(() => ({ schemaVersion: '2' })), /"schemaVersion"/],
  ['no schema', manifest(() => ({ schemaVersion: undefined })), /"schemaVersion"/],
  ['a type that is no image', manifest(() => ({ mediaType: 'text/plain' })), /"text\/plain", which is no image/],
  ['a type with an escape sequence', manifest(() => ({ mediaType: '\u001b[2J' })), /"\\x1b\[2J", which is no image/],
  ['a type that is a number', manifest(() => ({ mediaType: 7 })), /"mediaType"/],
  ['no diff ids', config({ rootfs: { type: 'layers', diff_ids: [] } }), /1 layers, its config lists 0/],
  [
    'a diff id too many',
    config({ rootfs: { type: 'layers', diff_ids: [other, other] } }),
    /1 layers, its config lists 2/,
  ],
  ['another diff id', config({ rootfs: { type: 'layers', diff_ids: [other] } }), /unpacked it has the digest/],
  ['diff ids that are null', config({ rootfs: { type: 'layers', diff_ids: null } }), /"rootfs.diff_ids"/],
  ['diff ids that are text', config({ rootfs: { type: 'layers', diff_ids: other } }), /"rootfs.diff_ids"/],
  ['a root that is no layers', config({ rootfs: { type: 'disk', diff_ids: [other] } }), /"rootfs.type"/],
  ['no root', config({ rootfs: undefined }), /"rootfs"/],
  ['a root that is null', config({ rootfs: null }), /"rootfs"/],
  ['an operating system that is null', config({ os: null }), /"os"/],
  ['an operating system that is a number', config({ os: 5 }), /"os"/],
  ['an architecture of 65 letters', config({ architecture: 'a'.repeat(65) }), /"architecture"/],
  ['labels that are a list', config({ config: { Labels: ['a'] } }), /"config.Labels"/],
  ['a label that is a number', config({ config: { Labels: { a: 1 } } }), /"config.Labels.a"/],
  ['a label that is null', config({ config: { Labels: { a: null } } }), /"config.Labels.a"/],
]

const indexType = 'application/vnd.oci.image.index.v1+json'
const noJson = /is no JSON/
const first = (json: string, key: string, value: string) => `{"${key}":${value},${json.slice(1)}`
const nested = (levels: number) => `${'['.repeat(levels)}${']'.repeat(levels)}`

const syntax: Case[] = [
  ['nothing', text(() => ''), noJson],
  ['spaces', text(() => '   '), noJson],
  ['an open brace', text(() => '{'), noJson],
  ['a document that is cut', text((json) => json.slice(0, -1)), noJson],
  ['something behind it', text((json) => `${json}x`), noJson],
  ['a second document behind it', text((json) => `${json}${json}`), noJson],
  ['a NUL behind it', text((json) => `${json}\0`), noJson],
  ['a byte order mark', text((json) => `\ufeff${json}`), noJson],
  ['UTF-16', text((json) => Buffer.from(json, 'utf16le')), noJson],
  ['bytes that are not UTF-8', text((json) => Buffer.concat([Buffer.from(json), Buffer.from([0xff])])), noJson],
  ['a comment', text((json) => `/* */${json}`), noJson],
  ['a comma at its end', text((json) => json.replace(/\}$/, ',}')), noJson],
  ['quotes of another kind', text((json) => json.replaceAll('"', "'")), noJson],
  ['a number that is none', text((json) => json.replace('"schemaVersion":2', '"schemaVersion":NaN')), noJson],
  ['a number in hex', text((json) => json.replace('"schemaVersion":2', '"schemaVersion":0x2')), noJson],
  ['a control character in text', text((json) => json.replace('"mediaType":"', '"mediaType":"\n')), noJson],
  ['null', text(() => 'null'), /malformed/],
  ['a number', text(() => '5'), /malformed/],
  ['text', text((json) => JSON.stringify(json)), /malformed/],
  ['an empty list', text(() => '[]'), /malformed/],
  ['a list of a manifest', text((json) => `[${json}]`), /malformed/],
  ['an empty object', text(() => '{}'), /malformed/],
  ['a key twice', text((json) => first(json, 'layers', '[]')), /ambiguous, it has "layers" twice/],
  ['a key twice, once escaped', text((json) => first(json, 'l\\u0061yers', '[]')), /ambiguous, it has "layers" twice/],
  ['the schema twice', text((json) => first(json, 'schemaVersion', '2')), /it has "schemaVersion" twice/],
  ['a key twice that nobody reads', text((json) => first(first(json, 'x', '1'), 'x', '1')), /it has "x" twice/],
  ['a digest twice', text((json) => json.replace('"digest"', `"digest":"sha256:${hex}","digest"`)), /"digest" twice/],
  ['a size twice', text((json) => json.replace('"size"', '"size":1,"size"')), /"size" twice/],
  ['a key in capitals beside it', text((json) => first(json, 'Layers', '[]')), /"Layers" is nearly "layers"/],
  ['a key in capitals alone', text((json) => json.replace('"layers"', '"LAYERS"')), /"LAYERS" is nearly "layers"/],
  ['a key with a long s', text((json) => first(json, 'layer\u017f', '[]')), /is nearly "layers"/],
  [
    'a digest in capitals beside it',
    text((json) => json.replace('"digest"', '"Digest":"","digest"')),
    /nearly "digest"/,
  ],
  ['a config with a key twice', configText((json) => first(json, 'os', '"windows"')), /it has "os" twice/],
  ['a config with a key in capitals', configText((json) => first(json, 'RootFS', '{}')), /"RootFS" is nearly "rootfs"/],
  ['a config with a label twice', configText((json) => first(json, 'config', '{"Labels":{"a":"1","a":"2"}}')), /twice/],
  ['a config that is no JSON', configText(() => '{'), noJson],
  ['a prototype with layers', text((json) => json.replace('"layers"', '"__proto__":{"layers":[]},"x"')), /"layers"/],
  ['a prototype that is a manifest', text((json) => `{"__proto__":${json}}`), /malformed/],
  ['a constructor', text((json) => `{"constructor":{"prototype":${json}}}`), /malformed/],
  ['100 levels of lists', text((json) => first(json, 'x', nested(100))), /more than 64 levels deep/],
  ['a million levels of lists', text((json) => first(json, 'x', nested(1_000_000))), /more than 64 levels deep/],
  ['a million levels of objects', text(() => `${'{"a":'.repeat(600_000)}1${'}'.repeat(600_000)}`), /64 levels/],
  ['a number of a million digits', text((json) => json.replace('"size":', `"size":${'9'.repeat(1_000_000)}`)), /size"/],
  ['5 MiB', text((json) => json + ' '.repeat(5 * 1024 ** 2)), /larger than 4 MiB/],
]

export const documents = inImages([...digests, ...sizes, ...fields, ...syntax])
