import type { Point } from './attack.ts'

/** Where members of a tar begin, and where the last one ends. */
export function memberStarts(tar: Buffer): number[] {
  const starts: number[] = []
  for (let at = 0; at < tar.length; ) {
    starts.push(at)
    const size = Number.parseInt(tar.toString('latin1', at + 124, at + 135), 8) || 0
    at += 512 + Math.ceil(size / 512) * 512
  }
  return starts
}

/** The stream before the point. */
export function upTo(point: Point, stream: Buffer): Buffer {
  if ('share' in point) return stream.subarray(0, Math.floor(stream.length * point.share))
  if ('member' in point) return stream.subarray(0, memberStarts(stream)[point.member])
  throw new TypeError('The point is not in a stream')
}
