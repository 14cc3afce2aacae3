import { gzipSync } from 'node:zlib'
import { directory, end, file, header, link, meta, padded, pax, tar } from '../support/tar.ts'
import { inLayers } from './shape.ts'

const base256 = (value: number) => {
  const field = Buffer.alloc(12)
  field.writeUIntBE(value, 6, 6)
  field[0] = 0x80
  return field
}
const filled = (first: number, length = 12) => Buffer.from([first, ...Array<number>(length - 1).fill(0xff)])
const record = (size: number) => `${size} k=${'v'.repeat(size - String(size).length - 4)}\n`
const sized = (size: number | string | Buffer) =>
  tar(header({ name: 'a', ...(typeof size === 'number' ? { size: base256(size) } : { patch: { 124: size } }) }))
const mode = (field: string | Buffer) => tar(header({ name: 'a', patch: { 100: field } }))
const checksum = (field: string) => {
  const block = header({ name: 'a' })
  block.write(field, 148, 'latin1')
  return tar(block)
}
const malformed = /malformed extended header/
const noNumber = /that is no number/
const noTar = /no valid checksum/

const numbers = inLayers([
  ['a size with a letter', [sized('12x45678901')], /size that is no number/],
  ['a size with a sign', [sized('-0000000001')], noNumber],
  ['a size with a plus', [sized('+0000000001')], noNumber],
  ['a size with an 8', [sized('00000000008')], noNumber],
  ['a size in hex', [sized('0x000000010')], noNumber],
  ['a size with a gap, of which readers see 1 or 12', [sized('0000001 002')], noNumber],
  ['a negative size', [sized(filled(0xff))], /negative size/],
  ['a size of -1 in fewer bits', [sized(filled(0xc0))], /negative size/],
  ['a size beyond 2^53', [sized(filled(0x80))], /size that is too large/],
  ['a size of 9 GiB', [sized(9 * 1024 ** 3)], /files of more than 8589934592 bytes/],
  ['a size of 2^47', [sized(2 ** 47)], /files of more than 8589934592 bytes/],
  ['a size in twelve digits', [sized('777777777777')], /files of more than 8589934592 bytes/],
  ['files of 9 GiB together', [tar(file('a', 'x')), sized(8 * 1024 ** 3)], /files of more than 8589934592 bytes/],
  ['a mode with a letter', [mode('00006x4')], /mode that is no number/],
  ['a negative mode', [mode(filled(0xff, 8))], /negative mode/],
  ['a mode beyond 2^53', [mode(filled(0x80, 8))], /mode that is too large/],
  ['a checksum that is wrong', [tar(header({ name: 'a', checksum: 1 }))], noTar],
  ['a checksum that is one too high', [tar(header({ name: 'a', checksum: sumOf('a') + 1 }))], noTar],
  ['a checksum that is empty', [checksum('        ')], noTar],
  ['a checksum in hex', [checksum(`0x${sumOf('a').toString(16)}\0 `)], noTar],
  ['a checksum that is negative', [checksum('-000001\0')], noTar],
  ['a PAX size that is negative', [tar(pax({ size: '-1' }), file('a'))], noNumber],
  ['a PAX size with a plus', [tar(pax({ size: '+1' }), file('a', 'x'))], noNumber],
  ['a PAX size in hex', [tar(pax({ size: '0x1' }), file('a', 'x'))], noNumber],
  ['a PAX size with an exponent', [tar(pax({ size: '1e0' }), file('a', 'x'))], noNumber],
  ['a PAX size with a fraction', [tar(pax({ size: '1.0' }), file('a', 'x'))], noNumber],
  ['a PAX size with a space before it', [tar(pax({ size: ' 1' }), file('a', 'x'))], noNumber],
  ['a PAX size with a space behind it', [tar(pax({ size: '1 ' }), file('a', 'x'))], noNumber],
  ['a PAX size with a NUL', [tar(pax({ size: '1\0' }), file('a', 'x'))], noNumber],
  ['a PAX size in other digits', [tar(pax({ size: '١' }), file('a', 'x'))], noNumber],
  ['a PAX size of nothing', [tar(pax({ size: '' }), file('a', 'x'))], noNumber],
  ['a PAX size beyond 2^53', [tar(pax({ size: '9'.repeat(16) }), file('a'))], noNumber],
  ['a PAX size of 400 digits', [tar(pax({ size: '9'.repeat(400) }), file('a'))], noNumber],
  ['a PAX size of 9 GiB', [tar(pax({ size: String(9 * 1024 ** 3) }), file('a'))], /more than 8589934592 bytes/],
  ['a PAX size that ends before the content', [tar(pax({ size: '0' }), file('a', 'x'))], noTar],
  ['a PAX size that goes beyond the archive', [tar(pax({ size: '9999' }), file('a', 'x'))], /before the end of a file/],
])

