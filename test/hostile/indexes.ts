import { type Blob, blob, blobsOf, descriptor, image, type TestImage } from '../support/layout.ts'
import { inImages } from './shape.ts'

type Case = readonly [what: string, make: (layer: Buffer) => { root: Blob; blobs: Blob[] }, says: RegExp]

const manifestType = 'application/vnd.oci.image.manifest.v1+json'
const indexType = 'application/vnd.oci.image.index.v1+json'
const linux = { os: 'linux', architecture: 'amd64' }
const indexOf = (manifests: unknown, more: object = {}) => blob(indexType, { schemaVersion: 2, manifests, ...more })

/** An index over a good image, as `entries` has it. */
const index =
  (entries: (entry: ReturnType<typeof descriptor>, made: TestImage) => unknown, more: object = {}): Case[1] =>
  (layer) => {
    const made = image([layer])
    return { root: indexOf(entries(descriptor(made.manifest), made), more), blobs: blobsOf(made) }
  }
const entry = (fields: object): Case[1] => index((one) => [{ ...one, platform: linux, ...fields }])
/** A good image for another platform, alone and in an index that names it. */
const built = (config: object): Case[1] => {
  return (layer) => {
    const made = image([layer], { config })
    return { root: made.manifest, blobs: blobsOf(made) }
  }
}
const around =
  (levels: number): Case[1] =>
  (layer) => {
    const made = image([layer])
    let root = indexOf([descriptor(made.manifest)])
    const blobs = blobsOf(made)
    for (let level = 1; level < levels; level += 1) {
      blobs.push(root)
      root = indexOf([descriptor(root)])
    }
    return { root, blobs }
  }
const tooMany = /its indexes hold too many indexes/
const wrong = /on a linux\/amd64 host: it is for/
const hex = 'a'.repeat(64)

const nesting: Case[] = [
  ['four indexes in each other', around(4), tooMany],
  ['ten indexes in each other', around(10), tooMany],
  [
    'twenty indexes beside each other',
    (layer) => {
      const made = image([layer], { architecture: 'arm64' })
      const inner = Array.from({ length: 20 }, (_, at) =>
        indexOf([descriptor(made.manifest)], { annotations: { a: `${at}` } }),
      )
      return { root: indexOf(inner.map(descriptor)), blobs: [...inner, ...blobsOf(made)] }
    },
    tooMany,
  ],
  [
    'an index that fans out, again and again',
    (layer) => {
      const made = image([layer], { architecture: 'arm64' })
      const inner = indexOf([descriptor(made.manifest)])
      const middle = indexOf(Array(6).fill(descriptor(inner)))
      return { root: indexOf(Array(6).fill(descriptor(middle))), blobs: [inner, middle, ...blobsOf(made)] }
    },
    tooMany,
  ],
  [
    'an index that is named as an image of the platform, again and again',
    (layer) => {
      const made = image([layer])
      let root = indexOf([{ ...descriptor(made.manifest), platform: linux }])
      const blobs = blobsOf(made)
      for (let level = 1; level < 5; level += 1) {
        blobs.push(root)
        root = indexOf([{ ...descriptor(root), platform: linux }])
      }
      return { root, blobs }
    },
    tooMany,
  ],
]

