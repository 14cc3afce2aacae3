import { device, directory, end, file, hardlink, header, link, meta, padded, pax, sum, tar } from '../support/tar.ts'
import { legalLayers } from './shape.ts'

const chain = Array.from({ length: 255 }, (_, at) => link(`l${at}`, `l${at + 1}`))
const chainTree = Array.from({ length: 255 }, (_, at) => `l${at} -> l${at + 1}`)

type Case = readonly [what: string, layers: readonly Buffer[], tree: readonly string[]]

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

const names: Case[] = [
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

const dialects: Case[] = [
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

const ends: Case[] = [
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

const over: Case[] = [
  ['a file over a file', [tar(file('a', '1')), tar(file('a', '2', 0o755))], [`a* = ${two}`]],
  [
    'a directory over a directory keeps what is in it',
    [tar(file('d/a', '1')), tar(directory('d'))],
    ['d/', `d/a = ${one}`],
  ],
  ['a directory twice in a layer', [tar(directory('d'), file('d/a', '1'), directory('d'))], ['d/', `d/a = ${one}`]],
  ['a file over a directory', [tar(file('d/a', '1')), tar(file('d', '2'))], [`d = ${two}`]],
  [
    'a directory over a link',
    [tar(file('r/a', '1'), link('l', 'r')), tar(directory('l'), file('l/b', '2'))],
    ['l/', `l/b = ${two}`, 'r/', `r/a = ${one}`],
  ],
  [
    'a file over a link leaves the target',
    [tar(file('r', '1'), link('l', 'r')), tar(file('l', '2'))],
    [`l = ${two}`, `r = ${one}`],
  ],
  ['a link over a directory', [tar(file('d/a', '1')), tar(link('d', 'x'))], ['d -> x']],
  [
    'a parent that is a link',
    [tar(directory('r'), link('l', 'r')), tar(file('l/a', '1'))],
    ['l -> r', 'r/', `r/a = ${one}`],
  ],
  [
    'a parent that is an absolute link, inside the root',
    [tar(link('l', '/r/s')), tar(file('l/a', '1'))],
    ['l -> /r/s', 'r/', 'r/s/', `r/s/a = ${one}`],
  ],
  [
    'merged /usr',
    [tar(directory('usr/lib'), link('lib', 'usr/lib')), tar(file('lib/a.so', '1'))],
    ['lib -> usr/lib', 'usr/', 'usr/lib/', `usr/lib/a.so = ${one}`],
  ],
  ['a link to nowhere', [tar(link('a', 'nowhere/at/all'))], ['a -> nowhere/at/all']],
  [
    'an absolute link, as update-alternatives makes them',
    [tar(link('a', '/etc/alternatives/a'))],
    ['a -> /etc/alternatives/a'],
  ],
  ['a link up to the root', [tar(link('a/b', '../c'))], ['a/', 'a/b -> ../c']],
]

const breakouts: Case[] = [
  [
    'an absolute link and a file through it, which stays inside (CVE-2014-9356)',
    [tar(link('x', '/etc'), file('x/passwd', '1'))],
    ['etc/', `etc/passwd = ${one}`, 'x -> /etc'],
  ],
  [
    'the same in another layer',
    [tar(link('x', '/etc')), tar(file('x/passwd', '1'))],
    ['etc/', `etc/passwd = ${one}`, 'x -> /etc'],
  ],
  [
    'a link through a link',
    [tar(link('a', 'b'), link('b', 'c'), file('a/x', '1'))],
    ['a -> b', 'b -> c', 'c/', `c/x = ${one}`],
  ],
  ['255 links on the way', [tar(...chain, file('l0/x', '1'))], [...chainTree, 'l255/', `l255/x = ${one}`]],
  [
    'a way up that stays inside',
    [tar(link('d/l', '../e'), file('d/l/x', '1'))],
    ['d/', 'd/l -> ../e', 'e/', `e/x = ${one}`],
  ],
  [
    'an opaque mark below a file, which hides nothing',
    [tar(file('a', '1')), tar(file('a/.wh..wh..opq'))],
    [`a = ${one}`],
  ],
  [
    'a whiteout below links in a circle',
    [tar(link('a', 'b'), link('b', 'a')), tar(file('a/.wh.x'))],
    ['a -> b', 'b -> a'],
  ],
  ['a whiteout of a name that is then a link', [tar(file('a', '1')), tar(file('.wh.a'), link('a', 'b'))], ['a -> b']],
  [
    'a whiteout of the way that it goes',
    [tar(file('d/e/a', '1')), tar(file('d/.wh.e'), file('d/e/b', '2'))],
    ['d/', 'd/e/', `d/e/b = ${two}`],
  ],
  [
    'a hardlink whose header says another mode',
    [tar(file('a', '1'), header({ name: 'b', type: '1', link: 'a', mode: 0o4755 }))],
    [`a = ${one}`, `b = ${one}`],
  ],
  ['a whiteout with content', [tar(file('a', '1')), tar(file('.wh.a', 'x'))], []],
  ['a device as a whiteout', [tar(file('a', '1')), tar(device('.wh.a'))], []],
]

const hardlinks: Case[] = [
  ['a hardlink in a layer', [tar(file('a', '1', 0o755), hardlink('b', 'a'))], [`a* = ${one}`, `b* = ${one}`]],
  ['a hardlink across layers', [tar(file('a', '1')), tar(hardlink('d/b', 'a'))], [`a = ${one}`, 'd/', `d/b = ${one}`]],
  [
    'a hardlink outlives its target',
    [tar(file('a', '1')), tar(hardlink('b', 'a')), tar(file('.wh.a'))],
    [`b = ${one}`],
  ],
  [
    'a hardlink keeps the old content',
    [tar(file('a', '1'), hardlink('b', 'a')), tar(file('a', '2'))],
    [`a = ${two}`, `b = ${one}`],
  ],
  [
    'a hardlink to a link is that link (CVE-2021-32760)',
    [tar(link('l', 'etc'), hardlink('h', 'l'))],
    ['h -> etc', 'l -> etc'],
  ],
  [
    'a hardlink over a file',
    [tar(file('a', '1'), file('b', '2')), tar(hardlink('b', 'a'))],
    [`a = ${one}`, `b = ${one}`],
  ],
  [
    'a hardlink through a linked directory',
    [tar(file('r/a', '1'), link('l', 'r'), hardlink('b', 'l/a'))],
    [`b = ${one}`, 'l -> r', 'r/', `r/a = ${one}`],
  ],
]

const whiteouts: Case[] = [
  ['a whiteout of a file', [tar(file('a', '1'), file('b', '2')), tar(file('.wh.a'))], [`b = ${two}`]],
  ['a whiteout of a directory', [tar(file('d/a', '1')), tar(file('.wh.d'))], []],
  ['a whiteout of what is not there', [tar(file('a', '1')), tar(file('x/.wh.y'))], [`a = ${one}`]],
  ['a whiteout before a file of its layer', [tar(file('a', '1')), tar(file('.wh.a'), file('a', '2'))], [`a = ${two}`]],
  ['a whiteout after a file of its layer', [tar(file('a', '1')), tar(file('a', '2'), file('.wh.a'))], [`a = ${two}`]],
  [
    'a whiteout of a directory after a file in it',
    [tar(file('d/a', '1')), tar(file('d/b', '2'), file('.wh.d'))],
    ['d/', `d/b = ${two}`],
  ],
  ['a whiteout of two layers below', [tar(file('a', '1')), tar(file('b', '1')), tar(file('.wh.a'))], [`b = ${one}`]],
  ['a file that comes back', [tar(file('a', '1')), tar(file('.wh.a')), tar(file('a', '2'))], [`a = ${two}`]],
  [
    'a whiteout through a linked directory',
    [tar(file('r/a', '1'), link('l', 'r')), tar(file('l/.wh.a'))],
    ['l -> r', 'r/'],
  ],
  [
    'a whiteout in a directory that replaces a link',
    [tar(file('r/a', '1'), link('l', 'r')), tar(directory('l'), file('l/.wh.a'))],
    ['l/', 'r/', `r/a = ${one}`],
  ],
  ['a whiteout that is a link', [tar(file('a', '1')), tar(link('.wh.a', 'x'))], []],
  [
    'an opaque directory',
    [tar(file('d/a', '1'), file('d/s/b', '1')), tar(directory('d'), file('d/.wh..wh..opq'), file('d/c', '2'))],
    ['d/', `d/c = ${two}`],
  ],
  [
    'an opaque mark after files of its layer',
    [tar(file('d/a', '1')), tar(file('d/c', '2'), file('d/s/e', '2'), file('d/.wh..wh..opq'))],
    ['d/', `d/c = ${two}`, 'd/s/', `d/s/e = ${two}`],
  ],
  ['an opaque root', [tar(file('a', '1')), tar(file('.wh..wh..opq'), file('b', '2'))], [`b = ${two}`]],
]

const system: Case[] = [
  [
    'devices and FIFOs below dev and run are left out',
    [tar(device('dev/null'), header({ name: 'run/initctl', type: '6' }), directory('dev/pts'))],
    ['dev/', 'dev/pts/'],
  ],
  [
    'setuid and file capabilities are lost',
    [tar(file('su', '1', 0o4755), pax({ 'SCHILY.xattr.security.capability': '\u0001' }), file('ping', '2', 0o755))],
    [`ping* = ${two}`, `su* = ${one}`],
  ],
  ['links that climb stay, as the root stops them', [tar(link('a', '../../etc'))], ['a -> ../../etc']],
  [
    'a file through a link that climbs stays inside (CVE-2025-45582)',
    [tar(link('x', '../victim')), tar(file('x/file', '1'))],
    ['victim/', `victim/file = ${one}`, 'x -> ../victim'],
  ],
]

export const legal = {
  names: legalLayers(names),
  dialects: legalLayers(dialects),
  ends: legalLayers(ends),
  over: legalLayers(over),
  breakouts: legalLayers(breakouts),
  hardlinks: legalLayers(hardlinks),
  whiteouts: legalLayers(whiteouts),
  'operating system': legalLayers(system, 'strip'),
}
