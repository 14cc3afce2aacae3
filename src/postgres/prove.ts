import type { ImageFacts } from './facts.ts'
import type { Finding, Found } from './finding.ts'
import { labelRules } from './rules-labels.ts'
import { libraryRules } from './rules-libraries.ts'
import { minorRules } from './rules-minors.ts'
import { moduleRules } from './rules-modules.ts'
import { scriptRules } from './rules-scripts.ts'

/** One image of an instance. */
export interface Party {
  /** Its member's name, for messages. */
  readonly name: string
  readonly facts: ImageFacts
  /** What the image's builder says of it. */
  readonly labels?: Readonly<Record<string, string>> | undefined
  /** Versions that databases may have of its extensions, because the former image had them. */
  readonly former?: Readonly<Record<string, string>> | undefined
}

export interface Marriage {
  readonly distribution: Party
  readonly extension: Party
  /** Others of the same instance, as far as they are known. */
  readonly others?: readonly Party[] | undefined
  /** Ids of errors that are taken on. */
  readonly overrides?: readonly string[] | undefined
}

export type Rule = (marriage: Marriage) => Iterable<Found>

const rules: readonly Rule[] = [moduleRules, libraryRules, scriptRules, labelRules, minorRules]
const severities = ['error', 'accepted', 'warning', 'note']

/**
 * All that speaks against an extension's image in a distribution, the gravest first. An override turns exactly the error
 * it names into an accepted one; one that names nothing is a warning, because it would wait for an error to come.
 */
export function prove(marriage: Marriage): Finding[] {
  const overrides = new Set(marriage.overrides)
  const member = marriage.extension.name
  const found = new Map<string, Finding>()
  for (const rule of rules) {
    for (const one of rule(marriage)) {
      const id = `${one.rule}:${one.subject}`
      const isAccepted = one.severity === 'error' && overrides.delete(id)
      if (!found.has(id)) found.set(id, { ...one, severity: isAccepted ? 'accepted' : one.severity, id, member })
    }
  }
  for (const id of overrides)
    found.set(`override:${id}`, {
      ...{ severity: 'warning', rule: 'override', subject: id, id: `override:${id}`, member },
      ...{ fact: `${id} is overridden`, against: 'there is no such error', advice: 'take it out of overrides' },
    })
  return [...found.values()].sort((a, b) => severities.indexOf(a.severity) - severities.indexOf(b.severity))
}