const records = inLayers([
  ['a PAX record that is too long', [tar(meta('x', '99 path=a\n'), file('a'))], malformed],
  ['a PAX record that is too short', [tar(meta('x', '5 path=a\n'), file('a'))], malformed],
  ['a PAX record without length', [tar(meta('x', 'path=a\n'), file('a'))], malformed],
  ['a PAX record of length 0', [tar(meta('x', '0 path=a\n'), file('a'))], malformed],
  ['a PAX record of a negative length', [tar(meta('x', '-9 path=a\n'), file('a'))], malformed],
  ['a PAX record of a length with a zero', [tar(meta('x', '010 path=a\n'), file('a'))], malformed],
  ['a PAX record of a length with a plus', [tar(meta('x', '+10 path=a\n'), file('a'))], malformed],
  ['a PAX record of a length in hex', [tar(meta('x', '0xa path=a\n'), file('a'))], malformed],
  ['a PAX record of a length of 30 digits', [tar(meta('x', `${'1'.repeat(30)} path=a\n`), file('a'))], malformed],
  ['a PAX record without key', [tar(meta('x', '5 =a\n'), file('a'))], malformed],
  ['a PAX record without =', [tar(meta('x', '9 patha a\n'), file('a'))], malformed],
  ['a PAX record without an end of line', [tar(meta('x', '9 path=ab'), file('a'))], malformed],
  ['a PAX record with a NUL in its key', [tar(meta('x', '10 pa\0h=a\n'), file('a'))], malformed],
  ['a PAX record with a key of 5,000 bytes', [tar(pax({ ['k'.repeat(5000)]: 'v' }), file('a'))], malformed],
  ['a PAX record and something behind it', [tar(meta('x', '9 path=a\nx'), file('a'))], malformed],
  ['a PAX record and NULs behind it', [tar(meta('x', '9 path=a\n\0\0\0'), file('a'))], malformed],
  [
    'two PAX headers for one entry',
    [tar(pax({ path: 'a' }), pax({ path: 'b' }), file('c'))],
    /two headers of one kind/,
  ],
  ['two long names for one entry', [tar(meta('L', 'a\0'), meta('L', 'b\0'), file('c'))], /two headers of one kind/],
  ['two long targets for one entry', [tar(meta('K', 'a\0'), meta('K', 'b\0'), link('c', 'd'))], /two headers of one/],
  ['a long name and another PAX name', [tar(meta('L', 'a\0'), pax({ path: 'b' }), file('c'))], /two different names/],
  ['a PAX name and another long name', [tar(pax({ path: 'b' }), meta('L', 'a\0'), file('c'))], /two different names/],
  [
    'a long link and another PAX link',
    [tar(meta('K', 'a\0'), pax({ linkpath: 'b' }), link('c', 'd'))],
    /two different targets/,
  ],
  ['a global name', [tar(pax({ path: 'b' }, 'g'), file('c'))], /global header that changes other entries/],
  ['a global target', [tar(pax({ linkpath: '/etc' }, 'g'), link('c', 'd'))], /global header that changes/],
  ['a global size', [tar(pax({ size: '512' }, 'g'), file('c'))], /global header that changes other entries/],
  ['a global hole', [tar(pax({ 'GNU.sparse.major': '1' }, 'g'), file('c'))], /sparse file/],
  [
    'global capabilities',
    [tar(pax({ 'SCHILY.xattr.security.capability': '\u0001' }, 'g'), file('c'))],
    /global header that changes/,
  ],
  ...['x', 'g', 'L', 'K'].map((type): [string, Buffer[], RegExp] => [
    `a header of type ${type} of 2 MiB (CVE-2022-2879)`,
    [tar(meta(type, record(2 * 1024 ** 2)), file('a'))],
    /header larger than 1 MiB/,
  ]),
  [
    'an announced header of 8 GiB',
    [tar(header({ name: 'a', type: 'L', size: base256(8 * 1024 ** 3) }))],
    /header larger than 1 MiB/,
  ],
  [
    'a header of a negative size',
    [tar(header({ name: 'a', type: 'x', patch: { 124: filled(0xff) } }))],
    /negative size/,
  ],
  ...['x', 'L', 'K'].map((type): [string, Buffer[], RegExp] => [
    `a header of type ${type} at the end`,
    [tar(type === 'x' ? pax({ path: 'a' }) : meta(type, 'a\0'))],
    /ends after an extended header/,
  ]),
])

