import { directory, file, hardlink, header, link, meta, padded, pax, tar } from '../support/tar.ts'
import { inLayers, onlyExtension } from './shape.ts'

const gone = /which is no file before it/
const blocked = /below something that is no directory/
const climbing = /leaves the root through ".."/
const chain = (links: number) => Array.from({ length: links }, (_, at) => link(`l${at}`, `l${at + 1}`))

const hardlinks = inLayers([
  ['an absolute target (CVE-2026-23745)', [tar(hardlink('a', '/etc/passwd'))], /hardlink whose target is absolute/],
  ['an absolute target that climbs', [tar(hardlink('a', '/../a/target'))], /hardlink whose target is absolute/],
  ['a target of many slashes', [tar(hardlink('a', '////etc/passwd'))], /hardlink whose target is absolute/],
  ['an absolute target in PAX', [tar(pax({ linkpath: '/etc/passwd' }), hardlink('a', 'b'))], /target is absolute/],
  ['an absolute GNU long target', [tar(meta('K', '/etc/passwd\0'), hardlink('a', 'b'))], /target is absolute/],
  [
    'a target that climbs (CVE-2026-24842)',
    [tar(hardlink('a', '../../etc/passwd'))],
    /hardlink whose target leaves the root/,
  ],
  ['a target that climbs in its middle', [tar(hardlink('a', 'b/../../x'))], /target leaves the root/],
  ['a target that climbs in PAX', [tar(pax({ linkpath: '../x' }), hardlink('a', 'b'))], /target leaves the root/],
  [
    'a target beside the root, of the same beginning (CVE-2025-48387)',
    [tar(hardlink('a', '../root-evil/x'))],
    /target leaves the root/,
  ],
  ['a target with a newline', [tar(file('b'), hardlink('a', 'b\nc'))], /target holds control characters/],
  ['a PAX target with a NUL', [tar(file('b'), pax({ linkpath: 'b\0c' }), hardlink('a', 'b'))], /NUL/],
  ['a target of 300 bytes', [tar(pax({ linkpath: 'n'.repeat(300) }), hardlink('a', 'b'))], /target has a name longer/],
  ['a target without a name', [tar(hardlink('a', ''))], gone],
  ['a target that comes later', [tar(hardlink('a', 'b'), file('b'))], gone],
  ['a target that comes in a later layer', [tar(hardlink('a', 'b')), tar(file('b'))], gone],
  ['a target that never comes', [tar(hardlink('a', 'nowhere'))], gone],
  ['a directory', [tar(directory('d'), hardlink('a', 'd'))], gone],
  ['a directory that no entry names', [tar(file('d/x'), hardlink('a', 'd'))], gone],
  ['itself', [tar(file('a', 'x')), tar(hardlink('a', 'a'))], gone],
  ['itself in other letters', [tar(file('a', 'x')), tar(hardlink('a', './/a'))], gone],
  ['itself alone', [tar(hardlink('a', 'a'))], gone],
  ['each other', [tar(hardlink('a', 'b'), hardlink('b', 'a'))], gone],
  ['the root', [tar(hardlink('a', '.'))], gone],
  ['the root, from below', [tar(hardlink('d/a', './/'))], gone],
  ['what is whited out', [tar(file('b')), tar(file('.wh.b'), hardlink('a', 'b'))], gone],
  ['what an opaque mark hides', [tar(file('d/b')), tar(file('d/.wh..wh..opq'), hardlink('a', 'd/b'))], gone],
  ['what another kind replaced', [tar(file('b')), tar(directory('b')), tar(hardlink('a', 'b'))], gone],
  ['a whiteout', [tar(file('.wh.b'), hardlink('a', '.wh.b'))], gone],
  ['what lies below a file', [tar(file('b'), hardlink('a', 'b/c'))], gone],
  ['a way through a link out of the root', [tar(link('out', '/etc'), hardlink('a', 'out/passwd'))], gone],
  ['a way through links in a circle', [tar(link('p', 'q'), link('q', 'p'), hardlink('a', 'p/x'))], gone],
  [
    'links that only together climb (CVE-2026-26960)',
    [
      tar(
        directory('a/b/c'),
        link('a/b/c/up', '../..'),
        link('a/b/escape', 'c/up/../..'),
        hardlink('x', 'a/b/escape/etc/passwd'),
      ),
    ],
    gone,
  ],
]).map((one) => ({ ...one, what: `a hardlink to ${one.what}` }))

