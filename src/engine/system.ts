import { z } from 'zod'
import { fileBehind } from '../model/links.ts'
import { noSystem, readOsRelease } from '../postgres/os-release.ts'
import type { FlatImage } from './image.ts'

/** Real ones have half a kilobyte. */
const maxFile = 65_536

const systemSchema = z.object({ os: z.string() })

/** The operating system in an image: `bookworm`, `alpine3.20`, or {@link noSystem}. */
export async function systemOf(flat: FlatImage): Promise<string> {
  return (await flat.derived('system-v1', systemSchema, async () => ({ os: await readSystem(flat) }))).os
}

async function readSystem(flat: FlatImage): Promise<string> {
  // The first is mostly a link to the second, and has the last word (os-release(5)).
  for (const path of ['etc/os-release', 'usr/lib/os-release']) {
    const entry = fileBehind(flat.tree, path)?.entry
    if (entry === undefined || entry.size > maxFile) continue
    for await (const { bytes } of flat.read(new Set([entry.digest]))) {
      const os = readOsRelease(bytes.toString('utf8'))
      if (os !== undefined) return os
    }
  }
  return noSystem
}
