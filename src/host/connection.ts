import { z } from 'zod'
import type { Sudo } from './sudo.ts'

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
  /** How many failed attempts to give up after, default 3, or 6 where the host turns logins away; -1: as many as fit in ten minutes. */
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
  /** Path of an ssh_config(5) file, in which `host` is looked up as an alias. */
  sshConfig: z.string().min(1).max(4096).optional(),
}

type Single = z.infer<z.ZodObject<typeof endpoint>>

/** What it takes to log in somewhere: a host, or one to jump through, which may itself be behind another. */
export interface Endpoint extends Single {
  readonly proxy?: Endpoint | undefined
  /** The name that known_hosts has it under, from an ssh_config file: no argument. */
  readonly hostKeyAlias?: string | undefined
}

const longestChain = 5

function endpointSchema(proxies: number): z.ZodType<Endpoint> {
  const proxy =
    proxies > 0
      ? endpointSchema(proxies - 1).optional()
      : z.undefined({ error: `more than ${longestChain} proxies, one behind the other` })
  return z.strictObject({ ...endpoint, proxy })
}

export const connectionSchema = z.strictObject({
  ...endpoint,
  /** `ssh2`, the library, or `openssh`, this machine's `ssh`; default ssh2. */
  transport: z.enum(['ssh2', 'openssh']).optional(),
  sudo: z.boolean().optional(),
  sudoPassword: z
    .string()
    .min(1)
    .max(4096)
    .regex(/^[^\n]*$/, 'must be one line')
    .optional(),
  /** A host to jump through. */
  proxy: endpointSchema(longestChain - 1).optional(),
})

export type Connection = z.infer<typeof connectionSchema>

export function endpointName({ user = 'root', host, port = 22 }: Endpoint): string {
  return `${user}@${host}${port === 22 ? '' : `:${port}`}`
}

/** How the user of a connection becomes root. */
export function sudoOf({ sudo = false, sudoPassword }: Connection): Sudo {
  return sudo && sudoPassword !== undefined ? { password: sudoPassword } : sudo
}
