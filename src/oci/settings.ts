import { z } from 'zod'
import { ProviderError } from '../model/error.ts'

const path = z.string().min(1).max(4096)
const secret = z.string().min(1).max(65_536)

const settingSchema = z.strictObject({
  /** Plain HTTP. */
  insecure: z.boolean().optional(),
  /** Certificates (PEM) that are trusted besides the system's. */
  caFile: path.optional(),
  /** Certificate and key (PEM) that we show to a registry that asks who we are. */
  certFile: path.optional(),
  keyFile: path.optional(),
  username: z.string().min(1).max(1024).optional(),
  password: secret.optional(),
  /** An OAuth2 refresh token instead of a password, as `az acr login` gives. */
  identityToken: secret.optional(),
  /** `host[:port][/prefix]`, asked first and in order; by digest only. */
  mirrors: z.array(z.string().min(1).max(255)).max(16).optional(),
})

/** What the environment says of a registry. */
export type RegistrySetting = z.infer<typeof settingSchema>

/** What the environment says of registries, by `host[:port]`. */
export type RegistrySettings = Readonly<Record<string, RegistrySetting>>

const settingsSchema = z.record(z.string().max(255), settingSchema)

/**
 * Reads the JSON of the stack's `postgres-oci:registries`, or of PGOCI_REGISTRIES. It holds secrets, so what was found
 * is never part of the message.
 *
 * @throws ProviderError BAD_INPUT
 */
export function parseSettings(text: string): RegistrySettings {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    value = undefined
  }
  const parsed = settingsSchema.safeParse(value)
  if (parsed.success) return parsed.data
  const where = parsed.error.issues[0]?.path.join('.') || 'the top'
  throw new ProviderError(
    'BAD_INPUT',
    `Cannot read postgres-oci:registries: it is malformed at ${where}; expected JSON as in {"registry.example.com:5000": {"insecure": true, "caFile": "/etc/ssl/ca.pem"}}`,
  )
}
