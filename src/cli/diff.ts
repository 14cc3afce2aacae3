import { type Asked, diffImages } from '../engine/diff.ts'
import { againArgument, asking, includeArgument, partOf } from './asked.ts'
import { diffMarkdown, diffText } from './diff-text.ts'
import { writeLines } from './output.ts'
import { platformArgument, platformHere } from './platform.ts'
import { Exit, type Verb } from './verb.ts'

const examples = `
Examples:
  pgoci diff ghcr.io/acme/pgvector:0.8.0 ghcr.io/acme/pgvector:0.8.1 --with docker.io/library/postgres:17-bookworm
  pgoci diff --markdown oci:./images:pg17.5 oci:./images:pg17.6 --with ghcr.io/acme/pgvector:0.8.1 > comment.md
  pgoci diff --json oci-archive:old.tar oci-archive:new.tar | jq -r .impact.kind

Exit codes, as of diff(1): 0, no file differs; 1, some do; 2, it could not be told, and why, or a wrong command line.`

interface Options {
  readonly platform: string
  readonly with?: readonly string[]
  readonly include?: readonly string[]
  readonly base?: readonly string[]
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
      againArgument,
    )
    .option(
      '--include <glob>',
      "only these files of both, as an extension's include takes them; may be given again",
      includeArgument,
    )
    .option(
      '--base <reference>',
      'a distribution that one of them was built on, as those of --with may be; may be given again',
      againArgument,
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

  const compare = async (old: string, now: string, options: Options) => {
    const { platform, with: others = [], include, base = [] } = options
    const asked = asking(terminal, platform)
    const all = async (texts: readonly string[]) => {
      const found: Asked[] = []
      for (const text of texts) found.push(await asked(text))
      return found
    }
    const company = { others: await all(others), bases: await all(base) }
    return diffImages(partOf(await asked(old), include), partOf(await asked(now), include), company)
  }
}
