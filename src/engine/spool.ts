import { createHash } from 'node:crypto'
import { type FileHandle, mkdtemp, open, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { type Digest, digestFromHex } from '../model/digest.ts'
import { explained, makeFolder } from '../oci/files.ts'

/** Bytes that come once and are read by any number of readers, each at its own speed, also while they still come. */
export interface Spool {
  /** All of it, from the first byte. Waits for what has not come yet, and fails with what the source failed with. */
  read(): Readable
  /** Resolves when all of it is there. */
  readonly whole: Promise<{ readonly digest: Digest; readonly size: number }>
  /** No more will be read; the file goes when the last reader has ended. */
  close(): void
}

const chunkSize = 256 * 1024

/**
 * Begins to keep a stream in a file of `folder` that has no name, so that no crash leaves it behind. The source is read
 * as fast as it gives, whoever reads: a slow reader delays nobody.
 */
export async function spool(source: Readable, { folder }: { readonly folder: string }): Promise<Spool> {
  // It may fail before anybody reads it; who does then is told.
  source.on('error', () => {})
  const file = await unnamedFile(folder)
  let size = 0
  let state: { readonly ended: boolean; readonly error?: unknown } = { ended: false }
  let growth = Promise.withResolvers<void>()
  const tell = () => {
    growth.resolve()
    growth = Promise.withResolvers()
  }
  const fill = async () => {
    const hash = createHash('sha256')
    for await (const chunk of source as AsyncIterable<Buffer>) {
      hash.update(chunk)
      await writeAll(file, chunk, size).catch((error: unknown) => {
        throw explained(join(folder, 'pack'), error)
      })
      size += chunk.length
      tell()
    }
    return { digest: digestFromHex(hash.digest('hex')), size }
  }
  const whole = fill()
  whole
    .then(
      () => (state = { ended: true }),
      (error: unknown) => (state = { ended: true, error }),
    )
    .finally(tell)

  async function* chunks(): AsyncIterable<Buffer> {
    for (let at = 0; ; ) {
      const next = growth.promise
      // Before all else: the file of one that failed may be gone.
      if ('error' in state) throw state.error
      if (at < size) {
        const buffer = Buffer.allocUnsafe(Math.min(chunkSize, size - at))
        const { bytesRead } = await file.read(buffer, 0, buffer.length, at)
        at += bytesRead
        yield buffer.subarray(0, bytesRead)
      } else if (!state.ended) await next
      else return
    }
  }
  // The filling counts as one of those who use the file.
  let users = 1
  let isClosing = false
  const leave = () => {
    users -= 1
    if (isClosing && users === 0) file.close().catch(() => {})
  }
  whole.then(leave, leave)
  return {
    read: () => {
      users += 1
      return Readable.from(chunks(), { objectMode: false, highWaterMark: chunkSize }).once('close', leave)
    },
    whole,
    close: () => {
      isClosing = true
      users += 1
      leave()
    },
  }
}

async function unnamedFile(folder: string): Promise<FileHandle> {
  await makeFolder(folder)
  const parent = await mkdtemp(join(folder, 'pack-'))
  try {
    return await open(join(parent, 'pack'), 'wx+', 0o600)
  } finally {
    await rm(parent, { recursive: true })
  }
}

async function writeAll(file: FileHandle, chunk: Buffer, position: number): Promise<void> {
  for (let done = 0; done < chunk.length; )
    done += (await file.write(chunk, done, chunk.length - done, position + done)).bytesWritten
}
