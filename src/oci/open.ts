import type { Reference } from '../model/reference.ts'
import { layoutSource } from './layout.ts'
import type { Network } from './network.ts'
import { type RegistrySettings, registrySource } from './registry.ts'
import type { Source } from './source.ts'

/** The only place where sources are chosen. */
export function openSource(
  reference: Reference,
  settings: RegistrySettings = {},
  options: { readonly network?: Network } = {},
): Source {
  if (reference.transport === 'oci') return layoutSource(reference.path)
  return registrySource(reference, { ...options, setting: settings[reference.registry] })
}
