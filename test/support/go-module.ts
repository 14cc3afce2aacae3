import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { temporaryFolder } from './folder.ts'

/** Modules whose files tests read where Go keeps them: fixtures that nobody here wrote. */
const modules = {
  // containers/image, which Podman, Buildah and skopeo are made with; Apache-2.0.
  image: { name: 'go.podman.io/image/v5@v5.42.0', sum: 'h1:C//Ix0Thj2LYOQO6++NjU3McLFLQbf4czgUyH98R9gc=' },
  // Which crane and ko are made with; Apache-2.0.
  crane: {
    name: 'github.com/google/go-containerregistry@v0.22.1',
    sum: 'h1:RZuuSYhTvlDvtsK+NkutoCZ//C0X2ebLK8X8l3ULs84=',
  },
  // The specification of images, with its own tests; Apache-2.0.
  imageSpec: {
    name: 'github.com/opencontainers/image-spec@v1.1.1',
    sum: 'h1:y0fUlFfIZhPF1W537XOLg0/fcx6zcHCJwooC2xJA040=',
  },
} as const

/** The folder of a Go module, downloaded if it is not there yet. Its files are read-only. */
export function goModule(which: keyof typeof modules): string {
  const { name, sum } = modules[which]
  // Outside the checkout, or Go would look for its go.mod.
  const words = ['mod', 'download', '-json', name]
  const found = JSON.parse(execFileSync('go', words, { cwd: temporaryFolder(), encoding: 'utf8', stdio: 'pipe' }))
  if (found.Sum !== sum) throw new Error(`${name} has the checksum ${found.Sum}, not ${sum}`)
  return join(found.Dir)
}
