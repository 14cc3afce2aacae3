import type { Readable } from 'node:stream'

/** A host that is silent for this long is asked; after `count` questions without a byte in return it is lost. */
export interface Keepalive {
  readonly milliseconds: number
  readonly count: number
}

/** Forty seconds in all. TCP itself may pause for half of them where packets of many hosts crowd one line. */
export const usualKeepalive: Keepalive = { milliseconds: 10_000, count: 3 }

/**
 * Tells when a host that is asked all the while has been silent for too long. Any byte is a sign of life, as it is for
 * OpenSSH: the answer itself stands behind all that was sent before its question, megabytes on a narrow line, and
 * meanwhile the host says again and again how much it has read.
 */
export function watchSilence(from: Readable, { milliseconds, count }: Keepalive, tell: (why: string) => void): void {
  let silentFor = 0
  from.on('data', () => {
    silentFor = 0
  })
  const timer = setInterval(() => {
    silentFor += 1
    if (silentFor > count) tell(`it has said nothing for ${(silentFor * milliseconds) / 1000} s`)
  }, milliseconds)
  from.once('close', () => clearInterval(timer))
}
