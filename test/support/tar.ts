import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import type { LayerEntry, Special } from '../../src/layer/entry.ts'
import { flatten } from '../../src/layer/flatten.ts'
import { readLayer } from '../../src/layer/read.ts'
import { digestOf } from '../../src/model/digest.ts'
import type { Tree } from '../../src/model/tree.ts'

/** A tar header as bytes, every field as the test wants it; nothing is checked, because tests want what is wrong. */
export interface RawHeader {
  readonly name: string | Buffer
  readonly type?: string
  readonly mode?: number
  readonly size?: number | Buffer
  readonly link?: string | Buffer
  readonly magic?: string
  readonly prefix?: string
  readonly checksum?: number
  /** Bytes that replace others, by where they start; the checksum counts them. */
  readonly patch?: Readonly<Record<number, string | Buffer>>
}

export function header(raw: RawHeader): Buffer {
  const block = Buffer.alloc(512)
  const put = (value: string | Buffer, at: number) => Buffer.from(value as string).copy(block, at)
  put(raw.name, 0)
  put((raw.mode ?? 0o644).toString(8).padStart(7, '0'), 100)
  put('0000000', 108)
  put('0000000', 116)
  const size = raw.size ?? 0
  put(Buffer.isBuffer(size) ? size : size.toString(8).padStart(11, '0'), 124)
  put('00000000000', 136)
  put(raw.type ?? '0', 156)
  put(raw.link ?? '', 157)
  put(raw.magic ?? 'ustar\u000000', 257)
  put(raw.prefix ?? '', 345)
  for (const [at, bytes] of Object.entries(raw.patch ?? {})) put(bytes, Number(at))
  block.fill(' ', 148, 156)
  const sum = raw.checksum ?? block.reduce((total, byte) => total + byte, 0)
  put(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
  return block
}

/** Content and its padding. */
export function padded(content: string | Buffer): Buffer {
  const bytes = Buffer.from(content as string)
  return Buffer.concat([bytes, Buffer.alloc((512 - (bytes.length % 512)) % 512)])
}

export function file(name: string | Buffer, content: string | Buffer = '', mode = 0o644): Buffer {
  return Buffer.concat([header({ name, mode, size: Buffer.byteLength(content as string) }), padded(content)])
}

export const directory = (name: string) => header({ name, type: '5', mode: 0o755 })
export const link = (name: string, target: string | Buffer) => header({ name, type: '2', link: target })
export const hardlink = (name: string, target: string) => header({ name, type: '1', link: target })
export const device = (name: string) => header({ name, type: '3' })

/** A header whose data says something of the next entry: `x`, `g`, `L`, `K`. */
export function meta(type: string, data: string | Buffer): Buffer {
  const bytes = Buffer.from(data as string)
  return Buffer.concat([header({ name: '././@meta', type, size: bytes.length }), padded(bytes)])
}

function record(key: string, value: string | Buffer): Buffer {
  const tail = Buffer.concat([Buffer.from(` ${key}=`), Buffer.from(value as string), Buffer.from('\n')])
  let length = tail.length + 1
  while (String(length).length + tail.length !== length) length += 1
  return Buffer.concat([Buffer.from(String(length)), tail])
}

export function pax(records: Readonly<Record<string, string | Buffer>>, type = 'x'): Buffer {
  return meta(type, Buffer.concat(Object.entries(records).map(([key, value]) => record(key, value))))
}

export const end = Buffer.alloc(1024)

/** A whole archive. */
export function tar(...parts: readonly Buffer[]): Buffer {
  return Buffer.concat([...parts, end])
}

/** In uneven pieces, so that no reader can rely on how bytes come. */
export function stream(bytes: Buffer, piece = 700): Readable {
  return Readable.from(
    (function* () {
      for (let at = 0; at < bytes.length; at += piece) yield bytes.subarray(at, at + piece)
    })(),
    { objectMode: false },
  )
}

function readTar(bytes: Buffer, special: Special = 'refuse'): Promise<LayerEntry[]> {
  return readLayer(stream(bytes), { diffId: digestOf(bytes), special })
}

/** The tree of a stack of layers. */
export async function treeOf(layers: readonly Buffer[], special: Special = 'refuse'): Promise<Tree> {
  const entries: LayerEntry[][] = []
  for (const layer of layers) entries.push(await readTar(layer, special))
  return flatten(entries, { special })
}

/** A tree as short text: `lib/`, `lib/a = sum`, `b -> a`; executable files with a star. */
export function describeTree(tree: Tree): string[] {
  return [...tree]
    .map(([path, entry]) => {
      if (entry.kind === 'directory') return `${path}/`
      if (entry.kind === 'link') return `${path} -> ${entry.target}`
      return `${path}${entry.executable ? '*' : ''} = ${entry.digest}`
    })
    .sort()
}

export const sum = (content: string) => `sha256:${createHash('sha256').update(content).digest('hex')}`
