import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { cache, has, step, usePath } from './step.mjs'

const version = '3.259.0'
const source = 'github.com/pulumi/pulumi'

/** Puts a Pulumi CLI in PATH: the one that is there, else the official one, else one built from its Go modules. */
export async function ensurePulumi() {
  if (has('pulumi', ['version']) && has('sh', ['-c', 'command -v pulumi-language-nodejs'])) return
  const official = join(cache, `pulumi-official-${version}`)
  const built = join(cache, `pulumi-${version}`)
  if (
    existsSync(join(official, 'bin', 'pulumi')) ||
    (!existsSync(join(built, 'pulumi')) && (await download(official)))
  ) {
    usePath(join(official, 'bin'))
    return
  }
  if (!existsSync(join(built, 'pulumi'))) build(built)
  addHosts(built)
  usePath(built)
}

async function download(folder) {
  process.stderr.write('Downloading the Pulumi CLI …\n')
  const require = createRequire(join(process.cwd(), '_'))
  try {
    const { PulumiCommand } = require('@pulumi/pulumi/automation')
    const { SemVer } = createRequire(require.resolve('@pulumi/pulumi'))('semver')
    await PulumiCommand.install({ root: folder, version: new SemVer(version) })
    return true
  } catch (error) {
    rmSync(folder, { recursive: true, force: true })
    process.stderr.write(`Downloading the Pulumi CLI: ${error.message.split('\n')[0]}\n`)
    return false
  }
}

// `go install …@version` fails, because Pulumi's module has replace directives.
function build(folder) {
  if (!has('go', ['version'])) {
    throw new Error(
      'Cannot get the Pulumi CLI: it cannot be downloaded, and there is no Go to build it with; install one of the two',
    )
  }
  mkdirSync(cache, { recursive: true })
  const temporary = mkdtempSync(join(cache, 'pulumi-'))
  const go = (what, words, env = {}) => step(what, 'go', words, { cwd: temporary, env: { ...process.env, ...env } })
  go('Preparing the Pulumi CLI', ['mod', 'init', 'tools'])
  go('Fetching the Pulumi CLI', ['get', `${source}/pkg/v3@v${version}`, `${source}/sdk/v3@v${version}`])
  go('Resolving its modules', ['get', '-tool', `${source}/pkg/v3/cmd/pulumi@v${version}`])
  const flags = `-s -w -X ${source}/sdk/v3/go/common/version.Version=v${version}`
  const words = ['build', '-trimpath', '-tags', 'osusergo,grpcnotrace', '-ldflags', flags, '-o', 'pulumi']
  go('Building the Pulumi CLI (about 4 minutes)', [...words, `${source}/pkg/v3/cmd/pulumi`], { CGO_ENABLED: '0' })
  mkdirSync(folder, { recursive: true })
  renameSync(join(temporary, 'pulumi'), join(folder, 'pulumi'))
  rmSync(temporary, { recursive: true })
}

// A CLI from Go modules comes without its Node language host, so ours lies beside it.
function addHosts(folder) {
  const put = (name, from) => {
    const temporary = join(folder, `.${name}.${process.pid}`)
    if (from) cpSync(from, temporary)
    else writeFileSync(temporary, `#!/bin/sh\nexec node "${join(folder, 'language-host.mjs')}" "$@"\n`)
    chmodSync(temporary, 0o755)
    renameSync(temporary, join(folder, name))
  }
  put('pulumi-resource-pulumi-nodejs', 'node_modules/@pulumi/pulumi/pulumi-resource-pulumi-nodejs')
  put('language-host.mjs', 'scripts/language-host.mjs')
  put('pulumi-language-nodejs')
}
