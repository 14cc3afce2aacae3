import { z } from 'zod'

/** The argument names of `@pulumi/command`, plus `privateKeyPath`, `sudo` and `insecureIgnoreHostKey`. */
export const connectionSchema = z.strictObject({
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
  perDialTimeout: z.int().min(1).max(3600).optional(),
  hostKey: z.string().max(65536).optional(),
  insecureIgnoreHostKey: z.boolean().optional(),
  sudo: z.boolean().optional(),
})

export type Connection = z.infer<typeof connectionSchema>