const text = (content: string | Buffer) => Buffer.concat([Buffer.from(content as string), Buffer.alloc(2048, 'x')])
const many = Buffer.concat([file('a', 'x'), Buffer.alloc(9000)])

const ends = inLayers([
  ...Object.entries({
    text: 'no tar',
    'a page of an error': '<!DOCTYPE html><title>502</title>',
    JSON: '{"errors":[]}',
    'a zip': 'PK\u0003\u0004',
    'a program': '\u007fELF',
    'a cpio archive': '070701',
    'a Debian package': '!<arch>\ndebian-binary',
    xz: Buffer.from('fd377a585a00', 'hex'),
    bzip2: 'BZh9',
    lz4: Buffer.from('04224d18', 'hex'),
    'the zlib format': Buffer.from('789c', 'hex'),
    'zstd of before version 1': Buffer.from('27b52ffd', 'hex'),
  }).map(([what, content]): [string, Buffer[], RegExp] => [`${what} instead of a tar`, [text(content)], noTar]),
  ['text inside gzip', [gzipSync(Buffer.alloc(2048, 'no tar'))], noTar],
  ['gzip inside gzip', [gzipSync(text(gzipSync(tar(file('a')))))], noTar],
  ['a few bytes', [Buffer.from('x')], /ends in the middle of a header/],
  ['data after the end', [Buffer.concat([tar(file('a')), file('b')])], /data after the end/],
  ['an archive after the end', [Buffer.concat([tar(file('a')), tar(file('b'))])], /data after the end/],
  [
    'an archive after very many zeros',
    [Buffer.concat([tar(file('a')), Buffer.alloc(1024 ** 2), file('b')])],
    /data aft/,
  ],
  ['one byte after the end', [Buffer.concat([tar(file('a')), Buffer.from('x')])], /data after the end/],
  ['one byte in the second block of zeros', [many.with(1024 + 600, 1)].map(Buffer.from), /data after the end/],
  ['one byte far behind', [Buffer.from(many.with(-1, 1))], /data after the end/],
  [
    'a block of zeros in the middle',
    [Buffer.concat([file('a'), Buffer.alloc(512), file('b'), end])],
    /data after the end/,
  ],
  ['a block of zeros at the beginning', [Buffer.concat([Buffer.alloc(512), file('b'), end])], /data after the end/],
  ['an end in a header', [file('a').subarray(0, 300)], /ends in the middle of a header/],
  ['an end after a byte', [Buffer.concat([file('a', 'x'), Buffer.from('b')])], /ends in the middle of a header/],
  ['an end in a file', [file('a', 'x'.repeat(2000)).subarray(0, 1500)], /ends 1012 bytes before the end of a file/],
  ['an end before a file', [file('a', 'x'.repeat(2000)).subarray(0, 512)], /ends 2000 bytes before the end of a file/],
  ['an end in the padding', [file('a', 'x').subarray(0, 700)], /ends in the middle of a block/],
  ['an end in a PAX header', [pax({ path: 'a'.repeat(200) }).subarray(0, 600)], /ends in the middle of a header/],
  ['an end in a long name', [meta('L', 'a'.repeat(200)).subarray(0, 600)], /ends in the middle of a header/],
  ['content that is a header, beyond its size', [tar(header({ name: 'a', size: 0 }), padded('x'))], noTar],
  ['a directory that hides a file', [tar(directory('d'), padded('x'), file('b'))], noTar],
])

function sumOf(name: string): number {
  return Number.parseInt(header({ name }).toString('latin1', 148, 154), 8)
}

export const archives = [...numbers, ...records, ...ends]
