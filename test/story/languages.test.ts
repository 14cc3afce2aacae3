import { join } from 'node:path'
import { expect, test } from 'vitest'
import { distributionFiles, writeLayout } from '../support/postgres-images.ts'
import { TestStack } from '../support/pulumi.ts'

const body = `
const connection = { host: 'db1.example.com', hostKey: 'ssh-ed25519 AAAA' }
const image = 'oci:./images:pg18'
const pg = new pgoci.Distribution('pg18', { connection, image, platform: \`linux/\${process.arch === 'arm64' ? 'arm64' : 'amd64'}\` })
`
const imports = `import * as pgoci from 'pulumi-postgres-oci'`

// With platform given and a layout at hand, a first preview needs no host.
test.each([
  ['TypeScript, run by Node', 'index.ts', false, `${imports}${body}export const version = pg.postgresVersion`],
  ['TypeScript, run by Pulumi', 'index.ts', true, `${imports}${body}export const version = pg.postgresVersion`],
  ['an ES module', 'index.mjs', false, `${imports}${body}export const version = pg.postgresVersion`],
  [
    'a CommonJS module',
    'index.cjs',
    false,
    `const pgoci = require('pulumi-postgres-oci')${body}exports.version = pg.postgresVersion`,
  ],
])('a program may be %s', async (_how, main, typescript, program) => {
  const stack = new TestStack(program, { main, typescript })
  try {
    await writeLayout(join(stack.folder, 'images'), [{ tag: 'pg18', files: distributionFiles() }])
    await stack.init()
    const preview = await stack.expect(0, 'preview', '--diff')
    expect(preview).toMatch(/digest\s*: "sha256:/)
    expect(preview).toContain('version: "18.4"')
  } finally {
    stack.remove()
  }
})
