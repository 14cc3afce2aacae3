import { type Digest, hexOf } from '../model/digest.ts'
import { runScript, systemdUnit } from '../postgres/unit.ts'
import type { Generation } from './generation.ts'
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
export function liveKey(distribution: { readonly digest: Digest }): string {
  return hexOf(distribution.digest).slice(0, 16)
}

/** Where a server finds the shared libraries that its extensions bring. */
function libraryPath({ root, instance }: Omit<Place, 'connection'>, key: string): string {
  return `${root}/instances/${instance}/live/${key}/system`
}

/** Outputs that only a distribution has. */
export function distributionOutputs(
  place: Omit<Place, 'connection'>,
  image: { readonly digest: Digest; readonly serverDirectory: string; readonly mode: string },
): { [name: string]: string } {
  const home = `${place.root}/instances/${place.instance}`
  return {
    binDirectory: `${home}/root/${image.serverDirectory}`,
    libraryPath: libraryPath(place, liveKey(image)),
    ...(image.mode === 'rootfs'
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
