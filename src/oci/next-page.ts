import type { Answer } from './client.ts'

/** RFC 8288. Another origin's page is no part of the list: our login must not go there. */
export function nextPage(
  { headers: { link }, url }: Pick<Answer, 'headers' | 'url'>,
  { origin }: URL,
): URL | undefined {
  const [, target] =
    /<([^<>]{1,4096})>\s*;(?:[^,]*;)?\s*rel="?next"?\s*(?:[;,]|$)/i.exec([link ?? ''].flat().join()) ?? []
  if (target === undefined || !URL.canParse(target, url.href)) return undefined
  const next = new URL(target, url)
  return next.origin === origin ? next : undefined
}
