import { printable } from '../model/quote.ts'

const warning = /(?:^|,)\s*299\s+-\s+"((?:[^"\\]|\\.)*)"/g
/** Of one answer, and of the texts that are remembered. */
const maxWarnings = 10
const maxRemembered = 1000

/** What a registry wants its users to read: `299 - "text"` (distribution-spec, "Warnings"), in printable form. */
export function warningsIn(header: string | string[] | undefined): string[] {
  return [header ?? []]
    .flat()
    .flatMap((line) => [...line.slice(0, 8192).matchAll(warning)])
    .slice(0, maxWarnings)
    .map(([, text = '']) => printable(text.replace(/\\(.)/g, '$1')))
}

const told = new Set<string>()

/** Whether nobody in this process was told it yet. */
export function isNews(host: string, text: string): boolean {
  const key = `${host} ${text}`
  if (told.has(key) || told.size >= maxRemembered) return false
  told.add(key)
  return true
}
