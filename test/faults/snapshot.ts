import { createHash } from 'node:crypto'
import { existsSync, lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { basename, join } from 'node:path'
import { treeDigestOf } from '../support/store-check.ts'

/** What a store holds, all of it read and hashed here. */
export interface Snapshot {
  /** Where `current` of the instance `main` leads. */
  readonly generation: string | undefined
  /** Instance → digests of the two trees that its servers see; no entry when it is not there. */
  readonly states: ReadonlyMap<string, string>
  /** Name of a tree → digest of what lies in it; the same for objects. */
  readonly trees: ReadonlyMap<string, string>
  readonly objects: ReadonlyMap<string, string>
}

export function takeSnapshot(root: string): Snapshot {
  const trees = new Map(list(root, 'trees').map((name) => [name, treeDigestOf(join(root, 'trees', name))]))
  const objects = new Map(
    list(root, 'objects')
      .flatMap((shard) => list(root, 'objects', shard))
      .map((name) => [name, describeFile(join(root, 'objects', name.slice(0, 2), name))]),
  )
  const states = new Map<string, string>()
  for (const instance of list(root, 'instances')) {
    const current = join(root, 'instances', instance, 'current')
    if (linkAt(current) === undefined) continue
    states.set(instance, ['root', 'live'].map((role) => trees.get(treeAt(join(current, role))) ?? 'gone').join(' '))
  }
  return { generation: linkAt(join(root, 'instances/main/current')), states, trees, objects }
}

/** What must never be, whatever happened since `before`: one line each. */
export function findWrongs(root: string, before: Snapshot, now: Snapshot): string[] {
  return [
    ...[...now.trees]
      .filter(([name, digest]) => digest !== hexOf(name) && digest !== before.trees.get(name))
      .map(([name, digest]) => `tree ${name} holds ${digest}`),
    ...[...now.objects]
      .filter(([name, found]) => found !== name && found !== before.objects.get(name))
      .map(([name, found]) => `object ${name} is ${found}`),
    ...list(root, 'manifests')
      .filter((name) => sha256(join(root, 'manifests', name)) !== name)
      .map((name) => `manifest ${name} holds something else`),
    ...[...now.trees.keys()]
      .filter((name) => !existsSync(join(root, 'manifests', hexOf(name))))
      .map((name) => `tree ${name} has no manifest`),
    ...list(root, 'instances').flatMap((instance) => wrongLinks(root, instance)),
  ]
}

function wrongLinks(root: string, instance: string): string[] {
  const home = join(root, 'instances', instance)
  const current = linkAt(join(home, 'current'))
  const born = list(home, 'generations').filter(
    (number) => existsSync(join(home, 'generations', number, 'switched')) || current === `generations/${number}`,
  )
  const wrongs: string[] = []
  if (current !== undefined) {
    JSON.parse(readFileSync(join(home, 'current/record.json'), 'utf8'))
    if (linkAt(join(home, 'root')) !== 'current/root') wrongs.push(`${instance}/root leads elsewhere`)
  }
  for (const number of born) {
    for (const role of ['root', 'live'])
      if (!existsSync(join(home, 'generations', number, role))) wrongs.push(`${instance}/${number}/${role} is gone`)
    // A server sees the modules of its own distribution, whichever is current.
    const key = linkAt(join(home, 'generations', number, 'distribution')) ?? ''
    const shown = linkAt(join(home, 'live', key, '..', linkAt(join(home, 'live', key)) ?? '', '../distribution'))
    if (shown !== key) wrongs.push(`${instance}/live/${key} shows the distribution ${shown}`)
  }
  return wrongs
}

/**
 * What a run that ended well must not leave: one line each.
 *
 * @param options.isBlind the store's user may not see other users' servers, beside which it collects nothing
 */
export function findLeftovers(
  root: string,
  options: { readonly used: readonly string[]; readonly isBlind: boolean },
): string[] {
  const entries = ['FORMAT', 'lock', 'lock.holder', 'objects', 'trees', 'manifests', 'meta', 'instances', 'staging']
  const generations = list(root, 'instances').flatMap((instance) =>
    list(root, 'instances', instance, 'generations').map((number) =>
      join(root, 'instances', instance, 'generations', number),
    ),
  )
  const linked = new Set(generations.flatMap((one) => ['root', 'live'].map((role) => treeAt(join(one, role)))))
  const members = generations.flatMap((one) => readFileSync(join(one, 'members'), 'utf8').split('\n'))
  const trees = list(root, 'trees')
  const named = new Set([...members, ...trees.map(hexOf)])
  return [
    ...list(root).filter((name) => !entries.includes(name)),
    ...list(root, 'staging').map((name) => `staging/${name}`),
    ...list(root, 'meta')
      .filter((name) => !trees.includes(name))
      .map((name) => `meta/${name}`),
    ...trees
      .filter((name) => !options.isBlind && !linked.has(name) && !options.used.includes(name))
      .map((name) => `trees/${name}`),
    ...list(root, 'manifests')
      .filter((name) => !named.has(name))
      .map((name) => `manifests/${name}`),
    ...generations.filter((one) => !existsSync(join(one, 'switched'))),
    ...list(root, 'instances').flatMap((instance) =>
      readdirSync(join(root, 'instances', instance), { recursive: true, encoding: 'utf8' }).filter((name) =>
        name.endsWith('.new'),
      ),
    ),
    ...list(root, 'objects').flatMap((shard) =>
      list(root, 'objects', shard).filter((name) => lstatSync(join(root, 'objects', shard, name)).nlink === 1),
    ),
  ]
}

/** The tree that a link leads to. */
function treeAt(link: string): string {
  return basename(linkAt(link) ?? '')
}

function list(...path: readonly string[]): string[] {
  const folder = join(...path)
  return existsSync(folder) ? readdirSync(folder) : []
}

function linkAt(path: string): string | undefined {
  return lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() ? readlinkSync(path) : undefined
}

/** Trees that were built anew have a number behind their digest. */
function hexOf(name: string): string {
  return name.replace(/-.*/, '')
}

/** The name that an object with this content and permission has. */
function describeFile(path: string): string {
  const mode = lstatSync(path).mode & 0o7777
  return `${sha256(path)}${mode === 0o555 ? '.x' : mode === 0o444 ? '' : ` with mode ${mode.toString(8)}`}`
}

function sha256(path: string): string {
  return createHash('sha256').update(readFileSync(path)).digest('hex')
}
