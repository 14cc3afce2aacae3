import { cString, decodeText } from './header.ts'

/** What an extended header changes of the entry after it. */
export interface Extension {
  readonly path?: string
  readonly target?: string
  readonly size?: number
  /** It gives the file capabilities, such as `cap_net_raw`. */
  readonly capability?: boolean
}

const maxKey = 4096

/**
 * Reads the records of a PAX extended header (POSIX pax, "pax Extended Header"): `length key=value\n`. Keys that we
 * do not use are passed over: times, owners, and attributes such as `user.*` or SELinux labels, which hosts set on
 * their own. Values are bytes; only paths must be text.
 *
 * @throws SyntaxError whose message completes "its entry X …"
 */
export function parsePax(bytes: Buffer): Extension {
  const extension: { -readonly [K in keyof Extension]: Extension[K] } = {}
  for (const [key, value] of records(bytes)) {
    if (key.startsWith('GNU.sparse.') || key === 'SCHILY.realsize') throw new SyntaxError('is a sparse file')
    if (/^(?:SCHILY|LIBARCHIVE)\.xattr\.security\.capability$/.test(key)) extension.capability = value.length > 0
    // An empty value takes a record back.
    else if (key === 'path') extension.path = pathOf(value)
    else if (key === 'linkpath') extension.target = pathOf(value)
    else if (key === 'size') extension.size = sizeOf(value)
  }
  if (extension.path === '') delete extension.path
  if (extension.target === '') delete extension.target
  return extension
}

/** A global header says things of all entries that follow; one that would rename or resize them is refused. */
export function checkGlobalPax(bytes: Buffer): void {
  if (Object.keys(parsePax(bytes)).length > 0) throw new SyntaxError('is a global header that changes other entries')
}

function* records(bytes: Buffer): Iterable<[string, Buffer]> {
  for (let at = 0; at < bytes.length; ) {
    const space = bytes.indexOf(0x20, at)
    const digits = space < 0 ? '' : bytes.toString('latin1', at, space)
    const length = /^[1-9]\d{0,8}$/.test(digits) ? Number(digits) : 0
    const end = at + length
    const equals = bytes.indexOf(0x3d, space)
    const fits = length > 0 && end <= bytes.length && equals > space + 1 && equals < end - 1 && bytes[end - 1] === 0x0a
    if (!fits || equals - space > maxKey) throw new SyntaxError('has a malformed extended header')
    const key = bytes.subarray(space + 1, equals)
    if (key.includes(0)) throw new SyntaxError('has a malformed extended header')
    yield [key.toString('latin1'), bytes.subarray(equals + 1, end - 1)]
    at = end
  }
}

function pathOf(value: Buffer): string {
  // Readers that stop at a NUL and readers that do not would see two different paths.
  if (cString(value).length !== value.length) throw new SyntaxError('has a name with a NUL in it')
  return decodeText(value)
}

function sizeOf(value: Buffer): number {
  const size = Number(value.toString('latin1'))
  if (!/^\d{1,16}$/.test(value.toString('latin1')) || !Number.isSafeInteger(size)) {
    throw new SyntaxError('has a size that is no number')
  }
  return size
}
