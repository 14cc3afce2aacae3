import { resolve } from 'node:path'
import { z } from 'zod'
import { writeBundle } from '../engine/bundle.ts'
import type { Closure } from '../engine/closure.ts'
import { collect } from '../engine/collect.ts'
import { printable } from '../model/quote.ts'
import { bytesText } from '../model/size.ts'
import { bundleName } from '../oci/bundle.ts'
import { columns, writeLines } from './output.ts'
import { platformArgument } from './platform.ts'
import { readingOf, type Verb } from './verb.ts'
import { wishesOf } from './wishes.ts'

const examples = `
Something with a tag, a digest, a transport or a registry's host is a reference; a path that ends in .json is what
pulumi stack export printed; anything else is the name of a stack, which the pulumi on the PATH exports.

Examples:
  pgoci bundle prod -o prod.tar
  pgoci bundle --platform linux/arm64 docker.io/library/postgres:17-bookworm ghcr.io/acme/pgvector:0.8.1 -o arm.tar
  PGOCI_BUNDLE=prod.tar pulumi up --stack prod
  skopeo copy oci-archive:prod.tar:ghcr.io/acme/pgvector:0.8.1 docker://registry.example.com/acme/pgvector:0.8.1

Exit codes: 0, written; 1, not written, and why; 2, a wrong command line.`

/** What `pgoci bundle --json` prints: docs/schemas/bundle.json is made of it. */
export const bundleSchema = z
  .object({
    bundle: z.string().describe('the file'),
    bytes: z.int().min(0),
    isUnchanged: z.boolean().describe('it was there, byte for byte'),
    images: z.array(
      z.object({
        name: z.string().describe('in the bundle'),
        digest: z.string(),
        platforms: z.array(z.string()).optional().describe('all that its index has, when it is missing'),
      }),
    ),
    manifests: z.int().min(0).describe('manifests and indexes'),
    blobs: z.int().min(0).describe('configs, layers and what artifacts hold'),
    about: z.int().min(0).describe('signatures, attestations, SBOMs and other referrers'),
  })
  .meta({ title: 'pgoci bundle --json' })

interface Options {
  readonly output: string
  readonly platform?: readonly string[]
  readonly json?: true
}

/** `pgoci bundle`: all that a stack needs, in one file. */
export const bundle: Verb = (program, terminal) => {
  const collected = (text: string, former: readonly string[] = []) => [...former, platformArgument(text)]
  program
    .command('bundle')
    .summary('write all that a stack needs into one file')
    .description('Writes images, their signatures and all else that refers to them into one OCI archive.')
    .argument('<what...>', 'stacks, or references of images')
    .requiredOption('-o, --output <file>', 'the archive to write')
    .option('--platform <platform>', 'of the hosts; may be given again (default: as the state says, or all)', collected)
    .option('--json', 'print JSON (docs/schemas/bundle.json)')
    .addHelpText('after', examples)
    .action(async (what: string[], { output, platform: platforms, json }: Options) => {
      const { signal, stdout, stderr } = terminal
      const { environment, cache, log } = readingOf(terminal)
      const wishes = []
      for (const text of what) wishes.push(...(await wishesOf(text, { platforms, environment, signal })))
      const closure: Closure = { pieces: new Map(), listed: [] }
      for (const [index, wish] of wishes.entries()) {
        const name = printable(bundleName(wish.reference, wish.digest))
        stderr.write(`[${index + 1}/${wishes.length}] ${name} ${wish.platforms?.join(', ') ?? 'all platforms'}\n`)
        await collect(closure, wish, { cache, log, signal })
      }
      const written = await writeBundle(output, closure, { cache, log, signal })
      const found = summary(output, { ...written, closure })
      const images = wishes.map(({ reference, digest, platforms: chosen }) => ({
        ...{ name: bundleName(reference, digest), digest },
        ...(chosen ? { platforms: [...chosen] } : {}),
      }))
      const result = { ...found, images: distinct(images) }
      await writeLines(stdout, json ? [JSON.stringify(result, null, 2)] : text(result))
    })
}

type Result = z.infer<typeof bundleSchema>
type Images = Result['images']

function summary(
  output: string,
  { size, isUnchanged, closure }: { size: number; isUnchanged: boolean; closure: Closure },
): Omit<Result, 'images'> {
  const pieces = [...closure.pieces.values()]
  const manifests = pieces.filter(({ isDocument }) => isDocument).length
  const about = closure.listed.filter(
    ({ name }) => name === undefined || /:sha256-[0-9a-f]{64}\.\w+$/.test(name),
  ).length
  return { bundle: output, bytes: size, isUnchanged, manifests, blobs: pieces.length - manifests, about }
}

/** An image that several hosts have is one image, with all their platforms. */
function distinct(images: Images): Images {
  const found = new Map<string, Images[number]>()
  for (const image of images) {
    const key = `${image.name} ${image.digest}`
    const former = found.get(key)
    const platforms = [...new Set([...(former?.platforms ?? []), ...(image.platforms ?? [])])].sort()
    found.set(key, image.platforms ? { ...image, platforms } : image)
  }
  return [...found.values()]
}

function text(result: Result): string[] {
  const { bundle: file, bytes, images, manifests, blobs, about, isUnchanged } = result
  const refer = about > 0 ? [`${about} signatures, attestations and other referrers`] : []
  return columns([
    ['bundle', [`${file}, ${bytesText(bytes)}${isUnchanged ? ', unchanged' : ''}`]],
    ['images', images.map(({ name, platforms }) => `${name} (${platforms?.join(', ') ?? 'all platforms'})`)],
    ['holds', [[`${manifests} manifests and indexes`, `${blobs} blobs`, ...refer].join(', ')]],
    ['use', [`PGOCI_BUNDLE=${resolve(file)} pulumi up`]],
  ])
}
