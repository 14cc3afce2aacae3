import { directory, end, file, hardlink, header, link, meta, padded, pax, sum, tar } from '../support/tar.ts'
import { type LegalCase, legalLayers } from './shape.ts'

const one = sum('1')
const two = sum('2')
const empty = sum('')
const base256 = (value: number) => {
  const field = Buffer.alloc(12)
  field.writeUIntBE(value, 6, 6)
  field[0] = 0x80
  return field
}
const huge = { 108: Buffer.alloc(8, 0xff), 116: Buffer.from([0x80, 0, 0, 1, 0, 0, 0, 0]), 136: Buffer.alloc(12, 0xff) }

function signed(block: Buffer): Buffer {
  block.fill(' ', 148, 156)
  const total = block.reduce((all, byte) => all + (byte < 128 ? byte : byte - 256), 0)
  block.write(`${total.toString(8).padStart(6, '0')}\0 `, 148)
  return block
}
const long = `${'directory/'.repeat(15)}file`
const longTree = Array.from({ length: 15 }, (_, depth) => 'directory/'.repeat(depth + 1))

const names: LegalCase[] = [
  ['parents that no entry names', [tar(file('a/b/c', '1'))], ['a/', 'a/b/', `a/b/c = ${one}`]],
  ['./ before names, as tar writes them', [tar(directory('./'), file('./a', '1'))], [`a = ${one}`]],
  [
    'a slash before names, as ko and Kaniko write them',
    [
      tar(directory('/'), directory('/a/'), file('/a/b', '1'), pax({ path: '/c' }), file('x', '1')),
      tar(file('/a/.wh.b')),
    ],
    ['a/', `c = ${one}`],
  ],
  ['a slash at the end of a directory', [tar(directory('a/'))], ['a/']],
  ['a slash at the end of a file: a directory in the format of 1979', [tar(file('a/'))], ['a/']],
  ['the old format without a magic', [tar(header({ name: 'a', magic: '', type: '\0' }))], [`a = ${sum('')}`]],
  ['a contiguous file', [tar(header({ name: 'a', type: '7' }))], [`a = ${sum('')}`]],
  ['a name in POSIX prefix and name', [tar(header({ name: 'b', prefix: 'a' }))], ['a/', `a/b = ${sum('')}`]],
  ['no prefix in GNU format', [tar(header({ name: 'b', prefix: '1234', magic: 'ustar  \0' }))], [`b = ${sum('')}`]],
  ['a GNU long name', [tar(meta('L', `${long}\0`), file(long.slice(0, 100), '1'))], [...longTree, `${long} = ${one}`]],
  ['a PAX long name', [tar(pax({ path: long }), file(long.slice(0, 100), '1'))], [...longTree, `${long} = ${one}`]],
  ['a GNU long link', [tar(meta('K', `${long}\0`), link('l', ''))], [`l -> ${long}`]],
  ['a PAX long link', [tar(pax({ linkpath: long }), link('l', ''))], [`l -> ${long}`]],
  [
    'a PAX hardlink',
    [tar(pax({ path: long }), file('x', '1'), pax({ linkpath: long }), hardlink('l', 'x'))],
    [...longTree, `${long} = ${one}`, `l = ${one}`],
  ],
  ['a name of 100 bytes, without a NUL', [tar(file('n'.repeat(100), '1'))], [`${'n'.repeat(100)} = ${one}`]],
  ['names in UTF-8', [tar(file('Főtanúsítvány 😀', '1'))], [`Főtanúsítvány 😀 = ${one}`]],
  ["systemd's backslashes", [tar(file('a\\x2db.slice', '1'))], [`a\\x2db.slice = ${one}`]],
  ['two dots in a name', [tar(file('..a/b..', '1'))], ['..a/', `..a/b.. = ${one}`]],
  ['an empty PAX path, which takes it back', [tar(pax({ path: '' }), file('a', '1'))], [`a = ${one}`]],
  [
    'a PAX size that says what a header does not',
    [tar(pax({ size: '1' }), header({ name: 'a' }), padded('1'))],
    [`a = ${one}`],
  ],
  [
    'a PAX size that makes a header content (TARmageddon)',
    [tar(pax({ size: '512' }), header({ name: 'a' }), header({ name: '../evil' }), file('b', '1'))],
    [`a = ${sum(header({ name: '../evil' }).toString('latin1'))}`, `b = ${one}`],
  ],
  [
    'a PAX header of another entry than the next',
    [tar(pax({ path: 'a' }), file('x', '1'), file('b', '2'))],
    [`a = ${one}`, `b = ${two}`],
  ],
  [
    'a PAX path that is not its own long name',
    [tar(pax({ path: 'a' }), meta('L', 'a\0'), file('x', '1'))],
    [`a = ${one}`],
  ],
  ['a global comment, as git writes it', [tar(pax({ comment: '1f8b' }, 'g'), file('a', '1'))], [`a = ${one}`]],
  [
    'attributes that we do not carry',
    [tar(pax({ 'SCHILY.xattr.user.x': Buffer.from([0xff, 0]), mtime: '-1.5', uid: '4294967299' }), file('a', '1'))],
    [`a = ${one}`],
  ],
]