const symlinks = inLayers([
  ['a link to nothing', [tar(link('a', ''))], /link to nothing/],
  ['a PAX target with a NUL', [tar(pax({ linkpath: 'a\0b' }), link('a', 'b'))], /NUL/],
  ['a target of 5,000 bytes', [tar(pax({ linkpath: 'd/'.repeat(2500) }), link('a', 'b'))], /longer than 4095 bytes/],
  ['a GNU long target of 5,000 bytes', [tar(meta('K', `${'d/'.repeat(2500)}\0`), link('a', 'b'))], /longer than 4095/],
  ['links in a circle on the way', [tar(link('a', 'b'), link('b', 'a'), file('a/x'))], blocked],
  ['a link to itself on the way', [tar(link('a', 'a'), file('a/x'))], blocked],
  ['a link below itself on the way', [tar(link('a', 'a/b'), file('a/x'))], blocked],
  ['a chain of 256 links on the way', [tar(...chain(256), directory('l256'), file('l0/x'))], blocked],
  ['a link to a file on the way', [tar(file('f'), link('l', 'f'), file('l/x'))], blocked],
  ['a file below a file', [tar(file('a', 'x')), tar(file('a/b'))], blocked],
  ['a file below a file of its layer', [tar(file('a', 'x'), file('a/b'))], blocked],
  ['a file below a hardlink', [tar(file('a'), hardlink('h', 'a'), file('h/x'))], blocked],
  ['a directory below a file', [tar(file('a', 'x')), tar(directory('a/b'))], blocked],
  ['a link below a file', [tar(file('a', 'x')), tar(link('a/b', 'c'))], blocked],
  ['a link with content', [tar(header({ name: 'a', type: '2', link: 'b', size: 512 }), padded('x'))], /has content/],
  ['a link with content by PAX', [tar(pax({ size: '512' }), link('a', 'b'), padded('x'))], /has content/],
  [
    'a hardlink with content',
    [tar(file('b'), header({ name: 'a', type: '1', link: 'b', size: 1 }), padded('x'))],
    /is no file and has content/,
  ],
  ['a directory with content', [tar(header({ name: 'a', type: '5', size: 1 }), padded('x'))], /has content/],
  ['a directory of 1979 with content', [tar(file('a/', 'x'))], /has content/],
])

const bombs = inLayers(
  [
    [
      'links that lead through millions of directories',
      [
        tar(
          directory('d'),
          ...Array.from({ length: 200 }, (_, at) =>
            Buffer.concat([pax({ linkpath: `${'d/../'.repeat(800)}l${at + 1}` }), link(`l${at}`, '')]),
          ),
          directory('l200'),
          ...Array.from({ length: 400 }, (_, at) => directory(`l0/${at}`)),
        ),
      ],
      /lead through too many directories/,
    ],
  ],
  // It takes a second.
  onlyExtension,
)

/** The root of an operating system stops what climbs; an extension's new place does not. */
const climbs = inLayers(
  [
    ['a link that climbs out', [tar(link('a/b', '../../etc/passwd'))], climbing],
    ['a link that climbs out from the top', [tar(link('a', '..'))], climbing],
    ['a link that climbs out after ./', [tar(link('a', './../x'))], climbing],
    ['a link that climbs out in its middle', [tar(link('a/b', 'c/../../../x'))], climbing],
    ['a link that climbs out and comes back', [tar(link('a/b', '../../root/a/c'))], climbing],
    ['a link that climbs out by PAX', [tar(pax({ linkpath: '../x' }), link('a', 'b'))], climbing],
    ['a link that climbs out by a GNU long target', [tar(meta('K', '../x\0'), link('a', 'b'))], climbing],
    ['a hardlink to a link, moved up', [tar(link('a/b/l', '../../x'), hardlink('l', 'a/b/l'))], climbing],
    ['a file through a link that climbs (CVE-2021-21272)', [tar(link('x', '../victim'), file('x/file'))], climbing],
    [
      'a file of another layer through such a link (CVE-2025-45582)',
      [tar(link('x', '../victim')), tar(file('x/file'))],
      climbing,
    ],
  ],
  onlyExtension,
)

export const links = [...hardlinks, ...symlinks, ...bombs, ...climbs]
