import { device, file, header, padded, pax, tar } from '../support/tar.ts'
import { inLayers, onlyExtension } from './shape.ts'

const capability = Buffer.from([1, 0, 0, 2, 0xff])
const sparse: readonly (readonly [what: string, records: Readonly<Record<string, string>>])[] = [
  ['version 1.0 (CVE-2025-58183)', { 'GNU.sparse.major': '1', 'GNU.sparse.minor': '0', 'GNU.sparse.name': 'a' }],
  ['version 0.1', { 'GNU.sparse.map': '0,1', 'GNU.sparse.size': '9' }],
  ['version 0.0', { 'GNU.sparse.numblocks': '1', 'GNU.sparse.offset': '0', 'GNU.sparse.numbytes': '1' }],
  ['another size only', { 'GNU.sparse.realsize': '1000000' }],
  ['the size of star', { 'SCHILY.realsize': '1000000' }],
]
const types: readonly (readonly [type: string, says: RegExp])[] = [
  ['S', /is a sparse file/],
  ['M', /continues a file of another volume/],
  ['V', /is a volume label/],
  ['D', /is a dump directory/],
  ['N', /is a list of old long names/],
  ['X', /is a Solaris extended header/],
  ['A', /is a Solaris access list/],
  ['I', /unknown type "I"/],
  ['E', /unknown type "E"/],
  ['Z', /unknown type "Z"/],
  ['8', /unknown type "8"/],
  [' ', /unknown type " "/],
  ['\u0001', /unknown type/],
  ['\u001b', /unknown type "\\x1b"/],
  ['\u007f', /unknown type "\\x7f"/],
]

export const specials = [
  ...inLayers([
    ['a device', [tar(device('srv/sda'))], /is a device or a FIFO/],
    ['a block device', [tar(header({ name: 'sda', type: '4' }))], /is a device or a FIFO/],
    ['a FIFO', [tar(header({ name: 'pipe', type: '6' }))], /is a device or a FIFO/],
    ['a device beside dev', [tar(device('devices/sda'))], /is a device or a FIFO/],
    ['a device that is dev', [tar(device('dev'))], /is a device or a FIFO/],
    ['a device with content', [tar(header({ name: 'dev/sda', type: '3', size: 1 }), padded('x'))], /has content/],
    ['a device by way of a PAX name', [tar(pax({ path: 'etc/sda' }), device('dev/sda'))], /is a device or a FIFO/],
  ]),
  ...inLayers(
    sparse.map(([what, records]) => [`a sparse file of PAX, ${what}`, [tar(pax(records), file('a'))], /sparse/]),
  ),
  ...inLayers(
    types.map(([type, says]) => [`the type ${JSON.stringify(type)}`, [tar(header({ name: 'a', type }))], says]),
  ),
  ...inLayers(
    [
      ['a device in dev', [tar(device('dev/sda'))], /is a device or a FIFO/],
      ['setuid', [tar(file('su', 'x', 0o4755))], /"su" is setuid or setgid/],
      ['setgid', [tar(file('wall', 'x', 0o2755))], /is setuid or setgid/],
      ['setuid without a right to run', [tar(file('su', 'x', 0o4644))], /is setuid or setgid/],
      ['setuid among bits that are none of the mode', [tar(file('su', 'x', 0o104755))], /is setuid or setgid/],
      [
        'file capabilities',
        [tar(pax({ 'SCHILY.xattr.security.capability': capability }), file('ping'))],
        /capabilities/,
      ],
      [
        'file capabilities as libarchive writes them',
        [tar(pax({ 'LIBARCHIVE.xattr.security.capability': 'AQAAAg' }), file('ping'))],
        /file capabilities/,
      ],
    ],
    onlyExtension,
  ),
]