const dialects: LegalCase[] = [
  ['a drive letter, which is a name (CVE-2021-37713)', [tar(file('C:../x', '1'))], ['C:../', `C:../x = ${one}`]],
  ['backslashes that climb elsewhere', [tar(file('d\\..\\x', '1'))], [`d\\..\\x = ${one}`]],
  ['names that differ in case', [tar(file('A', '1'), file('a', '2'))], [`A = ${one}`, `a = ${two}`]],
  [
    'names that fold to one elsewhere (CVE-2026-23950)',
    [tar(file('straße', '1'), file('strasse', '2'))],
    [`straße = ${one}`, `strasse = ${two}`],
  ],
  [
    'one letter composed in two ways',
    [tar(file('\u00e9', '1'), file('e\u0301', '2'))],
    [`\u00e9 = ${one}`, `e\u0301 = ${two}`],
  ],
  [
    'a name that begins as a whiteout does not',
    [tar(file('.whx', '1'), file('a.wh.b', '1'))],
    [`.whx = ${one}`, `a.wh.b = ${one}`],
  ],
  [
    'a whiteout in capitals, which is none',
    [tar(file('a', '1')), tar(file('.WH.a', '2'))],
    [`.WH.a = ${two}`, `a = ${one}`],
  ],
  ['a name of three dots', [tar(file('...', '1'))], [`... = ${one}`]],
  ['a name of 255 bytes', [tar(pax({ path: 'n'.repeat(255) }), file('a', '1'))], [`${'n'.repeat(255)} = ${one}`]],
  ['a size of spaces', [tar(header({ name: 'a', patch: { 124: ' '.repeat(12) } }))], [`a = ${empty}`]],
  ['a size of NULs', [tar(header({ name: 'a', patch: { 124: Buffer.alloc(12) } }))], [`a = ${empty}`]],
  ['a size between spaces', [tar(header({ name: 'a', patch: { 124: '         1 \0' } }), padded('1'))], [`a = ${one}`]],
  ['a size in base 256', [tar(header({ name: 'a', patch: { 124: base256(1) } }), padded('1'))], [`a = ${one}`]],
  ['a mode with the bits of stat', [tar(header({ name: 'a', mode: 0o100755 }))], [`a* = ${empty}`]],
  ['a sticky file', [tar(file('a', '1', 0o1644))], [`a = ${one}`]],
  ['a directory that is setgid', [tar(header({ name: 'd', type: '5', mode: 0o2755 }))], ['d/']],
  ['a file that only its owner may run', [tar(file('a', '1', 0o700))], [`a* = ${one}`]],
  ['a file that nobody may read', [tar(file('a', '1', 0))], [`a = ${one}`]],
  ['a checksum of signed bytes, as old tools summed', [tar(signed(header({ name: 'é' })))], [`é = ${empty}`]],
  ['an owner and a time that are negative or huge', [tar(header({ name: 'a', patch: huge }))], [`a = ${empty}`]],
  [
    "star's header, whose prefix is shorter",
    [tar(header({ name: 'b', prefix: 'a', patch: { 476: '00000000000\0', 508: 'tar\0' } }))],
    ['a/', `a/b = ${empty}`],
  ],
  [
    'a name of 100 bytes and a prefix',
    [tar(header({ name: 'n'.repeat(100), prefix: 'a' }))],
    ['a/', `a/${'n'.repeat(100)} = ${empty}`],
  ],
  ['a long name with text behind its NUL', [tar(meta('L', 'a\0../evil'), file('x', '1'))], [`a = ${one}`]],
  ['a long name without a NUL', [tar(meta('L', 'a'), file('x', '1'))], [`a = ${one}`]],
  ['an extended header without records', [tar(meta('x', ''), file('a', '1'))], [`a = ${one}`]],
  [
    'a record twice, of which the last counts',
    [tar(meta('x', '9 path=b\n9 path=a\n'), file('x', '1'))],
    [`a = ${one}`],
  ],
  [
    'a record in an extended header that is taken back',
    [tar(meta('x', '9 path=b\n8 path=\n'), file('a', '1'))],
    [`a = ${one}`],
  ],
  [
    'a global header between an extended one and its entry',
    [tar(pax({ path: 'a' }), pax({ comment: 'x' }, 'g'), file('x', '1'))],
    [`a = ${one}`],
  ],
  ['a global header at the end', [tar(file('a', '1'), pax({ comment: 'x' }, 'g'))], [`a = ${one}`]],
  [
    "names' own names in the headers that say them",
    [tar(pax({ path: 'a' }), meta('L', 'a\0'), meta('K', 'b\0'), link('x', 'y'))],
    ['a -> b'],
  ],
  [
    'capabilities that are taken back',
    [tar(pax({ 'SCHILY.xattr.security.capability': '' }), file('a', '1'))],
    [`a = ${one}`],
  ],
  [
    'a label of SELinux',
    [tar(pax({ 'RHT.security.selinux': 'x', 'SCHILY.acl.access': 'y' }), file('a', '1'))],
    [`a = ${one}`],
  ],
  ['keys in capitals, which mean nothing', [tar(pax({ PATH: '../x', Size: '9' }), file('a', '1'))], [`a = ${one}`]],
]

const ends: LegalCase[] = [
  ['no bytes at all', [Buffer.alloc(0)], []],
  ['only an end', [end], []],
  ['no end, as umoci writes it', [file('a', '1')], [`a = ${one}`]],
  ['no padding and no end, as umoci writes it', [file('a', '1').subarray(0, 513)], [`a = ${one}`]],
  ['one block of zeros', [Buffer.concat([file('a', '1'), Buffer.alloc(512)])], [`a = ${one}`]],
  [
    'blocks of zeros after the end, as GNU tar writes them',
    [Buffer.concat([tar(file('a', '1')), Buffer.alloc(9000)])],
    [`a = ${one}`],
  ],
]

/** Odd ways to write a tar that mean one thing to every reader. */
export const legalArchives = { names: legalLayers(names), dialects: legalLayers(dialects), ends: legalLayers(ends) }
