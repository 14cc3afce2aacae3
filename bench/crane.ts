import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { homedir } from 'node:os'
import { delimiter, join } from 'node:path'

/**
 * Puts crane on the PATH: the one that is there, else one that is built from tools/go.mod and kept in the cache.
 *
 * @returns why there is none, or undefined
 */
export function ensureCrane(): string | undefined {
  const run = (program: string, words: string[]) => spawnSync(program, words, { encoding: 'utf8', timeout: 180_000 })
  if (run('crane', ['version']).status === 0) return undefined
  const sums = readFileSync('tools/go.sum')
  const key = createHash('sha256').update(sums).digest('hex').slice(0, 16)
  const cache = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'pulumi-postgres-oci', 'tools')
  const folder = join(cache, `crane-${key}`)
  if (!existsSync(folder)) {
    process.stderr.write('Building crane …\n')
    mkdirSync(cache, { recursive: true })
    const temporary = mkdtempSync(join(cache, 'making-'))
    const words = ['build', '-C', 'tools', '-trimpath', '-o', join(temporary, 'crane')]
    const { status, error, stderr } = run('go', [...words, 'github.com/google/go-containerregistry/cmd/crane'])
    if (status !== 0) {
      rmSync(temporary, { recursive: true })
      return `crane is not installed, and go cannot build it: ${error?.message ?? stderr.trim().split('\n').at(-1)}`
    }
    renameSync(temporary, folder)
  }
  process.env['PATH'] = `${folder}${delimiter}${process.env['PATH']}`
  return undefined
}
