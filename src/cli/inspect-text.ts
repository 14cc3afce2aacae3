import type { Inspection } from '../engine/inspection.ts'
import { bytesText } from '../model/size.ts'
import { columns } from './output.ts'

/** For people: what matters first, one fact a line. */
export function inspectionText(inspection: Inspection): string[] {
  const { kind, layers, platforms, platform, postgres, provides } = inspection
  const others = platforms.filter((one) => one !== platform)
  const optional = (name: string, value: string | undefined): [string, string[]] => [name, value ? [value] : []]
  return columns([
    ['image', [inspection.reference]],
    ['digest', [inspection.digest]],
    ['manifest', inspection.manifest === inspection.digest ? [] : [inspection.manifest]],
    ['platform', [others.length > 0 ? `${platform} (there are ${platforms.join(', ')})` : platform]],
    ['kind', [kind === 'unknown' ? 'neither distribution nor extension' : kind]],
    ['part', partLines(inspection)],
    // Of an unknown one, stderr says why.
    ['told by', kind === 'unknown' ? [] : inspection.why],
    optional('postgres', postgres && (postgres.version ?? String(postgres.major))),
    optional('mode', inspection.mode),
    optional('layout', inspection.layout),
    optional('libc', libcText(inspection.libc)),
    [
      'provides',
      Object.entries(provides).map(([name, { version, requires }]) => providedText(name, version, requires)),
    ],
    [
      'layers',
      layers.map(({ digest, size, mediaType }) => `${digest} ${bytesText(size).padStart(9)} ${short(mediaType)}`),
    ],
    ['content', [`${bytesText(inspection.bytes)} in ${inspection.entries} files, links and folders`]],
    ['labels', pairs(inspection.labels)],
    ['annotations', pairs(inspection.annotations)],
  ])
}

function partLines({ include = [], baseLayers }: Inspection): string[] {
  return baseLayers === undefined ? [...include] : [`what is above the ${baseLayers} layers of its base`]
}

function libcText(libc: Inspection['libc']): string | undefined {
  if (libc === undefined) return undefined
  if (libc.version !== undefined) return `${libc.kind} ${libc.version}`
  return libc.requires === undefined ? `needs ${libc.kind}` : `needs ${libc.kind} ${libc.requires} or later`
}

function providedText(name: string, version: string, requires: readonly string[]): string {
  return [name, version, ...(requires.length > 0 ? [`(requires ${requires.join(', ')})`] : [])].join(' ')
}

/** `tar+gzip`, of Docker's and OCI's types alike. */
function short(mediaType: string): string {
  return mediaType.replace(/^.*\.(tar)(?:[.+](gzip|zstd))?$/, (_all, tar, by) => (by ? `${tar}+${by}` : tar))
}

function pairs(values: Readonly<Record<string, string>>): string[] {
  return Object.entries(values).map(([key, value]) => `${key} = ${value}`)
}
