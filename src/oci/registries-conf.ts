import { parse } from 'smol-toml'
import { z } from 'zod'
import { printable, quote } from '../model/quote.ts'
import { badFile } from './config-file.ts'

/** What a mirror may be asked for. */
export type Pull = 'all' | 'digest-only' | 'tag-only'

interface ConfiguredMirror {
  /** `host[:port][/path]`. */
  readonly location: string
  readonly insecure: boolean
  readonly pull: Pull
}

/** What one file, or all of them together, say. */
export interface RegistriesConf {
  readonly tables: readonly RegistryTable[]
  /** Where all registries' logins are looked up, in order; {@link authFiles} stands for the files of logins. */
  readonly helpers: readonly { readonly name: string; readonly file: string }[] | undefined
}

export const authFiles = 'containers-auth.json'

/** A `[[registry]]` table of a registries.conf. */
export interface RegistryTable {
  /** For messages. */
  readonly file: string
  readonly prefix: string
  /** `undefined` for wildcards that rewrite nothing. */
  readonly location: string | undefined
  readonly insecure: boolean
  readonly blocked: boolean
  readonly mirrors: readonly ConfiguredMirror[]
}

// As lenient as containers/image: what cannot be part of an image's name is met when an image wants it.
const place = z
  .string()
  .max(1024)
  .regex(/^(?!https?:\/\/)/, 'has a scheme; write host[:port][/path]')
  .overwrite((text) => text.replace(/\/+$/, ''))
const prefixSchema = place.regex(/^(?!\*\..*[/@:])/, 'has more than *.host, which is all that a wildcard can have')
const flag = z.boolean().default(false)

const mirrorSchema = z.object({
  location: place.min(1, 'is missing'),
  insecure: flag,
  'pull-from-mirror': z.enum(['all', 'digest-only', 'tag-only'], 'is not all, digest-only or tag-only').optional(),
  // A proxy that is told by a query which registry it stands for; without it, it may give another one's image.
  'namespace-proxy': z.string().optional(),
})

const registrySchema = z
  .object({
    prefix: prefixSchema.default(''),
    location: place.default(''),
    insecure: flag,
    blocked: flag,
    'mirror-by-digest-only': flag,
    mirror: z.array(mirrorSchema).max(100).default([]),
    'pull-from-mirror': z.undefined('is for mirrors').optional(),
  })
  .refine(({ prefix, location }) => location !== '' || prefix.startsWith('*.'), {
    path: ['location'],
    message: 'is missing',
  })
  .refine((one) => !one['mirror-by-digest-only'] || one.mirror.every((mirror) => !mirror['pull-from-mirror']), {
    path: ['mirror-by-digest-only'],
    message: 'contradicts a pull-from-mirror',
  })

const fileSchema = z.object({
  'credential-helpers': z.array(z.string().max(255)).max(100).optional(),
  registry: z.array(registrySchema).max(10_000).default([]),
  registries: z.undefined('is of version 1 of this format, which nobody reads any more; write [[registry]]').optional(),
})

/**
 * Reads a registries.conf of version 2 (containers-registries.conf.5), as far as it says where images are fetched.
 * What it says of short names is passed over, for a reference here means what it means to Docker. Of tables with the
 * same prefix the first counts.
 *
 * @throws ProviderError BAD_INPUT
 */
export function parseRegistriesConf(text: string, file: string): RegistriesConf {
  let value: unknown
  try {
    value = parse(text)
  } catch (error) {
    const { line } = error as { line?: unknown }
    throw badFile(file, typeof line === 'number' ? `line ${line} is no TOML` : 'it is no TOML')
  }
  const parsed = fileSchema.safeParse(value)
  if (!parsed.success) {
    const issue = parsed.error.issues[0]
    throw badFile(file, printable(`${issue?.path.join('.') || 'it'} ${issue?.message ?? 'is malformed'}`))
  }
  const tables = new Map<string, RegistryTable>()
  const places = new Map<string, string>()
  for (const one of parsed.data.registry) {
    const { location, insecure, blocked } = one
    const prefix = one.prefix || location
    const said = `${insecure} ${blocked}`
    // One place that is blocked or insecure by one table and not by another: nobody can tell what was meant.
    if ((places.get(location || prefix) ?? said) !== said)
      throw badFile(file, `tables of ${quote(location || prefix)} contradict each other in insecure or blocked`)
    places.set(location || prefix, said)
    const byDefault = one['mirror-by-digest-only'] ? 'digest-only' : 'all'
    const mirrors = one.mirror
      .filter((mirror) => !mirror['namespace-proxy'])
      .map((mirror) => ({
        location: mirror.location,
        insecure: mirror.insecure,
        pull: mirror['pull-from-mirror'] ?? byDefault,
      }))
    const table = { file, prefix, location: location || undefined, insecure, blocked, mirrors }
    if (!tables.has(prefix)) tables.set(prefix, table)
  }
  const helpers = parsed.data['credential-helpers']?.map((name) => ({ name, file }))
  return { tables: [...tables.values()], helpers }
}

/** The table with the longest prefix of a name, as `host[:port]/repository[:tag][@digest]`. */
export function tableFor(tables: readonly RegistryTable[], name: string): RegistryTable | undefined {
  const matching = tables.filter(({ prefix }) => restAfter(prefix, name) !== undefined)
  return matching.toSorted((a, b) => b.prefix.length - a.prefix.length)[0]
}

/** What follows a prefix in a name that has it. A host is whole only with its port. */
export function restAfter(prefix: string, name: string): string | undefined {
  if (prefix.startsWith('*.')) {
    const end = name.search(/[:/]/)
    const subdomain = end < 0 ? name : name.slice(0, end)
    return subdomain.endsWith(prefix.slice(1)) ? name.slice(subdomain.length) : undefined
  }
  if (!name.startsWith(prefix)) return undefined
  const rest = name.slice(prefix.length)
  return (prefix.includes('/') ? /^(?:$|[/:@])/ : /^(?:$|\/)/).test(rest) ? rest : undefined
}
