import type { Inputs, Kind, Pinned, Values } from './kind.ts'
import { platformOfHost, resolve } from './session.ts'

/**
 * The inputs with pin, platform and facts. A pin moves only when the reference's text or `repin` does; whatever else
 * changes, and however the host looks, it stays. What is pinned and proven already asks neither registry nor host.
 */
export async function pin(kind: Kind, olds: Values, inputs: Inputs): Promise<Values> {
  const isPinned =
    olds['image'] === inputs.image && olds['repin'] === inputs.repin && typeof olds['digest'] === 'string'
  const platform = inputs.platform ?? knownPlatform(olds, inputs) ?? (await platformOfHost(inputs))
  const digest = isPinned ? String(olds['digest']) : await resolve(inputs.image)
  const pinned = { ...inputs, digest, platform } as Inputs & Pinned & Values
  const isProven =
    isPinned &&
    olds['platform'] === platform &&
    olds['postgresMajor'] ===
      (kind.facts.includes('postgresMajor') ? olds['postgresMajor'] : pinned['postgresMajor']) &&
    kind.facts.every((fact) => fact in olds)
  const facts = isProven ? Object.fromEntries(kind.facts.map((fact) => [fact, olds[fact]])) : await kind.prove(pinned)
  return { ...pinned, ...facts }
}

function knownPlatform(olds: Values, inputs: Inputs): string | undefined {
  const isSameHost = hostOf(olds) === hostOf(inputs as unknown as Values)
  return isSameHost && typeof olds['platform'] === 'string' ? olds['platform'] : undefined
}

/** `host:port`: what makes a connection lead to another host. */
export function hostOf(values: Values): string {
  const { host, port } = (values['connection'] ?? {}) as { host?: string; port?: number }
  return `${host}:${port ?? 22}`
}
