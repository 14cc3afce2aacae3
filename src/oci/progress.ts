import type { Log } from './environment.ts'

/** A download of an image that is being waited for. */
export interface Download {
  /** More bytes came; negative when they have to come again. */
  came(bytes: number): void
  /** It is there, from here or through another process. */
  done(): void
  /** It is over, done or not. */
  close(): void
}

interface Image {
  readonly since: number
  total: number
  done: number
  underway: number
  failed: boolean
  said: { readonly at: number; readonly done: number } | undefined
  timer: NodeJS.Timeout
}

const quiet = 5_000
const pause = 10_000

/**
 * Tells of downloads that last: one line for an image, not for each of its blobs, after five seconds, then every ten,
 * and at the end. Quick ones pass in silence.
 */
export function downloadProgress(log: Log): (image: string, size: number) => Download {
  const images = new Map<string, Image>()
  return (name, size) => {
    const image = images.get(name) ?? begin(name)
    images.set(name, image)
    image.total += size
    image.underway += 1
    let came = 0
    const count = (bytes: number) => {
      came += bytes
      image.done += bytes
    }
    return {
      came: count,
      done: () => count(size - came),
      close: () => {
        image.failed ||= came < size
        image.underway -= 1
        if (image.underway > 0) return
        images.delete(name)
        clearInterval(image.timer)
        if (image.said && !image.failed) log(ended(name, image))
      },
    }
  }

  function begin(name: string): Image {
    const since = performance.now()
    const image: Image = {
      since,
      total: 0,
      done: 0,
      underway: 0,
      failed: false,
      said: undefined,
      timer: setInterval(() => {
        const now = performance.now()
        if (now < (image.said ? image.said.at + pause : since + quiet)) return
        log(continuing(name, image, now))
        image.said = { at: now, done: image.done }
      }, 1_000).unref(),
    }
    return image
  }
}

function continuing(name: string, { total, done, since, said }: Image, now: number): string {
  if (done === 0) return `Downloading ${name}: still waiting for the first of ${megabytes(total)} MB`
  const fresh = said ?? { at: since, done: 0 }
  const percent = Math.min(99, Math.floor((done / total) * 100))
  return `Downloading ${name}: ${percent} % of ${megabytes(total)} MB, ${rate(done - fresh.done, now - fresh.at)}`
}

function ended(name: string, { total, since }: Image): string {
  const lasted = performance.now() - since
  return `Downloaded ${name}: ${megabytes(total)} MB in ${Math.round(lasted / 1000)} s, ${rate(total, lasted)}`
}

function rate(bytes: number, milliseconds: number): string {
  const speed = Math.max(0, bytes) / 1000 / milliseconds
  return `${speed < 10 ? speed.toFixed(1) : Math.round(speed)} MB/s`
}

function megabytes(bytes: number): string {
  return bytes < 10e6 ? (bytes / 1e6).toFixed(1) : String(Math.round(bytes / 1e6))
}
