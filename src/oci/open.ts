import type { Reference } from '../model/reference.ts'
import { layoutSource } from './layout.ts'
import { type RegistrySettings, registrySource } from './registry.ts'
import type { Source } from './source.ts'

/** The only place where sources are chosen. */
export function openSource(reference: Reference, settings: RegistrySettings = {}): Source {
  return reference.transport === 'oci' ? layoutSource(reference.path) : registrySource(reference, settings)
}
