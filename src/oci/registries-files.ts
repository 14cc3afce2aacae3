import { readdirSync } from 'node:fs'
import { basename, join } from 'node:path'
import { messageOf } from '../model/error.ts'
import { printable } from '../model/quote.ts'
import { badFile, pathsOf, readConfigFile } from './config-file.ts'
import type { Environment } from './environment.ts'
import { parseRegistriesConf, type RegistriesConf, type RegistryTable } from './registries-conf.ts'

/**
 * What all registries.conf files say together that Podman and its kin read (containers-registries.conf.5): the user's file,
 * else the machine's, else the distribution's; then drop-ins in the order of their names, of which the user's hides
 * the machine's of the same name. A later file's table takes the place of an earlier one's with the same prefix.
 * CONTAINERS_REGISTRIES_CONF names one file to read instead of them all, and then it must be there.
 *
 * @throws ProviderError BAD_INPUT
 */
export function readRegistriesConf(environment: Environment): RegistriesConf {
  const { env = process.env } = environment
  const named = env['CONTAINERS_REGISTRIES_CONF']
  const override = env['CONTAINERS_REGISTRIES_CONF_OVERRIDE']
  const usual = named ? [] : [...mainFile(environment), ...dropIns(environment)]
  const tables = new Map<string, RegistryTable>()
  let helpers: RegistriesConf['helpers']
  for (const path of [named ?? '', ...usual, override ?? '']) {
    if (path === '') continue
    const text = readConfigFile(path)
    if (text === undefined && (path === named || path === override)) throw badFile(path, 'there is no such file')
    const parsed = parseRegistriesConf(text ?? '', path)
    for (const table of parsed.tables) tables.set(table.prefix, table)
    helpers = parsed.helpers ?? helpers
  }
  return { tables: [...tables.values()], helpers: helpers?.length ? helpers : undefined }
}

function mainFile(environment: Environment): string[] {
  const { config, system } = pathsOf(environment)
  const candidates = [config('containers'), system('etc/containers'), system('usr/share/containers')]
  const paths = candidates.map((folder) => join(folder, 'registries.conf'))
  const found = paths.find((path) => readConfigFile(path) !== undefined)
  return found === undefined ? [] : [found]
}

function dropIns(environment: Environment): string[] {
  const { config, system } = pathsOf(environment)
  const uid = process.getuid?.() ?? 0
  const special = uid === 0 ? ['rootful.conf.d'] : [`rootless.conf.d/${uid}`, 'rootless.conf.d']
  const ofSystem = (folder: string) =>
    [...special, 'conf.d'].map((name) => join(system(folder), 'containers', `registries.${name}`))
  const found = new Map<string, string>()
  for (const folder of [config('containers/registries.conf.d'), ...ofSystem('etc'), ...ofSystem('usr/share')]) {
    for (const path of confFiles(folder)) if (!found.has(basename(path))) found.set(basename(path), path)
  }
  return [...found].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, path]) => path)
}

function confFiles(folder: string): string[] {
  try {
    const entries = readdirSync(folder, { withFileTypes: true })
    return entries
      .filter((one) => !one.isDirectory() && one.name.endsWith('.conf'))
      .map((one) => join(folder, one.name))
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR') return []
    throw badFile(folder, printable(messageOf(error)))
  }
}
