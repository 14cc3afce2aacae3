import type { Network } from './network.ts'
import type { RegistrySettings } from './settings.ts'

/** Tells the user one line that is worth knowing and no error; a terminal can show it as it is. */
export type Log = (line: string) => void

/** What reading images depends on beside the reference: settings, files of Docker and Podman users, patience. */
export interface Environment {
  /** The stack's `postgres-oci:registries`; comes before what is found on disk. */
  readonly settings?: RegistrySettings
  /** Path of the archive that is the only source of what registries have: {@link bundleSource}. */
  readonly bundle?: string | undefined
  /** Where HOME, DOCKER_CONFIG, proxies and the like are looked up. @default process.env */
  readonly env?: NodeJS.ProcessEnv
  /** Where etc/, run/ and usr/share/ are. @default '/' */
  readonly systemRoot?: string
  /** @default says nothing */
  readonly log?: Log
  readonly network?: Network
}
