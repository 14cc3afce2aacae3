import { expect, test } from 'vitest'
import {
  describeTree,
  device,
  directory,
  end,
  file,
  hardlink,
  header,
  link,
  meta,
  padded,
  pax,
  sum,
  tar,
  treeOf,
} from '../support/tar.ts'

type Case = readonly [what: string, layers: readonly Buffer[], tree: readonly string[]]

const one = sum('1')
const two = sum('2')
const long = `${'directory/'.repeat(15)}file`
const longTree = Array.from({ length: 15 }, (_, depth) => 'directory/'.repeat(depth + 1))

const names: Case[] = [
  ['parents that no entry names', [tar(file('a/b/c', '1'))], ['a/', 'a/b/', `a/b/c = ${one}`]],
  ['./ before names, as tar writes them', [tar(directory('./'), file('./a', '1'))], [`a = ${one}`]],
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

const all = { names, ends, over, hardlinks, whiteouts }

for (const [group, cases] of Object.entries(all)) {
  test.each(cases)(`${group}: %s gives exactly that tree`, async (_, layers, tree) => {
    expect(describeTree(await treeOf(layers))).toEqual([...tree].sort())
  })
}

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
]

test.each(system)('an operating system: %s', async (_, layers, tree) => {
  expect(describeTree(await treeOf(layers, 'strip'))).toEqual([...tree].sort())
})

test('an operating system: a device elsewhere is refused', async () => {
  await expect(treeOf([tar(device('srv/disk'))], 'strip')).rejects.toThrow('is a device or a FIFO')
})
