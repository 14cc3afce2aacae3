import { z } from 'zod'
import { ProviderError } from '../model/error.ts'
import type { RegistrySettings } from '../oci/registry.ts'

const schema = z.record(
  z.string(),
  z.strictObject({ insecure: z.boolean().optional(), caFile: z.string().max(4096).optional() }),
)

let text = process.env['PGOCI_REGISTRIES'] ?? '{}'

/** Takes the stack's `postgres-oci:registries`, which comes before the environment's PGOCI_REGISTRIES. */
export function configureRegistries(configured: string | undefined): void {
  text = configured ?? text
}

export function registries(): RegistrySettings {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    value = undefined
  }
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  const where = parsed.error.issues[0]?.path.join('.') || 'the top'
  throw new ProviderError(
    'BAD_INPUT',
    `Cannot read postgres-oci:registries: it is malformed at ${where}; expected JSON as in {"registry.example.com:5000": {"insecure": true, "caFile": "/etc/ssl/ca.pem"}}`,
  )
}
