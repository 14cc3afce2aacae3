import type { Reference } from '../model/reference.ts'
import type { Environment } from './environment.ts'
import { layoutSource } from './layout.ts'
import { registrySource } from './registry.ts'
import type { Source } from './source.ts'

/** The only place where sources are chosen. */
export function openSource(reference: Reference, environment: Environment = {}): Source {
  if (reference.transport === 'oci') return layoutSource(reference.path)
  const { settings = {}, network } = environment
  return registrySource(reference, { setting: settings[reference.registry], network })
}
