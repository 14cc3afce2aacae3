import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { cache, has, step, usePath } from './step.mjs'

/** Clients, builders and servers of the OCI world that Debian does not have, by the module that pins their versions. */
const modules = {
  tools: [
    'github.com/google/go-containerregistry/cmd/crane',
    'github.com/regclient/regclient/cmd/regctl',
    'oras.land/oras/cmd/oras',
    'github.com/distribution/distribution/v3/cmd/registry',
    'github.com/sigstore/cosign/v3/cmd/cosign',
  ],
  'tools/ko': ['github.com/google/ko'],
  'tools/buildkit': ['github.com/moby/buildkit/cmd/buildctl', 'github.com/moby/buildkit/cmd/buildkitd'],
}

const large = ['registry', 'cosign', 'buildkitd']

/** Puts them in PATH, built once; where Go or a module cannot be had, the tests say what they lack. */
export function ensureGoTools() {
  const folders = Object.keys(modules).map(folderOf)
  try {
    // Together they take up to eight minutes on two cores, cosign a third of that.
    for (const [module, paths] of Object.entries(modules)) for (const path of paths) build(module, path)
  } catch (error) {
    if (process.env.CI === 'true') throw error
    process.stderr.write(`${error.message}; tests that need these tools are skipped\n`)
  }
  usePath(folders.join(delimiter))
}

/** Another version is another folder. */
function folderOf(module) {
  const hash = createHash('sha256')
  for (const name of ['go.mod', 'go.sum']) hash.update(readFileSync(join(module, name)))
  return join(cache, `go-${hash.digest('hex').slice(0, 16)}`)
}

function build(module, path) {
  const name = path.slice(path.lastIndexOf('/') + 1)
  const file = join(folderOf(module), name)
  if (existsSync(file)) return
  if (!has('go', ['version'])) throw new Error(`Cannot build ${name}: there is no Go`)
  mkdirSync(folderOf(module), { recursive: true })
  const temporary = `${file}.${process.pid}`
  // One after another: each uses all cores, and shares what the ones before compiled.
  const words = ['build', '-C', module, '-trimpath', '-ldflags', '-s -w', '-o', temporary, path]
  step(`Building ${name}${large.includes(name) ? ' (up to 3 minutes)' : ''}`, 'go', words, {
    env: { ...process.env, CGO_ENABLED: '0' },
  })
  renameSync(temporary, file)
}
