import { type Asked, diffImages } from '../engine/diff.ts'
import { parseReference } from '../model/reference.ts'
import { openSource } from '../oci/open.ts'
import { diffMarkdown, diffText } from './diff-text.ts'
import { writeLines } from './output.ts'
import { platformArgument, platformHere } from './platform.ts'
import { Exit, readingOf, type Verb } from './verb.ts'

const examples = `
Examples:
  pgoci diff ghcr.io/acme/pgvector:0.8.0 ghcr.io/acme/pgvector:0.8.1 --with docker.io/library/postgres:17-bookworm
  pgoci diff --markdown oci:./images:pg17.5 oci:./images:pg17.6 --with ghcr.io/acme/pgvector:0.8.1 > comment.md
  pgoci diff --json oci-archive:old.tar oci-archive:new.tar | jq -r .impact.kind

Exit codes, as of diff(1): 0, no file differs; 1, some do; 2, it could not be told, and why, or a wrong command line.`

interface Options {
  readonly platform: string
  readonly with?: readonly string[]
  readonly json?: true
  readonly markdown?: true
}

/** `pgoci diff`: what a change of image means, for who reviews it. */
export const diff: Verb = (program, terminal) => {
  program
    .command('diff')
    .summary('compare two images, for who reviews an update')
    .description(
      'Reads two images the way pulumi up does, every byte proven, and tells what going from one to the other is.',
    )
    .argument('<old>', 'registry/repository[:tag][@digest], oci:DIR[:tag], oci-archive:FILE or docker-archive:FILE')
    .argument('<new>', 'the same of the other')
    .option(
      '--with <reference>',
      'what it is declared with, to prove that they go together; may be given again',
      (text: string, former: readonly string[] = []) => [...former, text],
    )
    .option('--platform <platform>', 'of the host that it is for', platformArgument, platformHere())
    .option('--json', 'print JSON (docs/schemas/diff.json)')
    .option('--markdown', 'print a comment for a pull request')
    .addHelpText('after', examples)
    .action(async (old: string, now: string, options: Options) => {
      const found = await compare(old, now, options).catch((error: unknown) => {
        throw new Exit(2, { cause: error })
      })
      const { json, markdown } = options
      const lines = json ? [JSON.stringify(found, null, 2)] : markdown ? diffMarkdown(found) : diffText(found)
      await writeLines(terminal.stdout, lines)
      if (!found.isSame) throw new Exit(1)
    })

  const compare = async (old: string, now: string, { platform, with: others = [] }: Options) => {
    const { environment, cache } = readingOf(terminal)
    const { signal } = terminal
    const asked = async (text: string): Promise<Asked> => {
      const reference = parseReference(text)
      const source = openSource(reference, environment)
      const digest = reference.digest ?? (await source.resolve(reference.tag, { signal })).digest
      return { reference: text, request: { source, reference, digest, platform, cache, signal } }
    }
    const company: Asked[] = []
    for (const one of others) company.push(await asked(one))
    return diffImages(await asked(old), await asked(now), company)
  }
}
