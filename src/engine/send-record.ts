import type { Probe } from '../host/answer.ts'
import type { StoreTarget } from '../host/store.ts'
import type { Tree } from '../model/tree.ts'
import type { Packing } from './pack.ts'
import { distributionName, type Member, type Record } from './record.ts'
import { liveKey, runFiles } from './resource.ts'
import { send } from './send.ts'

/**
 * Makes a generation of trees that the host has: nothing is sent but its record and how to run it.
 *
 * @param made.root name of the tree, as is `live`
 * @returns the number of the new generation
 * @throws ProviderError STORE_CHANGED when another one became current after `seen`, or a tree is damaged
 */
export async function sendRecord(
  target: StoreTarget,
  seen: Probe,
  made: { readonly record: Record; readonly root: string; readonly live: string; readonly options: SendRecordOptions },
): Promise<number> {
  const { record, options } = made
  const distribution = record.members.find(({ name }) => name === distributionName) as Member
  const tree: Tree = new Map()
  const generation = {
    number: seen.last + 1,
    key: liveKey(distribution),
    layout: record.layout,
    root: { name: made.root, tree, isNew: false },
    live: { name: made.live, tree, isNew: false },
    isCurrent: false,
  }
  await send(
    target,
    {
      generation,
      record,
      files: runFiles(target, record, generation),
      expected: seen.generation,
      compression: 'cat',
      packs: [],
      bytes: 0,
      bad: [],
      trees: [],
      manifests: [],
    },
    { packing: options.packing, ...(options.signal ? { signal: options.signal } : {}) },
  )
  return generation.number
}

export interface SendRecordOptions {
  readonly packing: Packing
  readonly signal?: AbortSignal
}
