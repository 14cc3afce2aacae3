import type { Digest } from '../model/digest.ts'
import { ProviderError } from '../model/error.ts'
import { printable } from '../model/quote.ts'
import { formatName, formatPinned, type Reference } from '../model/reference.ts'
import { archiveFiles } from './archive-files.ts'
import { layoutSource } from './layout.ts'
import { readDocument } from './layout-files.ts'
import { manifestsIn, refName } from './referrers.ts'
import type { Source } from './source.ts'

/**
 * What an image is called in a bundle: its reference with all that may be left out, `docker.io/library/postgres:17`.
 * Only one without a tag is called by its digest.
 */
export function bundleName(reference: Reference, digest: Digest): string {
  const { tag, transport } = reference
  if (tag !== undefined) return `${formatName(reference)}:${tag}`
  if (reference.digest !== undefined) return formatPinned(reference, digest)
  return transport === 'registry' ? `${formatName(reference)}:latest` : formatName(reference)
}

/**
 * An image out of a bundle (an OCI archive whose names are whole references), instead of its registry: nothing is
 * asked over a network, and what the bundle lacks is an error that says what it has.
 */
export function bundleSource(path: string, reference: Reference): Source {
  const files = archiveFiles(path, 'oci-archive')
  const archive = layoutSource(files)
  const name = formatName(reference)

  const lacking = async (what: string): Promise<ProviderError> => {
    const listed = manifestsIn((await readDocument(files, 'index.json')) ?? new Uint8Array())
    const names = listed.flatMap(({ annotations }) => annotations?.[refName] ?? []).map(String)
    const there = printable(names.filter((one) => !isSignature(one)).join(', '), 1000) || 'nothing with a name'
    return new ProviderError(
      'NOT_FOUND',
      `Cannot find ${what} in the bundle ${printable(path)}, which is the only source (PGOCI_BUNDLE, postgres-oci:bundle): it has ${there}; bundle it again with this reference and this platform`,
    )
  }
  const orLacking = async <T>(what: string, read: Promise<T>): Promise<T> => {
    try {
      return await read
    } catch (error) {
      if (!(error instanceof ProviderError) || error.code !== 'NOT_FOUND') throw error
      // Where there is no archive at all, this says so.
      throw await lacking(what)
    }
  }

  return {
    name,
    resolve: async (tag, options) => {
      const wanted = tag === undefined ? name : `${name}:${tag}`
      const full = tag === undefined && reference.transport === 'registry' ? `${name}:latest` : wanted
      return orLacking(wanted, archive.resolve(full, options))
    },
    tags: async (options) =>
      (await archive.tags(options)).flatMap((one) => (one.startsWith(`${name}:`) ? one.slice(name.length + 1) : [])),
    manifest: async (digest, options) => orLacking(`${name}@${digest}`, archive.manifest(digest, options)),
    blob: async (descriptor, options) =>
      orLacking(`${descriptor.digest} of ${name}`, archive.blob(descriptor, options)),
    referrers: async (digest, options) => archive.referrers(digest, options),
  }
}

function isSignature(name: string): boolean {
  return /:sha256-[0-9a-f]{64}\.\w+$/.test(name)
}

/** A file on this machine, and where that lacks something, the bundle. */
export function eitherSource(local: Source, bundle: Source): Source {
  const either = async <T>(read: (source: Source) => Promise<T>): Promise<T> => {
    try {
      return await read(local)
    } catch (error) {
      if (!(error instanceof ProviderError) || error.code !== 'NOT_FOUND') throw error
      // What the file says of itself is what its owner wants to know.
      return read(bundle).catch(() => Promise.reject(error))
    }
  }
  return {
    name: local.name,
    resolve: (tag, options) => either((source) => source.resolve(tag, options)),
    tags: async (options) => {
      const there = await Promise.allSettled([local.tags(options), bundle.tags(options)])
      const found = there.flatMap((one) => (one.status === 'fulfilled' ? one.value : []))
      return found.length > 0 ? [...new Set(found)] : local.tags(options)
    },
    manifest: (digest, options) => either((source) => source.manifest(digest, options)),
    blob: (descriptor, options) => either((source) => source.blob(descriptor, options)),
    referrers: (digest, options) => either((source) => source.referrers(digest, options)),
  }
}
