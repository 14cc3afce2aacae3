import { parseSettings, type RegistrySettings } from '../oci/settings.ts'

let text = process.env['PGOCI_REGISTRIES'] ?? '{}'
let bundlePath = process.env['PGOCI_BUNDLE'] || undefined

/** Takes the stack's settings, which come before the environment's PGOCI_REGISTRIES and PGOCI_BUNDLE. */
export function configureRegistries(configured: { registries: string | undefined; bundle: string | undefined }): void {
  text = configured.registries ?? text
  bundlePath = configured.bundle || bundlePath
}

export function registries(): RegistrySettings {
  return parseSettings(text)
}

/** The archive that is the only source of what registries have. */
export function bundle(): string | undefined {
  return bundlePath
}
