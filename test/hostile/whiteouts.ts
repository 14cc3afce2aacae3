import { device, directory, file, hardlink, link, meta, pax, tar } from '../support/tar.ts'
import { inLayers } from './shape.ts'

const nothing = /whiteout of nothing/
const named = /name of a whiteout/
const twice = /is there twice/

const marks = inLayers([
  ['a whiteout of nothing', [tar(file('.wh.'))], nothing],
  ['a whiteout of nothing, below', [tar(file('etc/.wh.'))], nothing],
  ['a whiteout of .', [tar(file('etc/.wh..'))], nothing],
  ['a whiteout of .. (umoci 0.4 removed the root)', [tar(file('etc/.wh...'))], nothing],
  ['a whiteout of .. at the top', [tar(file('.wh...'))], nothing],
  ['a whiteout of a whiteout', [tar(file('.wh..wh.x'))], nothing],
  ["aufs' own files", [tar(file('.wh..wh.aufs'))], nothing],
  ["aufs' own orphans", [tar(directory('.wh..wh.orph'))], /whiteout/],
  ["aufs' own links", [tar(file('.wh..wh.plnk/123.456'))], named],
  ['a mark that is nearly opaque', [tar(file('d/.wh..wh..opq2'))], nothing],
  ['a whiteout of .. by a PAX name', [tar(pax({ path: 'd/.wh...' }), file('a'))], nothing],
  ['a whiteout of .. by a GNU long name', [tar(meta('L', 'd/.wh...\0'), file('a'))], nothing],
  ['a whiteout of .. that is a link', [tar(link('.wh...', 'x'))], nothing],
  ['a file below a whiteout', [tar(file('.wh.d/x'))], named],
  ['a file deep below a whiteout', [tar(file('a/.wh.d/b/c'))], named],
  ['a directory below a whiteout', [tar(directory('.wh.d/x'))], named],
  ['a hardlink below a whiteout', [tar(file('a'), hardlink('.wh.d/x', 'a'))], named],
  ['a whiteout below a whiteout', [tar(file('.wh.d/.wh.x'))], named],
  ['an opaque mark below a whiteout', [tar(file('.wh.d/.wh..wh..opq'))], named],
  ['a file below an opaque mark', [tar(file('.wh..wh..opq/x'))], named],
  ['a directory with the name of a whiteout', [tar(directory('.wh.d'))], named],
  ['a directory with the name of an opaque mark', [tar(directory('d/.wh..wh..opq/'))], named],
  ['a whiteout that climbs', [tar(file('../.wh.x'))], /leaves the root/],
  ['a whiteout that climbs in its middle', [tar(file('a/../../.wh.x'))], /leaves the root/],
  ['an opaque mark that climbs', [tar(file('../.wh..wh..opq'))], /leaves the root/],
  ['a whiteout of two slashes', [tar(file('//.wh.etc'))], /is absolute/],
  ['a whiteout with a newline', [tar(file('.wh.a\nb'))], /control characters/],
  ['a whiteout of 260 bytes', [tar(pax({ path: `.wh.${'n'.repeat(256)}` }), file('a'))], /longer than 255 bytes/],
  ['two whiteouts of a path', [tar(file('.wh.x'), file('.wh.x'))], twice],
  ['two whiteouts of a path, in other letters', [tar(file('d/.wh.x'), file('./d//.wh.x'))], twice],
  ['two opaque marks', [tar(file('d/.wh..wh..opq'), file('d/.wh..wh..opq'))], twice],
])

const duplicates = inLayers([
  ['a file twice', [tar(file('a', '1'), file('a', '2'))], /"a" is there twice/],
  ['a file twice, the same', [tar(file('a', '1'), file('a', '1'))], twice],
  ['a file twice by other spellings', [tar(file('a/b'), file('./a//b'))], twice],
  ['a file twice by a slash at its end', [tar(file('a', 'x'), directory('a/'))], twice],
  ['a file twice by its PAX name', [tar(file('a', '1'), pax({ path: 'a' }), file('b', '2'))], twice],
  ['a file twice by its GNU long name', [tar(file('a', '1'), meta('L', 'a\0'), file('b', '2'))], twice],
  ['a file and then a directory', [tar(file('a'), directory('a'))], twice],
  ['a directory and then a file', [tar(directory('a'), file('a'))], twice],
  ['a link twice', [tar(link('a', 'b'), link('a', 'c'))], twice],
  ['a link and then a file (CVE-2018-20835)', [tar(link('a', '/etc/passwd'), file('a', 'x'))], twice],
  ['a hardlink twice', [tar(file('v'), hardlink('a', 'v'), hardlink('a', 'v'))], twice],
  ['a hardlink and then a file (CVE-2018-20834)', [tar(file('v', 'x'), hardlink('a', 'v'), file('a', 'y'))], twice],
  ['a file and then a hardlink over it', [tar(file('v', 'x'), file('a', 'y'), hardlink('a', 'v'))], twice],
  ['a directory and then a link (CVE-2021-32803)', [tar(directory('d'), link('d', '/etc'), file('d/x'))], twice],
  ['a directory and then a link, with a slash', [tar(directory('d/'), link('d/', '/etc'), file('d/x'))], twice],
  ['a link and then a directory', [tar(link('d', '/etc'), directory('d'))], twice],
  ['a file and then a device', [tar(file('a'), device('a'))], /twice|device/],
  [
    'a file twice by way of a link',
    [tar(link('l', 'd'), file('d/x', '1'), file('l/x', '2'))],
    /is there twice in a layer, by two names/,
  ],
  ['a file twice by way of an absolute link', [tar(link('l', '/d'), file('l/x', '1'), file('d/x', '2'))], /two names/],
  ['a file twice by way of a link below', [tar(link('l', 'd')), tar(file('d/x', '1'), file('l/x', '2'))], /two names/],
  ['a link over a directory that its layer filled', [tar(file('d/x'), link('d', '/etc'))], /two names/],
  ['a file over a directory with new content', [tar(file('d/x'), file('d'))], /is there twice|no directory/],
])

export const whiteouts = [...marks, ...duplicates]
