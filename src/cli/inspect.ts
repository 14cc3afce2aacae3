import { inspectImage, treeLines } from '../engine/inspect.ts'
import { ProviderError } from '../model/error.ts'
import { againArgument, asking, includeArgument, partOf } from './asked.ts'
import { inspectionText } from './inspect-text.ts'
import { writeLines } from './output.ts'
import { platformArgument, platformHere } from './platform.ts'
import type { Verb } from './verb.ts'

const examples = `
Examples:
  pgoci inspect docker.io/library/postgres:17-bookworm
  pgoci inspect --json --platform linux/arm64 ghcr.io/acme/pgvector:0.8.1 | jq .provides
  pgoci inspect --files --include 'usr/**/postgis*' docker.io/postgis/postgis:17-3.5
  pgoci inspect ghcr.io/acme/postgres-with-postgis:17 --base docker.io/library/postgres:17-bookworm
  pgoci inspect --json --files oci:./images:pg18 | tail -n +2 | jq -r 'select(.mode == "0555").path'

Exit codes: 0, an image that can be declared; 1, one that pulumi up would refuse, and why; 2, a wrong command line.`

interface Options {
  readonly platform: string
  readonly include?: readonly string[]
  readonly base?: readonly string[]
  readonly json?: true
  readonly files?: true
}

/** `pgoci inspect`: what we see in an image. */
export const inspect: Verb = (program, terminal) => {
  program
    .command('inspect')
    .summary('print what we see in an image')
    .description('Reads an image the way pulumi up does, every byte proven, and prints what it is.')
    .argument(
      '<reference>',
      'registry/repository[:tag][@digest], oci:DIR[:tag], oci-archive:FILE or docker-archive:FILE',
    )
    .option('--platform <platform>', 'of the host that it is for', platformArgument, platformHere())
    .option(
      '--include <glob>',
      "only these files of it, as an extension's include takes them; may be given again",
      includeArgument,
    )
    .option(
      '--base <reference>',
      'the distribution that it was built on, whose layers are left out; may be given again',
      againArgument,
    )
    .option('--json', 'print JSON (docs/schemas/inspect.json)')
    .option('--files', 'print the flattened tree too, one line of JSON an entry (docs/schemas/inspect-files.json)')
    .addHelpText('after', examples)
    .action(async (text: string, { platform, include, base = [], json, files }: Options) => {
      const { stdout } = terminal
      const asked = asking(terminal, platform)
      const { request } = partOf(await asked(text), include)
      const bases = await Promise.all(base.map(async (one) => (await asked(one)).request))
      const { inspection, tree } = await inspectImage(request, text, bases)
      if (!json) await writeLines(stdout, inspectionText(inspection))
      // With the tree, each line is a document.
      else await writeLines(stdout, [JSON.stringify(inspection, null, files ? undefined : 2)])
      if (files) await writeLines(stdout, jsonLines(treeLines(tree)))
      if (inspection.kind === 'unknown') throw new ProviderError('NOT_POSTGRES', inspection.why.join('\n'))
    })
}

function* jsonLines(values: Iterable<unknown>): Iterable<string> {
  for (const value of values) yield JSON.stringify(value)
}