const entries: Case[] = [
  ['an index of nothing', index(() => []), /it is for no platform at all/],
  ['an index whose manifests are null', index(() => null), /"manifests"/],
  ['an index whose manifests are an object', index((one) => ({ 0: one })), /"manifests"/],
  ['an index with an entry that is null', index((one) => [one, null]), /"manifests.1"/],
  ['an index of 20,000 entries', index((one) => Array(20_000).fill(one)), /"manifests"/],
  [
    'an index that has layers (CVE-2021-41190)',
    index((one) => [one], { layers: [] }),
    /"layers" is that of a manifest/,
  ],
  ['an index that has a config', index((one) => [one], { config: {} }), /"config" is that of a manifest/],
  ['an index that says it is a manifest', index((one) => [one], { mediaType: manifestType }), /"config"|"manifests"/],
  ['an index of schema 1', index((one) => [one], { schemaVersion: 1 }), /Docker schema 1/],
  ['only attestations', entry({ annotations: { 'vnd.docker.reference.type': 'attestation-manifest' } }), /no platform/],
  ['only the platform unknown/unknown', entry({ platform: { os: 'unknown', architecture: 'unknown' } }), /no platform/],
  ['only artifacts', entry({ mediaType: 'application/vnd.example+json' }), /no platform at all/],
  ['two images without a platform', index((one) => [one, one]), /no platform at all/],
  ['an entry whose type is none', entry({ mediaType: 'x' }), /"manifests.0.mediaType" is no media type/],
  ['an entry without a type', entry({ mediaType: undefined }), /"manifests.0.mediaType"/],
  [
    'an entry whose type lies: an index',
    entry({ mediaType: indexType }),
    /has the type ".*index.*", and it has another/,
  ],
  [
    'an entry whose type lies: a manifest',
    (layer) => {
      const made = image([layer])
      const inner = indexOf([descriptor(made.manifest)])
      const lie = { ...descriptor(inner), mediaType: manifestType, platform: linux }
      return { root: indexOf([lie]), blobs: [inner, ...blobsOf(made)] }
    },
    /has the type ".*manifest.*", and it has another/,
  ],
  [
    'an entry whose size lies',
    index((one) => [{ ...one, size: one.size + 1, platform: linux }]),
    /its index says that/,
  ],
  ['an entry of no bytes', entry({ size: 0 }), /has 0 bytes, and it has \d+/],
  ['an entry of a negative size', entry({ size: -1 }), /"manifests.0.size"/],
  ['an entry without a size', entry({ size: undefined }), /"manifests.0.size"/],
  ['an entry without a digest', entry({ digest: undefined }), /"manifests.0.digest"/],
  ['an entry whose digest is a path', entry({ digest: 'sha256:../../x' }), /"manifests.0.digest" is no digest/],
  ['an entry whose digest is cut', entry({ digest: `sha256:${hex.slice(1)}` }), /is no sha256, and others/],
  ['an entry whose digest is of another kind', entry({ digest: `sha512:${hex}${hex}` }), /is no sha256, and others/],
  [
    'an entry whose digest is in capitals',
    entry({ digest: `sha256:${hex.toUpperCase()}` }),
    /is no sha256, and others/,
  ],
  ['an entry that is not there', entry({ digest: `sha256:${hex}` }), /the layout is incomplete/],
  ['an annotation that is a number', entry({ annotations: { a: 1 } }), /"manifests.0.annotations.a"/],
  ['an entry with a key in capitals', entry({ Digest: 'x' }), /"Digest" is nearly "digest"/],
]

const named = (platform: unknown): Case[1] => entry({ platform })
const platforms: Case[] = [
  ['an index for another architecture', named({ os: 'linux', architecture: 'arm64' }), wrong],
  ['an index for another system', named({ os: 'windows', architecture: 'amd64' }), wrong],
  ['an index for a better processor', named({ ...linux, variant: 'v3' }), wrong],
  ['an index for a variant that does not exist', named({ ...linux, variant: 'v99' }), wrong],
  ['an index for a variant that is no number', named({ ...linux, variant: 'baseline' }), wrong],
  ['an index for a system in capitals', named({ os: 'Linux', architecture: 'amd64' }), wrong],
  ["an index in the kernel's names", named({ os: 'linux', architecture: 'x86_64' }), wrong],
  [
    'an index for a system that draws',
    named({ os: '\u001b[2J\u202e', architecture: 'x' }),
    /it is for \\x1b\[2J\\u202e/,
  ],
  ['a platform that is text', named('linux/amd64'), /"manifests.0.platform"/],
  ['a platform without an architecture', named({ os: 'linux' }), /"manifests.0.platform.architecture"/],
  ['a platform of numbers', named({ os: 1, architecture: 2 }), /"manifests.0.platform.os"/],
  ['a platform of 1,000 letters', named({ os: 'l'.repeat(1000), architecture: 'amd64' }), /"manifests.0.platform.os"/],
  ['a manifest for another architecture', built({ architecture: 'arm64' }), wrong],
  ['a manifest for another system', built({ os: 'freebsd' }), wrong],
  ['a manifest for a better processor', built({ variant: 'v2' }), wrong],
  ['a manifest for a system that draws', built({ os: '\u001b[2J\u202e' }), /it is for \\x1b\[2J\\u202e/],
  ['a manifest for a variant that draws', built({ variant: 'a\nb' }), /it is for linux\/amd64\/a\\x0ab/],
  [
    'an index that lies about its platform',
    (layer) => {
      const made = image([layer], { architecture: 'arm64' })
      return { root: indexOf([{ ...descriptor(made.manifest), platform: linux }]), blobs: blobsOf(made) }
    },
    wrong,
  ],
]

export const indexes = inImages([...nesting, ...entries, ...platforms])
