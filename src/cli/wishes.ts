import { readFile } from 'node:fs/promises'
import type { Wish } from '../engine/collect.ts'
import { parseDigest } from '../model/digest.ts'
import { messageOf, ProviderError } from '../model/error.ts'
import { printable, quote } from '../model/quote.ts'
import { parseReference } from '../model/reference.ts'
import type { Environment } from '../oci/environment.ts'
import { openSource } from '../oci/open.ts'
import { exportStack, imagesInState, registriesOfStack } from './stack.ts'

interface WishOptions {
  /** Instead of those that the state has, or of all that an index has. */
  readonly platforms: readonly string[] | undefined
  readonly environment: Environment
  readonly signal: AbortSignal
}

/** What tells a reference from a stack's name: a transport, a tag, a digest, or a registry's host. */
const reference = /[:@]|^(?:[^/]*\.[^/]*|localhost)\//

/** What one argument of `pgoci bundle` asks for. */
export async function wishesOf(text: string, options: WishOptions): Promise<Wish[]> {
  const { environment, signal, platforms } = options
  const isState = text.endsWith('.json') && !/^[a-z-]+:/.test(text)
  if (!isState && reference.test(text)) {
    const parsed = parseReference(text)
    const source = openSource(parsed, environment)
    const digest = parsed.digest ?? (await source.resolve(parsed.tag, { signal })).digest
    return [{ source, reference: parsed, digest, platforms }]
  }
  const pulumi = { env: environment.env ?? process.env, signal }
  const state = isState ? await readState(text) : await exportStack(text, pulumi)
  const settings = isState ? undefined : await registriesOfStack(text, pulumi)
  const from = { ...environment, ...(settings ? { settings } : {}) }
  return imagesInState(state, text).map(({ image, reference: written, platform }) => {
    const pinned = parseReference(image)
    const parsed = parseReference(written)
    return {
      source: openSource(pinned, from),
      reference: parsed,
      digest: parseDigest(pinned.digest ?? ''),
      platforms: platforms ?? [platform],
    }
  })
}

async function readState(path: string): Promise<string> {
  return readFile(path, 'utf8').catch((error: unknown) => {
    throw new ProviderError('BAD_INPUT', `Cannot read ${quote(path)}: ${printable(messageOf(error))}`)
  })
}
