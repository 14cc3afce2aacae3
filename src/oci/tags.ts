import { z } from 'zod'
import { ProviderError } from '../model/error.ts'
import { readBody } from './body.ts'
import { parseJson } from './json.ts'
import { nextPage } from './next-page.ts'
import type { Repository } from './repository.ts'
import { check } from './schema.ts'
import { maxDocument } from './source.ts'

/** What registries give at most for one request, if they give as many. */
const pageSize = 1000
/** One of 5,000 tags takes 5 requests, or 50 where a registry gives 100 at once. */
const maxPages = 500
const maxTags = 50_000

// The key may be missing, or null, where there are none.
const pageSchema = z.object({ tags: z.array(z.string().max(255)).max(maxTags).nullish() })

/**
 * All tags of a repository (distribution-spec, "Listing Tags"), page by page.
 *
 * @throws ProviderError LIMIT_EXCEEDED
 */
export async function listTags(
  repository: Repository,
  { signal }: { readonly signal: AbortSignal | undefined },
): Promise<readonly string[]> {
  const { name } = repository
  const found = new Set<string>()
  let next: string | URL | undefined = `tags/list?n=${pageSize}`
  for (let page = 0; next !== undefined; page += 1) {
    const answer = await repository.expect(next, { headers: { accept: 'application/json' }, signal })
    const body = parseJson(await readBody(answer, maxDocument, name), name)
    const before = found.size
    for (const tag of check(pageSchema, body, name).tags ?? []) found.add(tag)
    if (page >= maxPages || found.size > maxTags)
      throw new ProviderError(
        'LIMIT_EXCEEDED',
        `Cannot list the tags of ${name}: there are more than ${page >= maxPages ? `${maxPages} pages` : maxTags} of them; name the image with its tag, or use a catalog`,
      )
    // A registry that ignores where a page begins would send the first one for ever.
    next = found.size > before ? nextPage(answer, repository.origin) : undefined
  }
  return [...found]
}
