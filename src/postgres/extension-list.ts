import { z } from 'zod'
import { platformOfMachine } from '../model/platform.ts'
import { parseVersion } from '../model/version.ts'
import type { Built, Offer } from './offer.ts'

const text = z.string().min(1).max(255)

const listSchema = z.object({
  extensions: z
    .array(
      z.object({
        name: text,
        versions: z
          .array(
            z.object({
              version: text,
              availableFor: z
                .array(
                  z.object({
                    flavor: text.nullish(),
                    /** A major version, or an exact one. */
                    postgresVersion: text,
                    arch: text.nullish(),
                    os: text.nullish(),
                  }),
                )
                .max(2000),
            }),
          )
          .max(2000),
      }),
    )
    .max(5000),
})

/** The index of a StackGres extensions repository: what there is, of which version, for what. */
export type ExtensionList = z.infer<typeof listSchema>

export function findList(document: unknown): ExtensionList | undefined {
  return listSchema.safeParse(document).data
}

/**
 * What a list has of a name.
 *
 * @param referenceTo where the image of a version is, which such a list does not say
 */
export function offersOfList(
  { extensions }: ExtensionList,
  name: string,
  referenceTo: (version: string) => string,
): Offer[] {
  return extensions
    .filter((extension) => extension.name === name)
    .flatMap(({ versions }) => versions)
    .flatMap(({ version: written, availableFor }) => {
      const version = parseVersion(written)
      if (version === undefined) return []
      return (
        availableFor
          // Others are forks of Postgres.
          .filter(({ flavor }) => (flavor ?? 'pg') === 'pg')
          .map(({ postgresVersion, arch, os }) => ({
            version,
            reference: referenceTo(written),
            built: { ...builtFor(postgresVersion), ...systemOf(os), ...machineOf(arch) },
          }))
      )
    })
}

function builtFor(postgresVersion: string): Built {
  const major = Number.parseInt(postgresVersion, 10)
  return postgresVersion.includes('.') ? { major, exactly: postgresVersion } : { major }
}

/** `linux` says no more than that it is none of the others. */
function systemOf(os: string | null | undefined): Built {
  return !os || os === 'linux' ? {} : { os }
}

function machineOf(arch: string | null | undefined): Built {
  return arch ? { architecture: platformOfMachine(arch)?.architecture ?? arch } : {}
}
