import { device, directory, file, hardlink, header, link, pax, sum, tar } from '../support/tar.ts'
import { legalArchives } from './legal-archives.ts'
import { type LegalCase, legalLayers } from './shape.ts'

const chain = Array.from({ length: 255 }, (_, at) => link(`l${at}`, `l${at + 1}`))
const chainTree = Array.from({ length: 255 }, (_, at) => `l${at} -> l${at + 1}`)

const one = sum('1')
const two = sum('2')

const over: LegalCase[] = [
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

const breakouts: LegalCase[] = [
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

const hardlinks: LegalCase[] = [
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

const whiteouts: LegalCase[] = [
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

const system: LegalCase[] = [
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
  ...legalArchives,
  over: legalLayers(over),
  breakouts: legalLayers(breakouts),
  hardlinks: legalLayers(hardlinks),
  whiteouts: legalLayers(whiteouts),
  'operating system': legalLayers(system, 'strip'),
}
