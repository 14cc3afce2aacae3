import { createHash } from 'node:crypto'
import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { basename, join } from 'node:path'
import { byBytes } from '../../src/model/tree.ts'

const sha256 = (bytes: Uint8Array | string) => createHash('sha256').update(bytes).digest('hex')

/** Hashes every file of the instance's current trees; returns what differs from their manifests, as lines. */
export function differences(store: string, instance: string): string[] {
  const generation = join(store, 'instances', instance, readlinkSync(join(store, 'instances', instance, 'current')))
  return ['root', 'live'].flatMap((role) => {
    const name = basename(readlinkSync(join(generation, role)))
    const manifest = readFileSync(join(store, 'manifests', name.replace(/-.*/, '')))
    if (sha256(manifest) !== name.replace(/-.*/, '')) return [`${role}: the manifest is damaged`]
    const want = new Set(manifest.toString('utf8').split('\n').slice(0, -1))
    const have = new Set(describe(join(store, 'trees', name)))
    return [
      ...[...want].filter((line) => !have.has(line)).map((line) => `${role} lacks ${line}`),
      ...[...have].filter((line) => !want.has(line)).map((line) => `${role} has ${line}`),
    ]
  })
}

/** What a folder really holds, read and hashed here: the digest that a tree of this content is named by. */
export function treeDigestOf(folder: string): string {
  return sha256(
    [...describe(folder)]
      .sort(byBytes)
      .map((line) => `${line}\n`)
      .join(''),
  )
}

function* describe(folder: string, at = ''): Iterable<string> {
  for (const name of readdirSync(join(folder, at))) {
    const path = at === '' ? name : `${at}/${name}`
    const full = join(folder, path)
    const stat = lstatSync(full)
    // Folders may have the setgid bit from above.
    const mode = (stat.mode & (stat.isDirectory() ? 0o5777 : 0o7777)).toString(8)
    if (stat.isSymbolicLink()) yield `${path}\tl\t777\t${readlinkSync(full)}`
    else if (stat.isDirectory()) {
      yield `${path}\td\t${mode}\t-`
      yield* describe(folder, path)
    } else yield `${path}\tf\t${mode}\t${sha256(readFileSync(full))}`
  }
}
