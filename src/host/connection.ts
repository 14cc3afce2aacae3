import { z } from 'zod'

// The argument names of `@pulumi/command`, plus `privateKeyPath`, `knownHosts` and `insecureIgnoreHostKey`.
const endpoint = {
  host: z
    .string()
    .min(1)
    .max(255)
    .regex(/^[^-\s/][^\s/]*$/, 'must be a host name or an address'),
  port: z.int().min(1).max(65535).optional(),
  user: z
    .string()
    .min(1)
    .max(64)
    .regex(/^[^-\s]\S*$/, 'must be a user name')
    .optional(),
  password: z.string().max(4096).optional(),
  privateKey: z.string().max(65536).optional(),
  privateKeyPath: z.string().max(4096).optional(),
  privateKeyPassword: z.string().max(4096).optional(),
  agentSocketPath: z.string().max(4096).optional(),
  /** How many failed attempts to give up after, default 3; -1: as many as fit in ten minutes. */
  dialErrorLimit: z.int().min(-1).max(1000).optional(),
  /** Seconds for one attempt, login included; default 15; 0: ten minutes. */
  perDialTimeout: z.int().min(0).max(600).optional(),
  /** `ssh-ed25519 AAAA…` or `SHA256:…`, several on a line each. */
  hostKey: z.string().max(65536).optional(),
  /** A known_hosts file's path, or its content. */
  knownHosts: z
    .string()
    .max(4 * 1024 * 1024)
    .optional(),
  insecureIgnoreHostKey: z.boolean().optional(),
}

const endpointSchema = z.strictObject(endpoint)

export const connectionSchema = z.strictObject({
  ...endpoint,
  sudo: z.boolean().optional(),
  /** A host to jump through. */
  proxy: endpointSchema.optional(),
})

export type Connection = z.infer<typeof connectionSchema>

/** What it takes to log in somewhere: a host, or the one to jump through. */
export type Endpoint = z.infer<typeof endpointSchema>

export function endpointName({ user = 'root', host, port = 22 }: Endpoint): string {
  return `${user}@${host}${port === 22 ? '' : `:${port}`}`
}
