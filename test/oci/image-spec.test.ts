import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'vitest'
import { ProviderError } from '../../src/model/error.ts'
import { parseReference } from '../../src/model/reference.ts'
import { openSource } from '../../src/oci/open.ts'
import { parseConfig, parseIndexOrManifest } from '../../src/oci/schema.ts'
import { temporaryFolder } from '../support/folder.ts'
import { goModule } from '../support/go-module.ts'
import { blobsOf, image, writeLayoutOf } from '../support/layout.ts'
import { testWith } from '../support/needs.ts'
import { end } from '../support/tar.ts'

// The specification's own examples, read where they are: schema/*_test.go of github.com/opencontainers/image-spec.

/** A document of the specification, and whether it says that it is valid. */
interface Example {
  readonly name: string
  readonly kind: string
  readonly text: string
  readonly isValid: boolean
}

/** Go's tables: `{ kind: TEXT in backticks, fail: true }`. */
function examplesIn(folder: string, file: string): Example[] {
  const source = readFileSync(join(folder, 'schema', file), 'utf8')
  const cases = source.matchAll(/\n\t+(?<kind>[a-zA-Z]+):\s*`(?<text>[^`]*)`,?(?<rest>[^`]*?)\n\t\t\}/g)
  return [...cases].map(({ groups: { kind = '', text = '', rest = '' } = {} }, at) => {
    return { name: `${file} ${at}`, kind, text, isValid: !/fail:\s*true/.test(rest) }
  })
}

const folder = temporaryFolder()
const one = image([end])

async function read({ kind, text }: Example): Promise<unknown> {
  const bytes = Buffer.from(text)
  switch (kind) {
    case 'config':
      return parseConfig(bytes, 'example')
    case 'descriptor':
      return parseIndexOrManifest(Buffer.from(`{"schemaVersion":2,"config":${text},"layers":[${text}]}`), 'example')
    case 'imageLayout':
      writeLayoutOf(folder, { one: one.manifest }, blobsOf(one))
      writeFileSync(join(folder, 'oci-layout'), bytes)
      return openSource(parseReference(`oci:${folder}`)).resolve('one')
    default:
      return parseIndexOrManifest(bytes, 'example')
  }
}

async function takes(example: Example): Promise<boolean> {
  try {
    await read(example)
    return true
  } catch (error) {
    expect(error).toBeInstanceOf(ProviderError)
    return false
  }
}

const algorithm = 'its digest is of an algorithm other than sha256, which we could not prove'
const unread = 'what is wrong is in a field that we do not read'

/** Where we say otherwise, and why. */
const disagreements: Readonly<Record<string, string>> = {
  'descriptor_test.go 16': `${unread}: urls`,
  'descriptor_test.go 18': `${unread}: artifactType`,
  'descriptor_test.go 20': algorithm,
  'descriptor_test.go 21': algorithm,
  'descriptor_test.go 22': algorithm,
  'descriptor_test.go 23': algorithm,
  'descriptor_test.go 24': algorithm,
  'descriptor_test.go 26': algorithm,
  'descriptor_test.go 27': algorithm,
  'descriptor_test.go 28': `${unread}: data`,
  'imageindex_test.go 11': `${unread}: subject`,
  'manifest_test.go 6': algorithm,
  'manifest_test.go 8': `${unread}: subject`,
  'config_test.go 2': `${unread}: config.User`,
  'config_test.go 9': `${unread}: config.Env`,
}

testWith('go')("image-spec's own examples are to us what they are to it, but for those that we know", async () => {
  const module = goModule('imageSpec')
  const files = ['descriptor', 'imageindex', 'manifest', 'config', 'imagelayout', 'backwards_compatibility']
  const examples = files.flatMap((file) => examplesIn(module, `${file}_test.go`))
  const found: string[] = []
  for (const example of examples) if ((await takes(example)) !== example.isValid) found.push(example.name)
  process.stdout.write(
    `image-spec: ${examples.length} examples, ${found.length} of them otherwise to us, for reasons\n`,
  )
  expect(found).toEqual(Object.keys(disagreements))
  expect(examples.length).toBe(69)
})
