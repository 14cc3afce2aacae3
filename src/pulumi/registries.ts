import { parseSettings, type RegistrySettings } from '../oci/settings.ts'

let text = process.env['PGOCI_REGISTRIES'] ?? '{}'

/** Takes the stack's `postgres-oci:registries`, which comes before the environment's PGOCI_REGISTRIES. */
export function configureRegistries(configured: string | undefined): void {
  text = configured ?? text
}

export function registries(): RegistrySettings {
  return parseSettings(text)
}
