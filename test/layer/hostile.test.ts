import { expect, test } from 'vitest'
import { ProviderError } from '../../src/model/error.ts'
import { device, directory, end, file, hardlink, header, link, meta, padded, pax, tar, treeOf } from '../support/tar.ts'

type Case = readonly [what: string, layers: readonly Buffer[], says: RegExp]

const huge = (bytes: number[]) => Buffer.from([...bytes, ...Array<number>(12 - bytes.length).fill(0xff)])
const base256 = (value: number) => {
  const field = Buffer.alloc(12)
  field.writeUIntBE(value, 6, 6)
  field[0] = 0x80
  return field
}

const paths: Case[] = [
  ['an absolute name', [tar(file('/etc/passwd', 'x'))], /"\/etc\/passwd" is absolute/],
  ['a name of many slashes (CVE-2021-32804)', [tar(file('////etc/passwd'))], /is absolute/],
  ['a name that climbs', [tar(file('../../etc/passwd'))], /leaves the root/],
  ['a name that climbs in its middle', [tar(file('a/b/../../../etc/passwd'))], /leaves the root/],
  ['a name that is only ..', [tar(directory('..'))], /leaves the root/],
  ['an absolute name in a PAX header', [tar(pax({ path: '/etc/passwd' }), file('a'))], /is absolute/],
  ['a climbing name in a GNU long name', [tar(meta('L', '../../x\0'), file('a'))], /leaves the root/],
  ['a climbing prefix', [tar(header({ name: 'x', prefix: '../..' }))], /leaves the root/],
  ['a name with a newline', [tar(file('a\nb'))], /control characters/],
  ['a name with an escape sequence', [tar(file('a\u001b[2Jb'))], /"a\\x1b\[2Jb" holds control characters/],
  ['a name that is not UTF-8', [tar(file(Buffer.from([0x61, 0xff])))], /not UTF-8/],
  ['a PAX name that is not UTF-8', [tar(pax({ path: Buffer.from([0xc3, 0x28]) }), file('a'))], /not UTF-8/],
  ['a PAX name with a NUL', [tar(pax({ path: 'good\0/../evil' }), file('a'))], /NUL/],
  ['a name of 256 bytes', [tar(pax({ path: 'n'.repeat(256) }), file('a'))], /longer than 255 bytes/],
  [
    'a path of 5,000 bytes',
    [tar(pax({ path: `${'d'.repeat(199)}/`.repeat(25) }), file('a'))],
    /longer than 4095 bytes/,
  ],
  ['300 levels (CVE-2024-28863)', [tar(pax({ path: 'd/'.repeat(300) }), directory('a'))], /more than 256 levels/],
  [
    '300 levels made by a link',
    [
      tar(
        pax({ path: 'd/'.repeat(200) }),
        directory('a'),
        pax({ linkpath: 'd/'.repeat(200) }),
        link('l', ''),
        pax({ path: `l/${'e/'.repeat(200)}` }),
        directory('b'),
      ),
    ],
    /more than 256 levels/,
  ],
  ['a root that is a link (CVE-2021-29136)', [tar(link('.', '/tmp'), file('x'))], /is the root and no directory/],
  ['a root that is a hardlink', [tar(file('a'), hardlink('.', 'a'))], /is the root and no directory/],
]

const links: Case[] = [
  [
    'a hardlink to an absolute path (CVE-2026-23745)',
    [tar(hardlink('a', '/etc/passwd'))],
    /hardlink whose target is absolute/,
  ],
  [
    'a hardlink that climbs (CVE-2026-24842)',
    [tar(hardlink('a', '../../etc/passwd'))],
    /hardlink whose target leaves the root/,
  ],
  ['a hardlink to what comes later', [tar(hardlink('a', 'b'), file('b'))], /"b", which is no file before it/],
  ['a hardlink to a directory', [tar(directory('d'), hardlink('a', 'd'))], /which is no file before it/],
  ['a hardlink to itself', [tar(file('a', 'x')), tar(hardlink('a', 'a'))], /which is no file before it/],
  ['a hardlink to the root', [tar(hardlink('a', '.'))], /which is no file before it/],
  [
    'a hardlink to what is whited out',
    [tar(file('b')), tar(file('.wh.b'), hardlink('a', 'b'))],
    /which is no file before it/,
  ],
  [
    'a hardlink through a link out of the root',
    [tar(link('out', '/etc'), hardlink('a', 'out/passwd'))],
    /which is no file before it/,
  ],
  [
    'a hardlink by links that only together climb (CVE-2026-26960)',
    [
      tar(
        directory('a/b/c'),
        link('a/b/c/up', '../..'),
        link('a/b/escape', 'c/up/../..'),
        hardlink('x', 'a/b/escape/etc/passwd'),
      ),
    ],
    /which is no file before it/,
  ],
  ['a link that climbs out', [tar(link('a/b', '../../etc/passwd'))], /leaves the root through ".."/],
  ['a link that climbs out in its middle', [tar(link('a/b', 'c/../../../x'))], /leaves the root through ".."/],
  ['a link to nothing', [tar(link('a', ''))], /link to nothing/],
  ['a link with a newline', [tar(link('a', 'b\nc'))], /link with control characters/],
  ['a link whose target is not UTF-8', [tar(link('a', Buffer.from([0xff])))], /not UTF-8/],
  [
    'links in a circle on the way',
    [tar(link('a', 'b'), link('b', 'a'), file('a/x'))],
    /below something that is no directory/,
  ],
  ['a file below a file', [tar(file('a', 'x')), tar(file('a/b'))], /below something that is no directory/],
  [
    'a link with content',
    [tar(header({ name: 'a', type: '2', link: 'b', size: 512 }), padded('x'))],
    /is no file and has content/,
  ],
  [
    'a hardlink with content',
    [tar(file('b'), header({ name: 'a', type: '1', link: 'b', size: 1 }), padded('x'))],
    /is no file and has content/,
  ],
  [
    'a directory with content',
    [tar(header({ name: 'a', type: '5', size: 1 }), padded('x'))],
    /is no file and has content/,
  ],
]

