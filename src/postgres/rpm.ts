import { readTable } from './sqlite-table.ts'

/** Tags and types of headers, as rpm's rpmtag.h has them. */
const texts: { readonly [tag: number]: 'name' | 'version' | 'release' } = {
  1000: 'name',
  1001: 'version',
  1002: 'release',
}
const epoch = 1003
const [numberType, textType] = [4, 6]
const maxText = 255
const maxPackages = 50_000

/** SUSE's `Packages.db`: slots of four numbers, then blobs of blocks (rpm's lib/backend/ndb). */
const ndb = { magic: 'RpmP', slot: 'Slot', blob: 'BlbS', header: 32, slots: 16, block: 16, page: 4096 }

/**
 * Reads a package database of rpm: `rpmdb.sqlite` (since 4.16), or `Packages.db` (ndb).
 *
 * @returns name → version, as rpm writes it with `%{EVR}`
 * @throws SyntaxError whose message completes "the file …"
 */
export function readRpmPackages(bytes: Buffer): Map<string, string> {
  try {
    const packages = new Map<string, string>()
    for (const header of bytes.toString('latin1', 0, 4) === ndb.magic ? ndbBlobs(bytes) : sqliteBlobs(bytes)) {
      const { name, version = '', release = '', epoch } = readHeader(header)
      // Keys that signed packages are packages of their own, which nobody has installed.
      if (name === undefined || name === 'gpg-pubkey') continue
      packages.set(name, `${epoch === undefined ? '' : `${epoch}:`}${version}-${release}`)
      if (packages.size > maxPackages) throw new SyntaxError(`has more than ${maxPackages} packages`)
    }
    return packages
  } catch (error) {
    if (error instanceof RangeError) throw new SyntaxError('refers to bytes that it does not have')
    throw error
  }
}

function* sqliteBlobs(bytes: Buffer): Iterable<Buffer> {
  for (const [, blob] of readTable(bytes, 'Packages')) {
    if (!Buffer.isBuffer(blob)) throw new SyntaxError('has a package without a header')
    yield blob
  }
}

function* ndbBlobs(bytes: Buffer): Iterable<Buffer> {
  const end = bytes.readUInt32LE(12) * ndb.page
  let left = bytes.length
  const isMagic = (text: string, at: number) => bytes.toString('latin1', at, at + 4) === text
  for (let slot = ndb.header; slot < end; slot += ndb.slots) {
    if (!isMagic(ndb.slot, slot)) throw new SyntaxError('has a damaged list of packages')
    const start = bytes.readUInt32LE(slot + 8) * ndb.block
    if (start === 0) continue
    const size = bytes.readUInt32LE(start + 12)
    left -= size
    if (!isMagic(ndb.blob, start) || left < 0) throw new SyntaxError('has a package where there is none')
    yield bytes.subarray(start + ndb.block, start + ndb.block + size)
  }
}

interface Header {
  name?: string
  version?: string
  release?: string
  epoch?: number
}

/** A header as databases keep it: counts of entries and bytes, the entries, the bytes that they lead to. */
function readHeader(blob: Buffer): Header {
  const start = 8 + 16 * blob.readUInt32BE(0)
  if (start > blob.length) throw new SyntaxError('has a header that ends too early')
  const data = blob.subarray(start, start + blob.readUInt32BE(4))
  const header: Header = {}
  for (let at = 8; at < start; at += 16) {
    const key = texts[blob.readUInt32BE(at)]
    const [type, offset] = [blob.readUInt32BE(at + 4), blob.readUInt32BE(at + 8)]
    if (key !== undefined && type === textType) header[key] = textAt(data, offset)
    else if (blob.readUInt32BE(at) === epoch && type === numberType) header.epoch = data.readUInt32BE(offset)
  }
  return header
}

function textAt(data: Buffer, at: number): string {
  const end = data.indexOf(0, at)
  if (end < 0 || end - at > maxText) throw new SyntaxError('has a header with a text without an end')
  return data.toString('utf8', at, end)
}
