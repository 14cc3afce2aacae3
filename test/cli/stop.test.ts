import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { temporaryFolder } from '../support/folder.ts'
import { blobsOf, image } from '../support/layout.ts'
import { startRegistry } from '../support/registry/registry.ts'
import { file, tar } from '../support/tar.ts'

const folder = temporaryFolder()

test.each([
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const)('%s in the middle of a download ends it with %i, one line and no file', async (signal, code) => {
  const made = image([tar(file('lib/a.so', 'a'))])
  const registry = await startRegistry({ one: made.manifest }, blobsOf(made))
  const words = ['src/cli/main.ts', 'bundle', `${registry.host}/team/image:one`, '-o', join(folder, 'bundle.tar')]
  const settings = JSON.stringify({ [registry.host]: { insecure: true } })
  const env = { ...process.env, PGOCI_REGISTRIES: settings, PGOCI_CACHE: join(folder, signal, 'cache') }
  const child = spawn(process.execPath, words, { env, stdio: ['ignore', 'ignore', 'pipe'] })
  let said = ''
  child.stderr.on('data', (chunk) => (said += chunk))
  // Blobs that are asked for never come.
  registry.fault(/blobs/, () => void child.kill(signal), ...Array(10).fill(() => {}))
  expect(await once(child, 'close')).toEqual([code, null])
  expect(said.trimEnd().split('\n').slice(1)).toEqual(['Stopped; nothing is left behind'])
  expect(readdirSync(folder).filter((name) => name.includes('bundle'))).toEqual([])
  await registry.close()
})
