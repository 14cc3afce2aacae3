import { device, directory, file, hardlink, header, link, meta, pax, tar } from '../support/tar.ts'
import { inLayers } from './shape.ts'

const deep = (levels: number, name = 'd') => `${name}/`.repeat(levels)
const bytes = (...values: readonly number[]) => Buffer.from(values)

/** Sequences that are no UTF-8, and what lenient decoders make of them. */
const encodings: readonly (readonly [what: string, name: Buffer])[] = [
  ['a lone byte of Latin-1', bytes(0x63, 0x61, 0x66, 0xe9)],
  ['a lone continuation byte', bytes(0x61, 0x80)],
  ['a slash in two bytes', bytes(0x61, 0xc0, 0xaf, 0x62)],
  ['.. in four bytes', bytes(0xc0, 0xae, 0xc0, 0xae)],
  ['a NUL in two bytes', bytes(0x61, 0xc0, 0x80)],
  ['half of a surrogate pair', bytes(0x61, 0xed, 0xa0, 0x80)],
  ['a code point beyond Unicode', bytes(0x61, 0xf4, 0x90, 0x80, 0x80)],
  ['a character that is cut', bytes(0x61, 0xe2, 0x82)],
  ['the mark of UTF-16', bytes(0xff, 0xfe, 0x61)],
]

const controls: readonly (readonly [what: string, character: string])[] = [
  ['a newline', '\n'],
  ['a carriage return', '\r'],
  ['a tab, which separates the fields of manifests', '\t'],
  ['a bell', '\u0007'],
  ['a backspace', '\b'],
  ['a vertical tab', '\u000b'],
  ['an escape', '\u001b'],
  ['a delete', '\u007f'],
]

