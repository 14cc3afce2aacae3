import { beforeAll, describe, expect, test } from 'vitest'
import { temporaryFolder } from '../support/folder.ts'
import { whyNoRealHosts } from '../support/root-needs.ts'
import { casesOf, foreignCases, releases } from '../support/verdict-cases.ts'
import { VerdictServer } from '../support/verdict-server.ts'
import { type Case, type Verdict, verdictOf } from '../support/verdicts.ts'

const why = whyNoRealHosts()
const release = releases[15] as (typeof releases)[number]

// A sample of `npm run verdicts`: a real Postgres has the last word on what the proof says.
describe.skipIf(why)(`the proof and Postgres 15 agree${why ? ` (skipped: ${why})` : ''}`, () => {
  let server: VerdictServer
  let apt: VerdictServer
  let folder: string

  beforeAll(async () => {
    folder = temporaryFolder()
    server = await VerdictServer.start(folder, release)
    apt = await VerdictServer.start(temporaryFolder(), release, true)
  })

  async function told(cases: readonly Case[] | AsyncIterable<Case>, on = server): Promise<unknown[]> {
    const verdicts: Verdict[] = []
    for await (const one of cases) verdicts.push(await verdictOf(on, one))
    return verdicts.map(({ what, proof, rules, reality, wrong }) => [what, proof, rules.join(), reality, ...wrong])
  }

  test.each([
    ['postgresql-15-pgpcre', 'of which a library is missing', ['does not fit', 'missing-library', 'does not']],
    ['postgresql-15-cron', 'that is preloaded', ['fits', '', 'works']],
    ['postgresql-15-mysql-fdw', 'that opens a library by its name', ['fits', 'opened-library', 'does not']],
  ])('about %s, a package %s when it comes alone', async (name, _, alone) => {
    expect(await told(await casesOf(release, name, folder))).toEqual([
      ['with its dependencies', 'fits', '', 'works'],
      ['on its distribution', 'fits', '', 'works'],
      ['alone', ...alone],
    ])
  })

  test('about the Postgres of apt: what is preloaded, what SQL names without its folder, what the host has not got', async () => {
    const alone = async (name: string) => (await casesOf(release, name, folder)).filter(({ what }) => what === 'alone')
    expect([
      ...(await told(await alone('postgresql-15-cron'), apt)),
      ...(await told(await alone('postgresql-15-semver'), apt)),
      ...(await told(await alone('postgresql-15-pgpcre'), apt)),
    ]).toEqual([
      ['alone', 'fits', '', 'works'],
      ['alone', 'fits', '', 'works'],
      ['alone', 'does not fit', 'missing-library', 'does not'],
    ])
  })

  test.each(release.foreign.map((of) => [of.suite, of.architecture, of] as const))(
    'about a package of %s for %s, which does not belong',
    async (suite, architecture, of) => {
      const cases = foreignCases(release, of, (name) => name.endsWith('-semver'))
      const rule = of.major === release.major ? 'architecture' : 'postgres-major,symbol-version'
      expect(await told(cases)).toEqual([
        [`${suite}'s for ${of.major}, ${architecture}`, 'does not fit', rule, 'does not'],
      ])
    },
  )
})
