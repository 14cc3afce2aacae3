import type { Found } from './finding.ts'
import type { Rule } from './prove.ts'
import { modulesOf } from './rules-modules.ts'

/** Labels by which builders tell the Postgres of an image: CloudNativePG, pglayers. */
const majors = ['io.cloudnativepg.image.base.pgmajor', 'io.pglayers.pg.major']
/** And the version that its control files should have. */
const versions = ['io.cloudnativepg.image.sql.version']

/** A label that the bytes contradict is on an image that was built from something else than its builder thought. */
export const labelRules: Rule = function* ({ extension: { facts, labels = {} } }) {
  const said = new Map(Object.entries(labels))
  const found = new Set(modulesOf(facts).map(({ magic }) => String(magic?.major)))
  for (const label of majors) {
    const value = said.get(label)
    if (value !== undefined && found.size > 0 && !found.has(value))
      yield contradiction(label, value, `its modules are built for Postgres ${[...found].join(', ')}`)
  }
  const defaults = Object.values(facts.extensions).flatMap(({ control }) => control.defaultVersion ?? [])
  for (const label of versions) {
    const value = said.get(label)
    if (value !== undefined && defaults.length > 0 && !defaults.includes(value))
      yield contradiction(label, value, `its control files say ${defaults.join(', ')}`)
  }
}

function contradiction(label: string, value: string, bytes: string): Found {
  return {
    ...{ severity: 'error', rule: 'label-contradiction', subject: label, fact: `the label ${label} says ${value}` },
    ...{ against: bytes, advice: 'ask whoever built the image, or choose another one' },
  }
}
