import { z } from 'zod'
import { ProviderError } from '../model/error.ts'

const path = z.string().min(1).max(4096)
const secret = z.string().min(1).max(65_536)
const host = z
  .string()
  .max(255)
  .regex(/^(?:[A-Za-z0-9][A-Za-z0-9.-]*|\[[0-9a-fA-F:]+\])(?::[0-9]{1,5})?$/)
const place = z
  .string()
  .max(255)
  .regex(/^(?=[^/]*[.:]|localhost(?:\/|$))[A-Za-z0-9[][^\s/]*(?:\/[a-z0-9._-]+)*$/, 'is no host[:port][/prefix]')

const settingSchema = z
  .strictObject({
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
    /** `host[:port][/prefix]`, asked first and in order; by digest only, so that none needs to be trusted. */
    mirrors: z.array(place).max(16).optional(),
  })
  .refine(bothOrNone('username', 'password'), 'has one of username and password, which belong together')
  .refine(bothOrNone('certFile', 'keyFile'), 'has one of certFile and keyFile, which belong together')
  .refine((one) => !(one.identityToken && one.password), 'has both a password and an identityToken; keep one')

/** What the environment says of a registry. */
export type RegistrySetting = z.infer<typeof settingSchema>

/** What the environment says of registries, by `host[:port]`. */
export type RegistrySettings = Readonly<Record<string, RegistrySetting>>

const settingsSchema = z.record(host, settingSchema)

/** Other names of Docker Hub, by which no image is known here; a setting of theirs would never count. */
const hubAliases = ['index.docker.io', 'registry-1.docker.io']

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
    throw bad('it is no JSON')
  }
  const parsed = settingsSchema.safeParse(value)
  if (parsed.success) {
    const alias = hubAliases.find((name) => name in parsed.data)
    if (alias) throw bad(`it has settings of ${alias}, and the name of Docker Hub is docker.io`)
    return parsed.data
  }
  const issue = parsed.error.issues[0]
  if (issue?.code === 'invalid_key') throw bad('one of its keys is no host[:port]')
  const where = issue?.path.join('.') || 'the top'
  // zod's other messages can quote what they found.
  const isOurs = issue?.code === 'custom' || (issue?.code === 'invalid_format' && issue.format === 'regex')
  throw bad(isOurs ? `${where} ${issue.message}` : `it is malformed at ${where}`)
}

function bothOrNone<Name extends string>(one: Name, other: Name) {
  return (setting: Partial<Record<Name, unknown>>) => (setting[one] === undefined) === (setting[other] === undefined)
}

function bad(why: string): ProviderError {
  return new ProviderError(
    'BAD_INPUT',
    `Cannot read postgres-oci:registries: ${why}; expected JSON as in {"registry.example.com:5000": {"insecure": true, "caFile": "/etc/ssl/ca.pem"}}`,
  )
}
