// Makes sure that a Node ≥ 22.18, the packages and a Pulumi CLI are there, then runs a command with them.
// node scripts/with-tools.mjs command words…   (needs only the Node 18 that a distribution ships)
import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { delimiter, join } from 'node:path'

const cache = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'pulumi-postgres-oci', 'tools')
const pulumiVersion = '3.259.0'
mkdirSync(cache, { recursive: true })

function step(what, command, words, options = {}) {
  process.stderr.write(`${what} …\n`)
  const started = Date.now()
  const { status, error } = spawnSync(command, words, { stdio: ['ignore', 'ignore', 'inherit'], ...options })
  if (status !== 0) throw new Error(`${what}: ${error?.message ?? `${command} ended with ${status}`}`)
  process.stderr.write(`${what}: ${((Date.now() - started) / 1000).toFixed(0)} s\n`)
}

function usePath(folder) {
  process.env.PATH = `${folder}${delimiter}${process.env.PATH}`
}

function ensureNode() {
  const [major, minor] = process.versions.node.split('.').map(Number)
  if (major > 22 || (major === 22 && minor >= 18)) return
  const name = `node-linux-${process.arch}`
  const folder = join(cache, 'node-24')
  if (!existsSync(join(folder, 'node_modules', name, 'bin', 'node'))) {
    const temporary = mkdtempSync(join(cache, 'node-'))
    step('Installing Node 24', 'npm', ['install', '--prefix', temporary, '--no-save', `${name}@24`])
    renameSync(temporary, folder)
  }
  usePath(join(folder, 'node_modules', name, 'bin'))
}

function ensurePackages() {
  const stamp = join('node_modules', '.lock-digest')
  const digest = createHash('sha256').update(readFileSync('package-lock.json')).digest('hex')
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === digest) return
  // npm's own Node decides which lines of packages it picks, so ours comes first in PATH.
  // Not `npm ci`: it refuses a lock file that npm itself wrote without the other platforms' optional packages.
  step('Installing packages', 'npm', ['install', '--no-save', '--ignore-scripts'])
  writeFileSync(stamp, digest)
}

function ensurePulumi() {
  const has = (name) => spawnSync(name, ['version'], { stdio: 'ignore' }).status === 0
  const bin = join(cache, `pulumi-${pulumiVersion}`)
  if (!existsSync(join(bin, 'pulumi'))) {
    if (has('pulumi') && spawnSync('sh', ['-c', 'command -v pulumi-language-nodejs'], { stdio: 'ignore' }).status === 0)
      return
    mkdirSync(bin, { recursive: true })
    const temporary = mkdtempSync(join(cache, 'pulumi-'))
    const go = (what, words, options) => step(what, 'go', words, { cwd: temporary, ...options })
    if (spawnSync('go', ['version'], { stdio: 'ignore' }).status !== 0) {
      throw new Error(
        'There is no Pulumi CLI on PATH: install it (https://www.pulumi.com/docs/install), or Go, from which it can be built',
      )
    }
    go('Preparing the Pulumi CLI', ['mod', 'init', 'tools'])
    go('Downloading the Pulumi CLI', [
      'get',
      `github.com/pulumi/pulumi/pkg/v3@v${pulumiVersion}`,
      `github.com/pulumi/pulumi/sdk/v3@v${pulumiVersion}`,
    ])
    go('Resolving its modules', ['get', '-tool', `github.com/pulumi/pulumi/pkg/v3/cmd/pulumi@v${pulumiVersion}`])
    const flags = `-s -w -X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=v${pulumiVersion}`
    go(
      'Building the Pulumi CLI (about 4 minutes)',
      [
        'build',
        '-trimpath',
        '-tags',
        'osusergo,grpcnotrace',
        '-ldflags',
        flags,
        '-o',
        'pulumi',
        'github.com/pulumi/pulumi/pkg/v3/cmd/pulumi',
      ],
      { env: { ...process.env, CGO_ENABLED: '0' } },
    )
    renameSync(join(temporary, 'pulumi'), join(bin, 'pulumi'))
  }
  cpSync('node_modules/@pulumi/pulumi/pulumi-resource-pulumi-nodejs', join(bin, 'pulumi-resource-pulumi-nodejs'))
  cpSync(join('scripts', 'language-host.mjs'), join(bin, 'language-host.mjs'))
  writeFileSync(join(bin, 'pulumi-language-nodejs'), `#!/bin/sh\nexec node "${join(bin, 'language-host.mjs')}" "$@"\n`)
  for (const name of ['pulumi-resource-pulumi-nodejs', 'pulumi-language-nodejs']) chmodSync(join(bin, name), 0o755)
  usePath(bin)
}

try {
  ensureNode()
  ensurePackages()
  ensurePulumi()
  step('Building', 'node', ['scripts/build.mjs'])
} catch (error) {
  process.stderr.write(`${error.message}\n`)
  process.exit(1)
}
const [command, ...words] = process.argv.slice(2)
const child = spawn(command, words, { stdio: 'inherit' })
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal))
child.once('close', (code) => process.exit(code ?? 1))
