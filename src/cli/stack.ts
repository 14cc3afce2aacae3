import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { z } from 'zod'
import { clusterOf } from '../engine/installed-image.ts'
import { lockedName } from '../engine/lock-file.ts'
import type { Entries } from '../engine/lock-set.ts'
import { type RepositoryArgument, repositorySchema, templateOf } from '../engine/repository.ts'
import { resourceTypes } from '../engine/resource.ts'
import { parseDigest } from '../model/digest.ts'
import { messageOf, ProviderError } from '../model/error.ts'
import { printable, quote } from '../model/quote.ts'
import { parseReference } from '../model/reference.ts'
import { parseSettings, type RegistrySettings } from '../oci/settings.ts'
import type { Target, Wanted } from '../postgres/offer.ts'
import { noSystem } from '../postgres/os-release.ts'

/** An image that a stack's state pins. */
export interface PinnedImage {
  /** `name@sha256:…`. */
  readonly image: string
  /** As the program wrote it. */
  readonly reference: string
  readonly platform: string
  /** How the program asked for it, when that was by name. */
  readonly asked?: AskedName
}

interface AskedName extends Wanted {
  readonly repository: RepositoryArgument
  readonly target: Target
  readonly chosen: string
}

const maxState = 512 * 1024 ** 2
const ours: readonly string[] = Object.values(resourceTypes)

// What else a state holds is not looked at.
const stateSchema = z.object({
  deployment: z.object({
    resources: z
      .array(z.object({ type: z.string(), delete: z.boolean().optional(), outputs: z.unknown().optional() }))
      .nullish(),
  }),
})
const outputsSchema = z.object({ image: z.string(), reference: z.string(), platform: z.string() })
const askedSchema = z.object({
  requested: z.object({ name: z.string(), version: z.string().optional(), prerelease: z.boolean().optional() }),
  repository: repositorySchema,
  version: z.string(),
  postgresMajor: z.int(),
  postgresVersion: z.string(),
  os: z.string().default(noSystem),
})

/**
 * The images in what `pulumi stack export` prints.
 *
 * @param name of the stack or file, for messages
 */
export function imagesInState(text: string, name: string): PinnedImage[] {
  const state = stateSchema.safeParse(parse(text))
  if (!state.success)
    throw new ProviderError('BAD_INPUT', `Cannot read ${quote(name)}: it is not what pulumi stack export prints`)
  const found = (state.data.deployment.resources ?? [])
    .filter((resource) => ours.includes(resource.type) && !resource.delete)
    .map(({ outputs }) => {
      const parsed = outputsSchema.safeParse(outputs)
      if (parsed.success) return { ...parsed.data, ...askedOf(outputs, parsed.data.platform) }
      const field = parsed.error.issues[0]?.path.join('.') || 'image'
      throw new ProviderError(
        'BAD_INPUT',
        `Cannot use ${quote(name)}: ${quote(field)} of one of its images is secret or missing; run pulumi up, or name the images themselves`,
      )
    })
  // Of a Postgres that packages have installed there is none.
  const images = found.filter(({ image }) => clusterOf(image) === undefined)
  if (images.length > 0) return images
  throw new ProviderError(
    'NOT_FOUND',
    `Cannot use ${quote(name)}: its state has no Distribution and no Extension; run pulumi up first, or name the images themselves`,
  )
}

function askedOf(outputs: unknown, platform: string): { asked?: AskedName } {
  const parsed = askedSchema.safeParse(outputs)
  if (!parsed.success) return {}
  const { requested, repository, version: chosen, postgresMajor: major, postgresVersion, os } = parsed.data
  return { asked: { ...requested, repository, chosen, target: { major, postgresVersion, os, platform } } }
}

interface Asking {
  readonly env: NodeJS.ProcessEnv
  readonly signal: AbortSignal
}

/** Secrets stay encrypted in it. */
export async function exportStack(name: string, options: Asking): Promise<string> {
  const answer = await askPulumi(['stack', 'export', '--stack', name], options)
  if ('said' in answer)
    throw new ProviderError(
      'BAD_INPUT',
      `Cannot export the stack ${quote(name)}: ${answer.said}; run this in the project's folder, or name the images themselves, with a tag`,
    )
  return answer.stdout
}

/**
 * The stack's own settings of registries, as its `up` has them; undefined where PGOCI_REGISTRIES takes their place, for whoever
 * has no key to the stack's secrets.
 */
export async function registriesOfStack(name: string, options: Asking): Promise<RegistrySettings | undefined> {
  if (options.env['PGOCI_REGISTRIES']) return undefined
  const answer = await askPulumi(['config', 'get', 'postgres-oci:registries', '--stack', name], options)
  if ('stdout' in answer) return parseSettings(answer.stdout)
  if (answer.said.includes('not found')) return {}
  throw new ProviderError(
    'BAD_INPUT',
    `Cannot read postgres-oci:registries of the stack ${quote(name)}: ${answer.said}; or set PGOCI_REGISTRIES in its place`,
  )
}

async function askPulumi(words: readonly string[], options: Asking): Promise<{ stdout: string } | { said: string }> {
  try {
    return await promisify(execFile)('pulumi', [...words, '--non-interactive'], { ...options, maxBuffer: maxState })
  } catch (error) {
    options.signal.throwIfAborted()
    const { code, stderr } = error as { code?: unknown; stderr?: string }
    if (code === 'ENOENT') return { said: 'there is no pulumi on the PATH' }
    return { said: printable(lastLine(stderr) || messageOf(error)) }
  }
}

function lastLine(text: string | undefined): string {
  return text?.trim().split('\n').at(-1) ?? ''
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Whether a JSON file is what `pulumi stack export` prints. */
export function isState(text: string): boolean {
  return stateSchema.safeParse(parse(text)).success
}

/** What a state pins, as a lock file has it. */
export function entriesOfState(text: string, name: string): Entries {
  const found: Entries = { names: [], images: [] }
  for (const { image, reference, platform, asked } of imagesInState(text, name)) {
    const digest = parseDigest(image.slice(image.lastIndexOf('@') + 1))
    const repository = asked && templateOf(asked.repository)
    if (asked && repository !== undefined) {
      const { target, chosen } = asked
      found.names.push(lockedName(asked, { repository, target, found: { version: chosen, reference, digest } }))
    } else if (asked === undefined && parseReference(reference).digest === undefined)
      found.images.push({ reference, platform, digest })
  }
  return found
}
