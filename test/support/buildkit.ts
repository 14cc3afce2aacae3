import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { command } from './command.ts'
import { startServer } from './start-server.ts'

export interface BuildKit {
  /** Builds the folder with its Dockerfile, for two platforms, and pushes it to a registry without TLS. */
  build(
    folder: string,
    name: string,
    options?: { readonly output?: string; readonly provenance?: boolean },
  ): Promise<void>
  close(): Promise<void>
}

/** A BuildKit daemon of its own, that needs neither Docker nor containerd. */
export async function startBuildKit(folder: string): Promise<BuildKit> {
  mkdirSync(folder, { recursive: true })
  const address = `unix://${join(folder, 'socket')}`
  const words = ['--addr', address, '--root', join(folder, 'root'), '--containerd-worker=false']
  const worker = ['--oci-worker-snapshotter=native', '--oci-worker-net=host']
  const { close } = await startServer('buildkitd', [...words, ...worker], /(running server)/)
  return {
    build: async (context, name, { output = '', provenance = true } = {}) => {
      const local = ['--local', `context=${context}`, '--local', `dockerfile=${context}`]
      const platforms = ['--opt', 'platform=linux/amd64,linux/arm64']
      const attest = provenance ? ['--opt', 'attest:provenance=mode=max'] : []
      const to = ['--output', `type=image,name=${name},push=true,registry.insecure=true${output}`]
      const build = ['build', '--frontend', 'dockerfile.v0', '--progress=plain', '--no-cache']
      await command('buildctl', ['--addr', address, ...build, ...local, ...platforms, ...attest, ...to])
    },
    close,
  }
}
