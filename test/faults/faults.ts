import { existsSync } from 'node:fs'
import type { Verb } from '../../src/host/verb.ts'
import { lacks, lacksRoot } from '../support/needs.ts'
import { whyNoRealHosts } from '../support/root-needs.ts'
import type { Attack } from './attack.ts'
import type { changes } from './changes.ts'
import { type Column, debian, postgres, shells, sshd } from './columns.ts'
import type { OpenHost, Setting } from './open-host.ts'
import * as strikes from './strikes.ts'

/** One way in which the world is bad, and how often it happens in the long run, on each kind of host. */
export interface Fault {
  readonly name: string
  readonly change: keyof typeof changes
  /** What is interrupted: a verb's script before one of its lines, or its stream between members or anywhere. */
  readonly verb: Verb
  readonly at: 'line' | 'member' | 'byte'
  /** Which lines; default all that the change passes, those of functions too. */
  readonly of?: 'its own lines'
  /** Makes the change and does it harm; afterwards the host is well again. */
  readonly strike: (attack: Attack, host: OpenHost) => Promise<void>
  readonly on: readonly Column[]
  readonly times: number
  /** How often in `npm test`, on one kind of host; 1 when not said. */
  readonly sample?: number
  readonly setting?: Setting
  /** What this machine must have. */
  readonly needs?: 'root' | 'ext4 errors'
}

const push = { change: 'update', verb: 'push' } as const
const local = { on: shells }

export const faults: readonly Fault[] = [
  {
    name: 'stream cut between members',
    ...push,
    at: 'member',
    strike: strikes.cutStream,
    on: [...shells, postgres],
    times: 7,
    sample: 2,
  },
  { name: 'stream cut at a byte', ...push, at: 'byte', strike: strikes.cutStream, ...local, times: 3 },
  {
    name: 'zstd stream cut at a byte',
    ...push,
    at: 'byte',
    strike: strikes.cutStream,
    ...local,
    times: 2,
    setting: { hasZstd: true },
  },
  { name: 'a bit flipped in a file', ...push, at: 'byte', strike: strikes.flipBit, ...local, times: 1 },
  {
    name: 'shell killed in an update',
    ...push,
    at: 'line',
    strike: strikes.killShell,
    on: [...shells, postgres],
    times: 52,
    sample: 3,
  },
  {
    name: 'shell killed in a first push',
    ...push,
    change: 'first',
    at: 'line',
    strike: strikes.killShell,
    ...local,
    times: 4,
  },
  {
    name: 'shell killed in a repair',
    ...push,
    change: 'repair',
    at: 'line',
    strike: strikes.killShell,
    ...local,
    times: 4,
  },
  {
    name: 'shell killed in a removal',
    change: 'removal',
    verb: 'remove',
    at: 'line',
    of: 'its own lines',
    strike: strikes.killShell,
    ...local,
    times: 6,
    sample: 2,
  },
  {
    name: 'shell killed in the last removal',
    change: 'emptying',
    verb: 'remove',
    at: 'line',
    of: 'its own lines',
    strike: strikes.killShell,
    ...local,
    times: 4,
  },
  {
    name: 'shell killed in a probe',
    ...push,
    verb: 'probe',
    at: 'line',
    of: 'its own lines',
    strike: strikes.killShell,
    ...local,
    times: 22,
  },
  { name: 'client killed at a line', ...push, at: 'line', strike: strikes.killClient, ...local, times: 2 },
  { name: 'client killed at a byte', ...push, at: 'byte', strike: strikes.killClient, ...local, times: 1 },
  { name: 'session killed at a line', ...push, at: 'line', strike: strikes.killSession, on: [sshd], times: 6 },
  { name: 'session killed at a byte', ...push, at: 'byte', strike: strikes.killSession, on: [sshd], times: 4 },
  { name: 'host frozen at a line', ...push, at: 'line', strike: strikes.freeze, on: [sshd], times: 4 },
  { name: 'host frozen at a byte', ...push, at: 'byte', strike: strikes.freeze, on: [sshd], times: 4 },
  {
    name: 'disk full',
    ...push,
    at: 'line',
    strike: strikes.fillDisk,
    ...local,
    times: 3,
    setting: { disk: 'small' },
    needs: 'root',
  },
  {
    name: 'no inode free',
    ...push,
    at: 'line',
    strike: strikes.takeInodes,
    ...local,
    times: 3,
    setting: { disk: 'small' },
    needs: 'root',
  },
  {
    name: 'folder for temporary files full',
    ...push,
    at: 'line',
    strike: strikes.fillDisk,
    ...local,
    times: 2,
    setting: { disk: 'small temporary' },
    needs: 'root',
  },
  {
    name: 'files may not grow (ulimit)',
    ...push,
    at: 'line',
    strike: strikes.limitFiles,
    on: [...shells, postgres],
    times: 3,
  },
  {
    name: 'disk turns read-only',
    ...push,
    at: 'line',
    strike: strikes.failReadOnly,
    ...local,
    times: 3,
    setting: { disk: 'ext4' },
    needs: 'ext4 errors',
  },
  {
    name: 'power cut of the disk',
    ...push,
    at: 'line',
    strike: strikes.cutPower,
    ...local,
    times: 4,
    setting: { disk: 'ext4' },
    needs: 'root',
  },
  {
    name: 'disk turns noexec',
    ...push,
    at: 'line',
    strike: strikes.forbidPrograms,
    ...local,
    times: 2,
    setting: { disk: 'small' },
    needs: 'root',
  },
  { name: 'real host powered off', ...push, at: 'line', strike: strikes.powerOff, on: [debian], times: 3 },
  { name: 'power cut of a real host', ...push, at: 'line', strike: strikes.cutHostPower, on: [debian], times: 4 },
  { name: 'EACCES', ...push, at: 'line', strike: strikes.forbid, ...local, times: 3, setting: { user: 'nobody' } },
  {
    name: 'clock jumps',
    ...push,
    at: 'line',
    strike: strikes.jumpClock,
    ...local,
    times: 2,
    setting: { hasOddClock: true },
  },
  { name: 'two changes at once', ...push, at: 'line', strike: strikes.overtake, on: [...shells, postgres], times: 2 },
  {
    name: 'garbage collected during a push',
    ...push,
    change: 'sharing',
    at: 'line',
    strike: strikes.collectGarbage,
    ...local,
    times: 1,
  },
  {
    name: 'garbage collected before a push',
    ...push,
    change: 'sharing',
    verb: 'probe',
    at: 'line',
    strike: strikes.collectGarbage,
    ...local,
    times: 1,
    sample: 0,
  },
  {
    name: 'garbage collected during a probe',
    change: 'look',
    verb: 'probe',
    at: 'line',
    strike: strikes.collectGarbage,
    ...local,
    times: 1,
    sample: 0,
  },
]

/** Why a fault cannot be injected here, if so. */
export function obstacle({ needs }: Fault, { kind }: Column): string | undefined {
  if (needs !== undefined && lacksRoot) return 'needs root'
  if (needs === 'ext4 errors' && !existsSync('/sys/fs/ext4')) return 'needs /sys/fs/ext4'
  if (kind === 'debian') return whyNoRealHosts()
  if (kind === 'sshd' && lacks('/usr/sbin/sshd')) return 'needs openssh-server'
  return undefined
}
