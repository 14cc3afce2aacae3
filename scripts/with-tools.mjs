// Makes sure that a Node ≥ 22.18, the packages, a Pulumi CLI and, with --system, Debian packages and Go tools for the
// tests with real hosts and registries are there, builds, then runs a command with them. Needs only the Node 18 that a
// distribution ships.
// node scripts/with-tools.mjs [--system] COMMAND WORDS…
import { spawn } from 'node:child_process'
import { ensureGoTools } from './tools/go-tools.mjs'
import { ensureNode, ensurePackages } from './tools/node.mjs'
import { ensurePulumi } from './tools/pulumi.mjs'
import { step } from './tools/step.mjs'
import { ensureSystem } from './tools/system.mjs'

const words = process.argv.slice(2)
const isSystem = words[0] === '--system'
if (isSystem) words.shift()
try {
  ensureNode()
  ensurePackages()
  await ensurePulumi()
  if (isSystem) {
    ensureSystem()
    ensureGoTools()
  }
  step('Building', 'node', ['scripts/build.mjs'])
} catch (error) {
  process.stderr.write(`${error.message}\n`)
  process.exit(1)
}
const [command, ...rest] = words
const child = spawn(command, rest, { stdio: 'inherit' })
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal))
child.once('close', (code) => process.exit(code ?? 1))
