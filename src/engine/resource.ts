import { type Digest, digestOf, hexOf } from '../model/digest.ts'
import { runScript, systemdUnit } from '../postgres/unit.ts'
import type { Generation } from './generation.ts'
import { clusterOf } from './installed-image.ts'
import { distributionName, type Record } from './record.ts'

/** Of both resources, what users' states hold for good. None of it ever changes. */
export type ResourceKind = 'distribution' | 'extension'

export const resourceTypes = {
  distribution: 'pulumi-nodejs:dynamic/postgres-oci:Distribution',
  extension: 'pulumi-nodejs:dynamic/postgres-oci:Extension',
} as const

/** A component, for which nothing of ours is called; its name does not change either. */
export const serverType = 'postgres-oci:index:Server'

/**
 * The code that a state keeps of a resource: a constant that loads the installed package, so that refresh and destroy
 * always run current code, and no closure is serialised (DESIGN §5.1).
 */
export function handlerOf(kind: ResourceKind): string {
  return `exports.handler=()=>require("module").createRequire(process.cwd()+"/_")("pulumi-postgres-oci/provider").${kind};`
}

/** An instance on its host. */
export interface Place {
  readonly connection: { readonly host: string; readonly port?: number | undefined }
  readonly root: string
  readonly instance: string
}

/** `host:port`: what makes a connection lead to another host. */
export function hostAndPort({ host, port = 22 }: Place['connection']): string {
  return `${host}:${port}`
}

export function resourceId(place: Place, name: string): string {
  return `${hostAndPort(place.connection)}${place.root}/${place.instance}/${name}`
}

/** Live links are one a distribution, so that a server of the former one keeps its own extensions until it restarts. */
export function liveKey({ digest, image }: { readonly digest: Digest; readonly image: string }): string {
  // Its settings lead to this link, whatever its packages bring.
  const key = clusterOf(image) === undefined ? digest : digestOf(image)
  return hexOf(key).slice(0, 16)
}

/** Where a server that packages have installed finds its instance: what its settings name. */
export function livePath({ root, instance }: Omit<Place, 'connection'>, key: string): string {
  return `${root}/instances/${instance}/live/${key}`
}

/** Where a server finds the shared libraries that its extensions bring. */
function libraryPath(place: Omit<Place, 'connection'>, key: string): string {
  return `${livePath(place, key)}/system`
}

/** Outputs that only a distribution has. */
export function distributionOutputs(
  place: Omit<Place, 'connection'>,
  distribution: {
    readonly digest: Digest
    readonly image: string
    readonly serverDirectory: string
    readonly mode: string
  },
): { [name: string]: string } {
  const home = `${place.root}/instances/${place.instance}`
  const { mode, serverDirectory } = distribution
  return {
    binDirectory: mode === 'installed' ? `/${serverDirectory}` : `${home}/root/${serverDirectory}`,
    libraryPath: libraryPath(place, liveKey(distribution)),
    ...(mode === 'rootfs'
      ? { systemdUnit: `${home}/current/pgoci-${place.instance}.service`, runScript: `${home}/current/run` }
      : {}),
  }
}

/** Files for a generation's folder: how to run a rootfs distribution. */
export function runFiles(
  { root, instance }: Omit<Place, 'connection'>,
  { layout, members }: Record,
  generation: Pick<Generation, 'key' | 'root'>,
): Map<string, string> {
  if (layout.mode !== 'rootfs') return new Map()
  const unit = {
    instance,
    store: root,
    treeDirectory: `${root}/trees/${generation.root.name}`,
    libraryPath: libraryPath({ root, instance }, generation.key),
    binDirectory: layout.binDirectory,
    major: members.find(({ name }) => name === distributionName)?.major ?? 0,
  }
  return new Map([
    [`pgoci-${instance}.service`, systemdUnit(unit)],
    ['run', runScript(unit)],
  ])
}
