import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { cache, has, step, usePath } from './step.mjs'

/** Clients and servers of the OCI world that Debian does not have, in the versions of tools/go.mod. */
const tools = {
  crane: 'github.com/google/go-containerregistry/cmd/crane',
  regctl: 'github.com/regclient/regclient/cmd/regctl',
  oras: 'oras.land/oras/cmd/oras',
  registry: 'github.com/distribution/distribution/v3/cmd/registry',
  cosign: 'github.com/sigstore/cosign/v3/cmd/cosign',
}

/** Puts them in PATH, built once; where Go or a module cannot be had, the tests say what they lack. */
export function ensureGoTools() {
  const hash = createHash('sha256').update(readFileSync('tools/go.mod')).update(readFileSync('tools/go.sum'))
  const folder = join(cache, `go-${hash.digest('hex').slice(0, 16)}`)
  try {
    for (const [name, path] of Object.entries(tools)) {
      if (!existsSync(join(folder, name))) build(path, join(folder, name))
    }
  } catch (error) {
    if (process.env.CI === 'true') throw error
    process.stderr.write(`${error.message}; tests that need these tools are skipped\n`)
  }
  usePath(folder)
}

function build(path, file) {
  const name = file.slice(file.lastIndexOf('/') + 1)
  if (!has('go', ['version'])) throw new Error(`Cannot build ${name}: there is no Go`)
  mkdirSync(join(file, '..'), { recursive: true })
  const temporary = `${file}.${process.pid}`
  // One after another: each uses all cores, and shares what the ones before compiled.
  const words = ['build', '-C', 'tools', '-trimpath', '-ldflags', '-s -w', '-o', temporary, path]
  step(`Building ${name}`, 'go', words, { env: { ...process.env, CGO_ENABLED: '0' } })
  renameSync(temporary, file)
}
