import { createHash } from 'node:crypto'
import { once } from 'node:events'
import type { Readable } from 'node:stream'
import { Parser, type ReadEntry } from 'tar'
import { type Digest, digestFromHex } from '../model/digest.ts'
import { messageOf, ProviderError } from '../model/error.ts'
import { quote } from '../model/quote.ts'
import { nameOf, parentOf, parseTreePath } from '../model/tree.ts'
import type { LayerEntry } from './entry.ts'

const maxEntries = 200_000
const maxMetaSize = 1024 * 1024

export interface ReadLayerOptions {
  /** Digest of the uncompressed stream, from the image's config. */
  readonly diffId: Digest
  /** setuid and setgid files: real distributions have them (su, passwd) and lose the bit; extensions may not. */
  readonly special: 'refuse' | 'strip'
  /** Gets the content of each file; not called for files when absent. */
  readonly onContent?: (entry: { path: string; size: number }, content: Readable) => void
  readonly signal?: AbortSignal
}

/**
 * Reads an uncompressed layer to its last byte and returns its entries, in order. Memory does not grow with the
 * layer's bytes. Resolving means that the stream has the digest `diffId` and no entry had a shape we refuse.
 */
export async function readLayer(tar: Readable, options: ReadLayerOptions): Promise<LayerEntry[]> {
  const entries: LayerEntry[] = []
  const seen = new Map<string, string>()
  let failure: unknown
  const fail = (error: unknown) => {
    failure ??= error
  }
  const parser = new Parser({
    maxMetaEntrySize: maxMetaSize,
    onReadEntry: (entry) => {
      try {
        const made = start(entry, options, (one) => entries.push(one))
        const key = made.kind === 'opaque' ? `${made.path}/.wh..wh..opq` : made.path
        const before = seen.get(key)
        if (before !== undefined && !(before === 'directory' && made.kind === 'directory')) {
          throw refuse(entry.path, 'it is there twice')
        }
        seen.set(key, made.kind)
        if (seen.size > maxEntries)
          throw new ProviderError('LIMIT_EXCEEDED', `Cannot read the layer: it has more than ${maxEntries} entries`)
      } catch (error) {
        fail(error)
        entry.resume()
      }
    },
    onwarn: (code, message) => {
      // umoci writes layers without padding and trailer; all that was announced has come then.
      if (!/truncated|Truncated/.test(String(message)) || code !== 'TAR_BAD_ARCHIVE') fail(refuse('', String(message)))
    },
  })
  parser.on('ignoredEntry', (entry: ReadEntry) => {
    if (entry.meta === false) fail(refuse(entry.path, `entries of type ${entry.type} are not taken`))
  })
  parser.on('meta', (text: string) => {
    if (/GNU\.sparse|SCHILY\.xattr\.security\.capability/.test(text))
      fail(refuse('', 'sparse files and file capabilities are not taken'))
  })
  const hash = createHash('sha256')
  const ended = once(parser, 'end').catch(fail)
  for await (const chunk of tar as AsyncIterable<Buffer>) {
    options.signal?.throwIfAborted()
    if (failure) break
    hash.update(chunk)
    // Contents are hashed as they come, so the parser never has to be waited for.
    parser.write(chunk)
  }
  if (failure === undefined) {
    parser.end()
    await ended
  }
  if (failure) {
    tar.destroy()
    throw failure instanceof ProviderError ? failure : refuse('', messageOf(failure))
  }
  const found = digestFromHex(hash.digest('hex'))
  if (found !== options.diffId) {
    throw new ProviderError(
      'DIGEST_MISMATCH',
      `Cannot use the layer ${options.diffId}: its content has the digest ${found}; the image is damaged or forged`,
    )
  }
  return entries
}

function start(entry: ReadEntry, options: ReadLayerOptions, add: (one: LayerEntry) => void): LayerEntry {
  const path = parseTreePath(entry.path)
  const name = nameOf(path)
  if (path === '' && entry.type !== 'Directory') throw refuse(entry.path, 'the root must be a folder')
  if (name.startsWith('.wh.')) {
    entry.resume()
    const made = whiteout(entry, path, name)
    if (made.path !== '' || made.kind === 'opaque') add(made)
    return made
  }
  if (path.split('/').some((part) => part.startsWith('.wh.'))) throw refuse(entry.path, 'it lies in a whiteout')
  const mode = entry.mode ?? 0o644
  if (entry.type === 'Directory') {
    entry.resume()
    const made = { kind: 'directory', path } as const
    if (path !== '') add(made)
    return made
  }
  if (entry.type === 'SymbolicLink' || entry.type === 'Link') {
    entry.resume()
    const target = String(entry.linkpath ?? '')
    // biome-ignore lint/suspicious/noControlCharactersInRegex: finding control characters is the purpose
    if (target === '' || target.length > 4096 || /[\u0000-\u001f\u007f\ufffd]/.test(target))
      throw refuse(entry.path, 'its target is empty, too long or not text')
    const made: LayerEntry =
      entry.type === 'Link' ? { kind: 'hardlink', path, target: parseTreePath(target) } : { kind: 'link', path, target }
    add(made)
    return made
  }
  if (entry.type !== 'File' && entry.type !== 'OldFile' && entry.type !== 'ContiguousFile') {
    throw refuse(entry.path, `entries of type ${entry.type} are not taken`)
  }
  if ((mode & 0o6000) !== 0 && options.special === 'refuse') throw refuse(entry.path, 'it is setuid or setgid')
  const hash = createHash('sha256')
  const executable = (mode & 0o111) !== 0
  // Placed now, so that entries keep their order; completed when the content has passed.
  const made = { kind: 'file' as const, path, digest: '' as Digest, size: entry.size, executable }
  add(made)
  entry.on('data', (chunk: Buffer) => hash.update(chunk))
  entry.on('end', () => {
    made.digest = digestFromHex(hash.digest('hex'))
  })
  options.onContent?.({ path, size: entry.size }, entry as unknown as Readable)
  return made
}

function whiteout(entry: ReadEntry, path: string, name: string): LayerEntry {
  const parent = parentOf(path)
  if (name === '.wh..wh..opq') return { kind: 'opaque', path: parent }
  const hidden = name.slice('.wh.'.length)
  if (hidden === '' || hidden === '.' || hidden === '..' || hidden.startsWith('.wh.'))
    throw refuse(entry.path, 'it is no valid whiteout')
  return { kind: 'whiteout', path: parent === '' ? hidden : `${parent}/${hidden}` }
}

function refuse(path: string, why: string): ProviderError {
  return new ProviderError('LAYER_REFUSED', `Cannot use the layer: entry ${quote(path)}: ${why}`)
}
