import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { localTransport } from '../../src/host/local.ts'
import { probe } from '../../src/host/probe.ts'
import { temporaryFolder } from '../support/folder.ts'
import { completeState, imageOf, install, targetAt } from '../support/store.ts'

// systemd's escapes, certificates of ca-certificates, and what images hold by mistake.
const names = [
  'a\\x2db.slice',
  'back\\',
  '\\',
  "it's",
  'two  spaces ',
  '-n',
  '*.so',
  '$(id)',
  '"q"',
  'Főtanúsítvány',
  '😀',
  '\uffee',
  '%s%n',
]

test('files of any name that an image may have are pushed, found whole, and missed when they are gone', async () => {
  const files = Object.fromEntries(names.map((name) => [`live/lib/${name}`, `content of ${name}`]))
  const links = Object.fromEntries(names.map((name) => [`root/links/${name}`, { to: `../${name}` }]))
  const target = targetAt(join(temporaryFolder(), 'store'), localTransport())
  await install(target, {
    distribution: imageOf({ 'root/bin/postgres*': 'server', ...files, ...links }, { distribution: true }),
  })
  const live = completeState(target.root)?.live ?? ''
  for (const verify of ['quick', 'full'] as const)
    expect([...(await probe(target, { verify })).deviations.values()].flat()).toEqual([])
  for (const name of names) rmSync(join(target.root, 'trees', live, 'lib', name))
  const missing = [...(await probe(target, { verify: 'full' })).deviations.values()].flat()
  expect(missing.map(({ path }) => path).sort()).toEqual(names.map((name) => `lib/${name}`).sort())
})
