import { type Blob, blobsOf, image, type TestImage, writeLayoutOf } from '../support/layout.ts'
import { directory, file, tar } from '../support/tar.ts'

export type Kind = 'extension' | 'distribution'

/** An image that must be refused, and words of the refusal. */
export interface Hostile {
  readonly what: string
  readonly says: RegExp
  /** Writes an OCI layout, whose tag `root` is the image. */
  readonly write: (folder: string, kind: Kind) => void
  /** As what it is refused; an operating system with Postgres in it may have what an extension may not. */
  readonly kinds: readonly Kind[]
}

/** An odd image that real tools make, and its tree, as `describeTree` tells it. */
export interface Legal {
  readonly what: string
  readonly tree: readonly string[]
  readonly write: (folder: string) => void
  readonly special: 'refuse' | 'strip'
}

/** Layers are read in two ways; all that comes before them in one. */
const both: readonly Kind[] = ['extension', 'distribution']
export const onlyExtension: readonly Kind[] = ['extension']

/** What makes an image installable: without the shape above it, it would go to the host. */
export const below: Readonly<Record<Kind, Buffer>> = {
  extension: tar(file('opt/pg/share/postgresql/extension/probe.control', "default_version = '1.0'\n")),
  distribution: tar(
    file('opt/pg/bin/postgres', 'postgres (PostgreSQL) 18.1\n', 0o755),
    directory('opt/pg/lib/postgresql'),
    file('opt/pg/share/postgresql/postgres.bki', ''),
  ),
}

export function writeImage(folder: string, made: TestImage): void {
  writeLayoutOf(folder, { root: made.manifest }, blobsOf(made))
}

type LayerCase = readonly [what: string, layers: readonly Buffer[], says: RegExp]

/** Layers on top of one that could be installed. */
export function inLayers(cases: readonly LayerCase[], kinds: readonly Kind[] = both): Hostile[] {
  return cases.map(([what, layers, says]) => ({
    what,
    says,
    kinds,
    write: (folder, kind) => writeImage(folder, image([below[kind], ...layers])),
  }))
}

type ImageCase = readonly [
  what: string,
  make: (layer: Buffer) => { readonly root: Blob; readonly blobs: readonly Blob[] },
  says: RegExp,
]

/** What is wrong is in an image's documents; `layer` could be installed. */
export function inImages(cases: readonly ImageCase[]): Hostile[] {
  return cases.map(([what, make, says]) => ({
    what,
    says,
    kinds: onlyExtension,
    write: (folder, kind) => {
      const { root, blobs } = make(below[kind])
      writeLayoutOf(folder, { root }, blobs)
    },
  }))
}

type LayoutCase = readonly [what: string, damage: (folder: string, made: TestImage) => void, says: RegExp]

/** A good image, in a folder that is tampered with. */
export function inLayouts(cases: readonly LayoutCase[]): Hostile[] {
  return cases.map(([what, damage, says]) => ({
    what,
    says,
    kinds: onlyExtension,
    write: (folder, kind) => {
      const made = image([below[kind]])
      writeImage(folder, made)
      damage(folder, made)
    },
  }))
}

export type LegalCase = readonly [what: string, layers: readonly Buffer[], tree: readonly string[]]

export function legalLayers(cases: readonly LegalCase[], special: Legal['special'] = 'refuse'): Legal[] {
  return cases.map(([what, layers, tree]) => ({
    what,
    tree,
    special,
    write: (folder) => writeImage(folder, image(layers)),
  }))
}