const specials: Case[] = [
  ['a device', [tar(device('dev/sda'))], /is a device or a FIFO/],
  ['a block device', [tar(header({ name: 'sda', type: '4' }))], /is a device or a FIFO/],
  ['a FIFO', [tar(header({ name: 'pipe', type: '6' }))], /is a device or a FIFO/],
  ['setuid', [tar(file('su', 'x', 0o4755))], /"su" is setuid or setgid/],
  ['setgid', [tar(file('wall', 'x', 0o2755))], /is setuid or setgid/],
  [
    'file capabilities',
    [tar(pax({ 'SCHILY.xattr.security.capability': Buffer.from([1, 0, 0, 2, 0xff]) }), file('ping'))],
    /file capabilities/,
  ],
  [
    'file capabilities as libarchive writes them',
    [tar(pax({ 'LIBARCHIVE.xattr.security.capability': 'AQAAAg' }), file('ping'))],
    /file capabilities/,
  ],
  ['a GNU sparse file', [tar(header({ name: 'a', type: 'S' }))], /sparse file/],
  [
    'a PAX sparse file (CVE-2025-58183)',
    [tar(pax({ 'GNU.sparse.major': '1', 'GNU.sparse.name': 'a' }), file('a'))],
    /sparse file/,
  ],
  ['a volume label', [tar(header({ name: 'a', type: 'V' }))], /volume label/],
  ['a continued file', [tar(header({ name: 'a', type: 'M' }))], /another volume/],
  ['an unknown type', [tar(header({ name: 'a', type: 'Z' }))], /unknown type "Z"/],
]

const whiteouts: Case[] = [
  ['a whiteout of nothing', [tar(file('.wh.'))], /whiteout of nothing/],
  ['a whiteout of .', [tar(file('etc/.wh..'))], /whiteout of nothing/],
  ['a whiteout of .. (umoci 0.4 removed the root)', [tar(file('etc/.wh...'))], /whiteout of nothing/],
  ['a whiteout of a whiteout', [tar(file('.wh..wh.x'))], /whiteout of nothing/],
  ['a file below a whiteout', [tar(file('.wh.d/x'))], /name of a whiteout/],
  ['a whiteout below a whiteout', [tar(file('.wh.d/.wh.x'))], /name of a whiteout/],
  ['a whiteout that climbs', [tar(file('../.wh.x'))], /leaves the root/],
  ['two whiteouts of a path', [tar(file('.wh.x'), file('.wh.x'))], /is there twice/],
  ['two opaque marks', [tar(file('d/.wh..wh..opq'), file('d/.wh..wh..opq'))], /is there twice/],
]

const duplicates: Case[] = [
  ['a file twice', [tar(file('a', '1'), file('a', '2'))], /"a" is there twice/],
  ['a file twice by other spellings', [tar(file('a/b'), file('./a//b'))], /is there twice/],
  [
    'a hardlink and then a file (CVE-2018-20834)',
    [tar(file('v', 'x'), hardlink('a', 'v'), file('a', 'y'))],
    /is there twice/,
  ],
  [
    'a directory and then a link (CVE-2021-32803)',
    [tar(directory('d'), link('d', '/etc'), file('d/x'))],
    /is there twice/,
  ],
  ['a link and then a directory', [tar(link('d', '/etc'), directory('d'))], /is there twice/],
  [
    'a file twice by way of a link',
    [tar(link('l', 'd'), file('d/x', '1'), file('l/x', '2'))],
    /is there twice in a layer, by two names/,
  ],
  ['a file over a directory with new content', [tar(file('d/x'), file('d'))], /is there twice|no directory/],
]