export const names = [
  ...inLayers([
    ['a name of many slashes (CVE-2021-32804)', [tar(file('////etc/passwd'))], /is absolute/],
    ['an absolute name that climbs', [tar(file('/../a/target'))], /leaves the root/],
    ['two slashes', [tar(directory('//etc/'))], /is absolute/],
    ['many slashes in a PAX header', [tar(pax({ path: '///etc/passwd' }), file('a'))], /is absolute/],
    ['a name that climbs', [tar(file('../../etc/passwd'))], /leaves the root/],
    ['a name that climbs after ./', [tar(file('./../etc/passwd'))], /leaves the root/],
    ['a name that climbs after slashes', [tar(file('a//..//../etc/passwd'))], /leaves the root/],
    ['a name that climbs in its middle', [tar(file('a/b/../../../etc/passwd'))], /leaves the root/],
    ['a name that goes up and stays inside', [tar(file('a/../b'))], /leaves the root/],
    ['a name that ends in ..', [tar(directory('a/..'))], /leaves the root/],
    ['a name that is only ..', [tar(directory('..'))], /leaves the root/],
    ['a directory that climbs', [tar(directory('../victim/'))], /leaves the root/],
    ['a link that lies outside', [tar(link('../victim', 'x'))], /leaves the root/],
    ['a hardlink that lies outside', [tar(file('a'), hardlink('../victim', 'a'))], /leaves the root/],
    ['a device that lies outside', [tar(device('../victim'))], /leaves the root/],
    ['a climbing name in a PAX header', [tar(pax({ path: '../../x' }), file('a'))], /leaves the root/],
    ['a climbing name in a GNU long name', [tar(meta('L', '../../x\0'), file('a'))], /leaves the root/],
    ['a climbing prefix', [tar(header({ name: 'x', prefix: '../..' }))], /leaves the root/],
    ['a prefix and a name that climb together', [tar(header({ name: './x', prefix: 'a/..' }))], /leaves the root/],
    [
      'the prefix of star that climbs',
      [tar(header({ name: 'x', prefix: '../..', patch: { 508: 'tar\0' } }))],
      /leaves/,
    ],
    ['an escape sequence', [tar(file('a\u001b[2Jb'))], /"a\\x1b\[2Jb" holds control characters/],
    ['the replacement character, which hides what was there', [tar(file('a\ufffd'))], /not UTF-8/],
    ['a PAX name that is not UTF-8', [tar(pax({ path: Buffer.from([0xc3, 0x28]) }), file('a'))], /not UTF-8/],
    ['a GNU long name that is not UTF-8', [tar(meta('L', bytes(0xff, 0)), file('a'))], /not UTF-8/],
    ['a prefix that is not UTF-8', [tar(header({ name: 'a', patch: { 345: bytes(0xff) } }))], /not UTF-8/],
    [
      'a name of other characters than UTF-8, which says so',
      [tar(pax({ hdrcharset: 'BINARY', path: bytes(0xe9) }), file('a'))],
      /not UTF-8/,
    ],
    ['a PAX name with a NUL', [tar(pax({ path: 'good\0/../evil' }), file('a'))], /NUL/],
    ['a PAX name that is a NUL', [tar(pax({ path: '\0' }), file('a'))], /NUL/],
    ['a PAX name with a newline', [tar(pax({ path: 'a\nb' }), file('a'))], /control characters/],
    ['a GNU long name with a newline', [tar(meta('L', 'a\nb\0'), file('a'))], /control characters/],
    ['a prefix with a newline', [tar(header({ name: 'a', prefix: 'b\nc' }))], /control characters/],
    ['a directory with a newline', [tar(directory('a\nb'))], /control characters/],
    ['a line that would forge a manifest', [tar(file('a\tf\t555\tdead\nb'))], /control characters/],
    ['a name of 256 bytes', [tar(pax({ path: 'n'.repeat(256) }), file('a'))], /longer than 255 bytes/],
    ['a name of 128 characters in 256 bytes', [tar(meta('L', `${'é'.repeat(128)}\0`), file('a'))], /longer than 255/],
    ['a directory of 256 bytes', [tar(pax({ path: `${'n'.repeat(256)}/a` }), file('a'))], /longer than 255 bytes/],
    ['a path of 5,000 bytes', [tar(pax({ path: deep(25, 'd'.repeat(199)) }), file('a'))], /longer than 4095 bytes/],
    ['a path of 4,096 bytes', [tar(pax({ path: `${deep(21, 'd'.repeat(194))}a` }), file('a'))], /longer than 4095/],
    ['300 levels (CVE-2024-28863)', [tar(pax({ path: deep(300) }), directory('a'))], /more than 256 levels/],
    ['257 levels', [tar(meta('L', `${deep(256)}f\0`), file('a'))], /more than 256 levels/],
    ['100,000 levels', [tar(pax({ path: deep(100_000) }), directory('a'))], /more than 256 levels/],
    [
      '300 levels made by a link',
      [
        tar(
          pax({ path: deep(200) }),
          directory('a'),
          pax({ linkpath: deep(200) }),
          link('l', ''),
          pax({ path: `l/${deep(200, 'e')}` }),
          directory('b'),
        ),
      ],
      /more than 256 levels/,
    ],
    ['a root that is a link (CVE-2021-29136)', [tar(link('.', '/tmp'), file('x'))], /is the root and no directory/],
    ['a root that is a link, with a slash', [tar(link('./', '/tmp'), file('x'))], /is the root and no directory/],
    ['a root that is a hardlink', [tar(file('a'), hardlink('.', 'a'))], /is the root and no directory/],
    ['a root that is a file', [tar(file('.', 'x'))], /is the root and no directory/],
    ['a root that is a device', [tar(device('./.'))], /is the root and no directory/],
    ['a file without a name', [tar(file('', 'x'))], /is the root and no directory/],
    ['a link without a name', [tar(link('', 'x'))], /is the root and no directory/],
    ['a GNU long name that is empty', [tar(meta('L', '\0'), file('a', 'x'))], /is the root and no directory/],
  ]),
  ...inLayers(encodings.map(([what, name]) => [`${what} in a name`, [tar(file(name))], /not UTF-8/])),
  ...inLayers(encodings.map(([what, name]) => [`${what} in a target`, [tar(link('a', name))], /not UTF-8/])),
  ...inLayers(controls.map(([what, one]) => [`${what} in a name`, [tar(file(`a${one}b`))], /control characters/])),
  ...inLayers(
    controls.map(([what, one]) => [`${what} in a target`, [tar(link('a', `b${one}`))], /control characters/]),
  ),
]
