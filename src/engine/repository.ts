import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { z } from 'zod'
import { messageOf, ProviderError } from '../model/error.ts'
import { printable, quote } from '../model/quote.ts'
import { type ExtensionList, findList } from '../postgres/extension-list.ts'
import { findCatalogs, type ImageCatalog } from '../postgres/image-catalog.ts'
import { parseTemplate, type Template } from '../postgres/template.ts'

/** Loading it takes longer than most programs do, which have no YAML. */
const yaml = () => createRequire(import.meta.url)('yaml') as typeof import('yaml')

const maxFile = 16 * 1024 * 1024

const template = z.string().min(1).max(1024)
/** A file's path from the program's folder, or what is in it. */
const document = z.union([z.string().min(1).max(4096), z.record(z.string(), z.unknown())])

/** Where names become images: the argument `repository`. */
export const repositorySchema = z.union(
  [template, z.strictObject({ catalog: document }), z.strictObject({ index: document, image: template })],
  {
    error:
      'must be a template as in "registry.example.com/ext/{name}:{version}-pg{major}", or { catalog } of CloudNativePG, or { index, image } of StackGres',
  },
)

export type RepositoryArgument = z.infer<typeof repositorySchema>

/** The template of a repository; a catalog has none. */
export function templateOf(argument: RepositoryArgument): string | undefined {
  if (typeof argument === 'string') return argument
  return 'image' in argument ? argument.image : undefined
}

/** A repository, read as far as it lies on this machine. */
export type Repository =
  | { readonly kind: 'template'; readonly where: string; readonly template: Template }
  | { readonly kind: 'catalog'; readonly where: string; readonly catalogs: readonly ImageCatalog[] }
  | { readonly kind: 'index'; readonly where: string; readonly list: ExtensionList; readonly template: Template }

/** @throws ProviderError BAD_INPUT, NOT_FOUND */
export async function readRepository(argument: RepositoryArgument): Promise<Repository> {
  if (typeof argument === 'string') return { kind: 'template', where: argument, template: parseTemplate(argument) }
  if ('catalog' in argument) {
    const where = nameOf(argument.catalog, 'the catalog')
    const catalogs = findCatalogs(await documentsOf(argument.catalog))
    if (catalogs.length > 0) return { kind: 'catalog', where, catalogs }
    throw new ProviderError(
      'BAD_INPUT',
      `Cannot use ${where}: it holds no ImageCatalog and no ClusterImageCatalog of CloudNativePG; check the path`,
    )
  }
  const where = nameOf(argument.index, 'the index')
  const list = (await documentsOf(argument.index)).map(findList).find((one) => one !== undefined)
  if (list) return { kind: 'index', where, list, template: parseTemplate(argument.image) }
  throw new ProviderError(
    'BAD_INPUT',
    `Cannot use ${where}: it holds no index of a StackGres extensions repository; check the path`,
  )
}

function nameOf(document: string | object, name: string): string {
  return typeof document === 'string' ? `${name} ${quote(document)}` : name
}

async function documentsOf(document: string | object): Promise<unknown[]> {
  if (typeof document !== 'string') return [document]
  const text = await readFile(document, 'utf8').catch((error: unknown) => {
    throw new ProviderError(
      'NOT_FOUND',
      `Cannot read ${quote(document)}: ${printable(messageOf(error))}; relative paths start at the program's folder`,
    )
  })
  if (text.length > maxFile)
    throw new ProviderError('LIMIT_EXCEEDED', `Cannot read ${quote(document)}: it is larger than 16 MiB`)
  return parseDocuments(text, quote(document))
}

/**
 * Reads YAML, of which JSON is a part, with every scalar as the text that it is: `version: 3.10` is no 3.1.
 *
 * @param name for messages
 * @throws ProviderError BAD_INPUT
 */
export function parseDocuments(text: string, name: string): unknown[] {
  const read = yaml().parseAllDocuments(text, { schema: 'failsafe', logLevel: 'silent' })
  const documents = 'empty' in read ? [] : read
  try {
    return documents.map((one) => {
      const [error] = one.errors
      if (error) throw error
      return one.toJS({ maxAliasCount: 100 }) as unknown
    })
  } catch (error) {
    const [line = ''] = messageOf(error).split('\n')
    throw new ProviderError('BAD_INPUT', `Cannot read ${name}: it is no YAML (${printable(line.replace(/:$/, ''))})`)
  }
}
