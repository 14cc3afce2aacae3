import { z } from 'zod'

/** What instances and extensions are called: it becomes the name of a folder and of a systemd unit. */
export const nameSchema = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$/, 'must be 1 to 63 letters, digits, "_", "." or "-"')

/** Folder of a store on a host. */
export const rootSchema = z
  .string()
  .max(255)
  .regex(/^(?:\/(?!\.\.?(?:\/|$))[A-Za-z0-9_.-]+)+$/, 'must be an absolute path of plain names, without "." and ".."')
  .default('/var/lib/pgoci')
