import { parseSettings, type RegistrySettings } from '../oci/settings.ts'

interface Configured {
  readonly registries: string | undefined
  readonly bundle: string | undefined
}

let configured: Configured = { registries: undefined, bundle: undefined }

/** Takes the stack's settings, which come before the environment's PGOCI_REGISTRIES and PGOCI_BUNDLE. */
export function configureRegistries(settings: Configured): void {
  configured = settings
}

export function registries(): RegistrySettings {
  return parseSettings(configured.registries ?? process.env['PGOCI_REGISTRIES'] ?? '{}')
}

/** The archive that is the only source of what registries have. */
export function bundle(): string | undefined {
  return configured.bundle || process.env['PGOCI_BUNDLE'] || undefined
}
