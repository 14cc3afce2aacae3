import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { cache, step, usePath } from './step.mjs'

/** Puts a current Node first in PATH, from npm when the present one is too old. */
export function ensureNode() {
  const [major, minor] = process.versions.node.split('.').map(Number)
  if (major > 22 || (major === 22 && minor >= 18)) return
  const name = `node-linux-${process.arch}`
  const folder = join(cache, 'node-24')
  if (!existsSync(join(folder, 'node_modules', name, 'bin', 'node'))) {
    mkdirSync(cache, { recursive: true })
    const temporary = mkdtempSync(join(cache, 'node-'))
    step('Installing Node 24', 'npm', ['install', '--prefix', temporary, '--no-save', `${name}@24`])
    renameSync(temporary, folder)
  }
  usePath(join(folder, 'node_modules', name, 'bin'))
}

/** Installs the locked packages, unless this lock was installed before. npm's own Node decides, so ours comes first. */
export function ensurePackages() {
  const stamp = join('node_modules', '.lock-digest')
  const digest = createHash('sha256').update(readFileSync('package-lock.json')).digest('hex')
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === digest) return
  step('Installing packages', 'npm', ['ci', '--ignore-scripts'])
  writeFileSync(stamp, digest)
}
