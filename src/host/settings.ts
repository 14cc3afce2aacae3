import { ProviderError } from '../model/error.ts'
import type { Cluster } from './packaged.ts'
import { runScript } from './script.ts'
import type { StoreTarget } from './store.ts'

type Signal = { readonly signal?: AbortSignal }

/** A setting's name and value; neither has anything that would have to be quoted. */
export type Setting = readonly [name: string, value: string]

/** What a cluster says of settings, whatever they should be; undefined for one that is down. */
export async function lookAtSettings(
  target: StoreTarget,
  cluster: Cluster,
  settings: readonly Setting[],
  options: Signal = {},
): Promise<Map<string, string> | undefined> {
  const lines = await attach(target, 'look', { cluster, settings }, options)
  if (lines.some(([key]) => key === 'down')) return undefined
  return new Map(lines.flatMap(([key, name = '', value = '']) => (key === 'setting' ? [[name, value] as const] : [])))
}

/** Sets them for good, or takes back what was set so; a reload, no restart. Resolves when the cluster follows. */
export async function changeSettings(
  target: StoreTarget,
  action: 'set' | 'reset',
  change: { readonly cluster: Cluster; readonly settings: readonly Setting[] },
  options: Signal = {},
): Promise<void> {
  await attach(target, action, change, options)
}

function attach(
  { transport, root, instance, sudo }: StoreTarget,
  action: 'look' | 'set' | 'reset',
  { cluster, settings }: { readonly cluster: Cluster; readonly settings: readonly Setting[] },
  options: Signal,
): Promise<string[][]> {
  const { bin, owner, data, config } = cluster
  for (const [name, value] of settings)
    if (!/^[a-z_]+$/.test(name) || !/^[A-Za-z0-9_./:$-]+$/.test(value))
      throw new ProviderError('BAD_INPUT', `Cannot set ${name}: its value holds more than plain path characters`)
  const words = [root, instance, action, bin, owner, data, config, ...settings.flat()]
  return runScript(transport, 'attach', words, { sudo, ...options })
}