const archives: Case[] = [
  ['text that is no tar', [Buffer.alloc(2048, 'no tar')], /no valid checksum/],
  ['a checksum that is wrong', [tar(header({ name: 'a', checksum: 1 }))], /no valid checksum/],
  [
    'a size that is no number',
    [tar(header({ name: 'a', size: Buffer.from('12x45678901') }))],
    /size that is no number/,
  ],
  ['a negative size', [tar(header({ name: 'a', size: huge([0xff]) }))], /negative size/],
  ['a size beyond 2^53', [tar(header({ name: 'a', size: huge([0x80]) }))], /size that is too large/],
  ['a PAX size that is negative', [tar(pax({ size: '-1' }), file('a'))], /size that is no number/],
  ['a PAX size beyond 2^53', [tar(pax({ size: '9'.repeat(16) }), file('a'))], /size that is no number/],
  ['a PAX record that is too long', [tar(meta('x', '99 path=a\n'), file('a'))], /malformed extended header/],
  ['a PAX record that is too short', [tar(meta('x', '5 path=a\n'), file('a'))], /malformed extended header/],
  ['a PAX record without length', [tar(meta('x', 'path=a\n'), file('a'))], /malformed extended header/],
  ['a PAX record of length 0', [tar(meta('x', '0 path=a\n'), file('a'))], /malformed extended header/],
  ['a PAX record without key', [tar(meta('x', '5 =a\n'), file('a'))], /malformed extended header/],
  [
    'two PAX headers for one entry',
    [tar(pax({ path: 'a' }), pax({ path: 'b' }), file('c'))],
    /two headers of one kind/,
  ],
  ['two long names for one entry', [tar(meta('L', 'a\0'), meta('L', 'b\0'), file('c'))], /two headers of one kind/],
  ['a long name and another PAX name', [tar(meta('L', 'a\0'), pax({ path: 'b' }), file('c'))], /two different names/],
  [
    'a long link and another PAX link',
    [tar(meta('K', 'a\0'), pax({ linkpath: 'b' }), link('c', 'd'))],
    /two different targets/,
  ],
  ['a global name', [tar(pax({ path: 'b' }, 'g'), file('c'))], /global header that changes other entries/],
  ['a global size', [tar(pax({ size: '512' }, 'g'), file('c'))], /global header that changes other entries/],
  [
    'a header of 2 MiB (CVE-2022-2879)',
    [tar(meta('x', record2(2 * 1024 ** 2)), file('a'))],
    /header larger than 1 MiB/,
  ],
  [
    'an announced header of 8 GiB',
    [tar(header({ name: 'a', type: 'L', size: base256(8 * 1024 ** 3) }))],
    /header larger than 1 MiB/,
  ],
  ['a PAX header at the end', [tar(pax({ path: 'a' }))], /ends after an extended header/],
  ['data after the end', [Buffer.concat([tar(file('a')), file('b')])], /data after the end/],
  [
    'a block of zeros in the middle',
    [Buffer.concat([file('a'), Buffer.alloc(512), file('b'), end])],
    /data after the end/,
  ],
  ['an end in a header', [file('a').subarray(0, 300)], /ends in the middle of a header/],
  ['an end in a file', [file('a', 'x'.repeat(2000)).subarray(0, 1500)], /ends 1012 bytes before the end of a file/],
  ['an end in the padding', [file('a', 'x').subarray(0, 700)], /ends in the middle of a block/],
  ['an end in a PAX header', [pax({ path: 'a'.repeat(200) }).subarray(0, 600)], /ends in the middle of a header/],
  [
    'a file of 9 GiB',
    [tar(header({ name: 'a', size: base256(9 * 1024 ** 3) }))],
    /files of more than 8589934592 bytes/,
  ],
]

function record2(size: number): string {
  return `${size} k=${'v'.repeat(size - String(size).length - 4)}\n`
}

const all = { paths, links, specials, whiteouts, duplicates, archives }

for (const [group, cases] of Object.entries(all)) {
  test.each(cases)(`${group}: %s is refused`, async (_, layers, says) => {
    const error = await treeOf(layers).then(
      (tree) => [...tree.keys()],
      (thrown: unknown) => thrown,
    )
    expect(error).toBeInstanceOf(ProviderError)
    const { message, code } = error as ProviderError
    expect(message).toMatch(says)
    expect(['LAYER_REFUSED', 'LIMIT_EXCEEDED', 'BAD_IMAGE']).toContain(code)
    // What could not be done, to what; what was found; what to do. On one line, with nothing of theirs unescaped.
    expect(message).toMatch(/^Cannot [a-z ]+: .*; [a-z].*[a-z]$/)
  })
}
