import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, expect, expectTypeOf, test } from 'vitest'
import type { Connection } from '../src/host/connection.ts'
import type { ConnectionArgs } from '../src/index.ts'
import { parseSettings } from '../src/oci/settings.ts'

// Every program that we show is type-checked and run, with Pulumi's own mocks in place of its engine.
const folder = mkdtempSync(join(tmpdir(), 'pgoci-docs-'))
const programs = [
  'README.md',
  'docs/rootfs.md',
  'docs/installed.md',
  'docs/names.md',
  'src/pulumi/distribution.ts',
  'src/pulumi/extension.ts',
  'src/pulumi/server.ts',
].flatMap((path) =>
  [...readFileSync(path, 'utf8').matchAll(/^( \* )?```ts\n(.*?)^\1?```/gms)].map(([, star, text = '']) => ({
    path,
    text: star ? text.replaceAll(/^ \* ?/gm, '') : text,
  })),
)
const imports = `import { Distribution, Extension, extensionsFromYaml, Server } from 'pulumi-postgres-oci'\nimport * as pgoci from 'pulumi-postgres-oci'\n`
const connection = `const connection = { host: 'db1.example.com', hostKey: 'ssh-ed25519 AAAA' }\n`
const mocks = `import * as pulumi from '@pulumi/pulumi'
await pulumi.runtime.setMocks({ newResource: ({ name, inputs }) => ({ id: name, state: inputs }), call: () => ({}) })
`

beforeAll(() => {
  mkdirSync(join(folder, 'node_modules'))
  symlinkSync(resolve('.'), join(folder, 'node_modules/pulumi-postgres-oci'))
  symlinkSync(resolve('node_modules/@pulumi'), join(folder, 'node_modules/@pulumi'))
  symlinkSync(resolve('node_modules/@types'), join(folder, 'node_modules/@types'))
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
})

afterAll(() => rmSync(folder, { recursive: true }))

test.each(programs.map(({ path, text }, index) => [path, index + 1, text] as const))(
  'the program in %s (%i) compiles and runs',
  (_path, index, text) => {
    const own = /^import /m.test(text) ? text : imports + (/\bconst connection\b/.test(text) ? text : connection + text)
    writeFileSync(join(folder, `${index}.ts`), own)
    const tsc = resolve('node_modules/typescript/bin/tsc')
    const words = [
      '--noEmit',
      '--strict',
      '--skipLibCheck',
      '--module',
      'nodenext',
      '--target',
      'es2023',
      `${index}.ts`,
    ]
    expect(run([tsc, ...words])).toBe('')
    writeFileSync(join(folder, `run-${index}.ts`), `${mocks}await import('./${index}.ts')\n`)
    expect(run([`run-${index}.ts`])).toBe('')
  },
)

test('the documented connection is the one that is taken', () => {
  expectTypeOf<keyof ConnectionArgs>().toEqualTypeOf<keyof Connection>()
})

test('the registry settings in README.md are taken', () => {
  const [, text = ''] = /postgres-oci:registries '(\{.*?\})'\n/s.exec(readFileSync('README.md', 'utf8')) ?? []
  expect(Object.keys(parseSettings(text))).toEqual(['harbor.example.com', 'docker.io', 'registry.local:5000'])
})

function run(words: readonly string[]): string {
  const { stdout, stderr } = spawnSync(process.execPath, words, { cwd: folder, encoding: 'utf8' })
  return stdout + stderr
}
