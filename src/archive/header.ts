import { quote } from '../model/quote.ts'

/** What a member of a tar is. `node` is a device or a FIFO; every other type is told by its letter. */
export type MemberKind =
  | 'file'
  | 'directory'
  | 'link'
  | 'hardlink'
  | 'node'
  | 'pax'
  | 'pax-global'
  | 'long-name'
  | 'long-link'

/** The fields of a tar header that matter to us. Owners, names of owners and times do not. */
export interface Header {
  readonly kind: MemberKind
  readonly path: string
  readonly target: string
  readonly mode: number
  readonly size: number
}

export const blockSize = 512

const kinds: Readonly<Record<string, MemberKind>> = {
  '\0': 'file',
  '0': 'file',
  '7': 'file',
  '1': 'hardlink',
  '2': 'link',
  '3': 'node',
  '4': 'node',
  '5': 'directory',
  '6': 'node',
  x: 'pax',
  g: 'pax-global',
  L: 'long-name',
  K: 'long-link',
}

// Types whose readers disagree on what follows, or on where the next header is.
const refusedKinds: Readonly<Record<string, string>> = {
  S: 'is a sparse file',
  M: 'continues a file of another volume',
  V: 'is a volume label',
  D: 'is a dump directory',
  N: 'is a list of old long names',
  X: 'is a Solaris extended header',
  A: 'is a Solaris access list',
}

export function isZero(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0)
}

/**
 * Reads one block of 512 bytes: POSIX ustar, GNU, star, and the old format without a magic.
 *
 * @throws SyntaxError whose message completes "its entry X …"
 */
export function decodeHeader(block: Buffer): Header {
  if (!hasChecksum(block)) throw new SyntaxError('has no valid checksum, so this is no tar or it is damaged')
  const path = decodePath(block)
  const letter = String.fromCharCode(block[156] as number)
  const kind = kinds[letter]
  if (kind === undefined) throw new SyntaxError(refusedKinds[letter] ?? `is of the unknown type ${quote(letter)}`)
  const mode = decodeNumber(block.subarray(100, 108), 'mode')
  const size = decodeNumber(block.subarray(124, 136), 'size')
  const target = decodeText(cString(block.subarray(157, 257)))
  return { kind, path, target, mode, size }
}

function decodePath(block: Buffer): string {
  const name = decodeText(cString(block.subarray(0, 100)))
  // GNU's old format has other fields where POSIX has the prefix.
  if (block.toString('latin1', 257, 263) !== 'ustar\0') return name
  const star = block.toString('latin1', 508, 512) === 'tar\0'
  const prefix = decodeText(cString(block.subarray(345, star ? 476 : 500)))
  return prefix === '' ? name : `${prefix}/${name}`
}

/** @throws SyntaxError when the bytes are no UTF-8: a tree's names are text on every machine it passes */
export function decodeText(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    throw new SyntaxError('has a name that is not UTF-8')
  }
}

/** Up to the first NUL. */
export function cString(bytes: Buffer): Buffer {
  const end = bytes.indexOf(0)
  return end < 0 ? bytes : bytes.subarray(0, end)
}

/** Octal digits, or base 256 when the first bit is set (GNU, star). */
function decodeNumber(field: Buffer, what: string): number {
  const first = field[0] as number
  if (first >= 0x80) {
    if (first >= 0xc0) throw new SyntaxError(`has a negative ${what}`)
    const value = [...field.subarray(1)].reduce((sum, byte) => sum * 256 + byte, first & 0x7f)
    if (Number.isSafeInteger(value)) return value
    throw new SyntaxError(`has a ${what} that is too large`)
  }
  const value = octal(field)
  if (value === undefined) throw new SyntaxError(`has a ${what} that is no number`)
  return value
}

/**
 * Spaces and NULs may stand on both sides; an empty field is 0. After digits and a space, some readers stop and others
 * read on, so more digits are none; what follows a NUL nobody reads.
 */
function octal(field: Buffer): number | undefined {
  const digits = /^[\0 ]*([0-7]*) *(?:\0|$)/.exec(field.toString('latin1'))?.[1]
  return digits === undefined ? undefined : Number.parseInt(digits || '0', 8)
}

/** The sum of all bytes, its own field taken as spaces; old tools summed signed bytes. */
function hasChecksum(block: Buffer): boolean {
  let unsigned = 0
  let signed = 0
  for (let at = 0; at < blockSize; at += 1) {
    const byte = at >= 148 && at < 156 ? 0x20 : (block[at] as number)
    unsigned += byte
    signed += byte < 128 ? byte : byte - 256
  }
  const stated = octal(block.subarray(148, 156))
  return stated === unsigned || stated === signed
}
