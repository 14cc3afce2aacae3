import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { TestStack } from '../test/support/pulumi.ts'
import type { Contender, Field } from './contender.ts'
import { extensionNames } from './images.ts'

const program = (name: string) => readFileSync(join(import.meta.dirname, 'programs', `${name}.ts`), 'utf8')
const isProvider = (commandLine: string) => commandLine.includes('cmd/dynamic-provider')
const up = ['up', '--yes', '--skip-preview']
const drift = ['preview', '--refresh', '--expect-no-changes']

/** Pulumi's floor, under everything that a provider can do. */
export const floor: Contender = {
  name: 'empty provider',
  process: isProvider,
  verified: '-',
  synced: '-',
  start: async () => {
    const stack = new TestStack(program('empty'))
    await stack.init()
    return {
      steps: [
        { scenario: 'setup', how: '', run: () => stack.expect(0, ...up) },
        { scenario: 'noop', how: 'pulumi up --skip-preview', run: () => stack.expect(0, ...up) },
        { scenario: 'drift', how: 'pulumi preview --refresh', run: () => stack.expect(0, ...drift) },
      ],
      end: () => stack.remove(),
    }
  },
}

export const ours: Contender = {
  name: 'pulumi-postgres-oci',
  process: isProvider,
  verified: 'yes',
  synced: 'yes',
  start: async (field, number) => {
    const root = join(field.folder, `store-${number}`)
    // It has a controller cache of its own, which starts empty.
    const stack = new TestStack(program('postgres'))
    await stack.init({ 'postgres-oci:registries': JSON.stringify({ [field.registry]: { insecure: true } }) })
    const set = (values: Record<string, string>) => {
      const words = Object.entries(values).flatMap(([key, value]) => ['--plaintext', `${key}=${value}`])
      return stack.expect(0, 'config', 'set-all', ...words)
    }
    await set({ ...connection(field), root, distribution: `${field.registry}/bench/postgres:1`, extensions: '{}' })
    const extensions = (count: number) =>
      set({ extensions: JSON.stringify(Object.fromEntries(extensionNames.slice(0, count).map(imageOf(field)))) })
    const distribution = (version: number) => set({ distribution: `${field.registry}/bench/postgres:${version}` })
    const result = (version: number) => ({ tree: join(root, 'instances/pg18/root'), version })
    const apply = () => stack.expect(0, ...up)
    return {
      steps: [
        { scenario: 'cold', how: 'pulumi up; atomic', run: apply, result: result(1) },
        { scenario: 'setup', how: '', run: () => extensions(extensionNames.length - 1).then(apply) },
        { scenario: 'setup', how: '', run: () => extensions(extensionNames.length) },
        { scenario: 'extension', how: 'pulumi up; live, atomic', run: apply },
        { scenario: 'noop', how: 'pulumi up --skip-preview', run: apply },
        { scenario: 'drift', how: 'pulumi preview --refresh', run: () => stack.expect(0, ...drift) },
        { scenario: 'setup', how: '', run: () => distribution(3) },
        { scenario: 'file', how: 'pulumi up; atomic', run: apply, result: result(3) },
        {
          scenario: 'setup',
          how: '',
          run: () =>
            distribution(1)
              .then(apply)
              .then(() => distribution(2)),
        },
        { scenario: 'upgrade', how: 'pulumi up; atomic', run: apply, result: result(2) },
        { scenario: 'setup', how: '', run: () => distribution(1) },
        { scenario: 'rollback', how: 'pulumi up; atomic', run: apply, result: result(1) },
      ],
      end: () => {
        stack.remove()
        rmSync(root, { recursive: true, force: true })
      },
    }
  },
}

function connection({ sshd, link }: Field): Record<string, string> {
  const { user, privateKeyPath, hostKey } = sshd
  return { port: String(link.port), user, privateKeyPath, hostKey }
}

const imageOf = (field: Field) => (name: string) => [name, `${field.registry}/bench/${name}:1`] as const
