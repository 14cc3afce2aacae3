import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { vi } from 'vitest'
import type { Transport } from '../../src/host/transport.ts'
import { command } from '../support/command.ts'
import { Pause } from '../support/pause.ts'
import type { Attack } from './attack.ts'
import type { Order } from './client.ts'
import { smallExtension } from './images.ts'
import type { OpenHost } from './open-host.ts'

/** Without its last member a stream is not whole, though tar does not mind; where it is compressed we cannot see that. */
export async function cutStream(attack: Attack): Promise<void> {
  const sent = await attack.cut()
  if (attack.error === undefined && (sent.includes('/COMPLETE') || isCompressed(sent))) return
  if (attack.error?.code === 'HOST_UNREACHABLE' && /nothing was changed, run it again/.test(attack.error.message))
    return
  attack.wrongs.push(`a cut stream ended with ${attack.error?.message ?? 'success'}`)
}

/** One bit of what a file holds; tar's own checksum guards the rest. */
export async function flipBit(attack: Attack): Promise<void> {
  await attack.damage((sent) => {
    const at = sent.stdin.indexOf('module vector')
    attack.isHit = at >= 0
    const byte = at + attack.chance.below(6)
    sent.stdin[byte] = (sent.stdin[byte] ?? 0) ^ (1 << attack.chance.below(7))
  })
  if (attack.error?.code !== 'DIGEST_MISMATCH') attack.wrongs.push(`a changed byte ended with ${attack.error?.message}`)
}

function isCompressed(stream: Buffer): boolean {
  return stream.length > 4 && stream.readUInt32LE() === 0xfd2fb528
}

export async function killShell(attack: Attack): Promise<void> {
  await attack.insert('kill -9 $$')
  if (attack.error && attack.error.code !== 'HOST_UNREACHABLE')
    attack.wrongs.push(`a killed shell ended with ${attack.error.message}`)
}

/** Nothing that the shell or its programs write may be longer than this many blocks of 512 bytes. */
export const limitFiles = (attack: Attack) => attack.insert(`ulimit -f ${attack.chance.below(2)}`)

export async function killClient(attack: Attack, { local }: OpenHost): Promise<void> {
  const { place, turn } = attack.world
  const pause = new Pause(place.folder)
  const order: Order = {
    ...local,
    marker: place.marker,
    root: place.root,
    turn,
    at: attack.point,
    statement: pause.statement,
  }
  const client = spawn(process.execPath, [join(import.meta.dirname, 'client.ts'), JSON.stringify(order)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const ended = once(client, 'close').then(() => pause.end())
  client.stdout.once('data', () => pause.come())
  attack.isHit = await pause.reached()
  client.kill('SIGKILL')
  await ended
  pause.goOn()
}

/** What sshd runs for the connection ends at once; the shell does not notice before it reads or writes. */
export async function killSession(attack: Attack, { openSsh }: OpenHost): Promise<void> {
  await loseSession(attack, () => openSsh.signalSessions('SIGKILL'))
}

/** The host stops, so that keepalive gives up, and goes on afterwards. */
export async function freeze(attack: Attack, { openSsh }: OpenHost): Promise<void> {
  await loseSession(attack, () => openSsh.signalSessions('SIGSTOP'))
  openSsh.signalSessions('SIGCONT')
}

async function loseSession(attack: Attack, event: () => unknown): Promise<void> {
  if ('line' in attack.point) await attack.meanwhile(event)
  else await attack.cut(event)
  if (attack.isHit && attack.error?.code !== 'HOST_UNREACHABLE')
    attack.wrongs.push(`a lost connection ended with ${attack.error?.message ?? 'success'}`)
}

export async function fillDisk(attack: Attack, { smallDisk }: OpenHost): Promise<void> {
  await attack.meanwhile(() => smallDisk.fill())
  await attack.world.quiet()
  smallDisk.clear()
}

export async function takeInodes(attack: Attack, { smallDisk }: OpenHost): Promise<void> {
  await attack.meanwhile(() => smallDisk.crowd())
  await attack.world.quiet()
  smallDisk.clear()
}

export async function failReadOnly(attack: Attack, { loopDisk }: OpenHost): Promise<void> {
  await attack.meanwhile(() => loopDisk.failReadOnly())
  await attack.world.quiet()
  loopDisk.recover()
}

export async function cutPower(attack: Attack, { loopDisk }: OpenHost): Promise<void> {
  await attack.meanwhile(() => loopDisk.cutPower(), 'kill -9 $$')
  await attack.world.quiet()
  if (attack.isHit) loopDisk.recover()
}

/** Somebody takes away the right to write to, or to enter, one of the store's folders, and gives it back later. */
export async function forbid(attack: Attack): Promise<void> {
  const { root } = attack.world.place
  const folders = await command('find', [root, '-path', '*/trees/*', '-prune', '-o', '-type', 'd', '-print'])
  const folder = attack.chance.pick(folders.trim().split('\n'))
  const mode = attack.chance.pick([0o555, 0])
  await attack.meanwhile(() => {
    if (existsSync(folder)) chmodSync(folder, mode)
  })
  await attack.world.quiet()
  await command('find', [root, '-type', 'd', '!', '-perm', '755', '-exec', 'chmod', '755', '{}', '+'])
}

/** Nothing on the disk may be executed or mapped for that: from the beginning, or from the line on. */
export async function forbidPrograms(attack: Attack, { smallDisk }: OpenHost): Promise<void> {
  if (attack.chance.below(2) === 0) {
    attack.isHit = true
    smallDisk.remount('noexec')
    await attack.damage(() => {})
    if (!attack.error?.message.includes('noexec')) attack.wrongs.push(`noexec ended with ${attack.error?.message}`)
  } else await attack.meanwhile(() => smallDisk.remount('noexec'))
  await attack.world.quiet()
  smallDisk.remount('exec')
}

/** systemd ends everything in good order, and the machine is started again. */
export async function powerOff(attack: Attack, { debian }: OpenHost): Promise<void> {
  await loseSession(attack, () => debian.reboot())
}

export async function cutHostPower(attack: Attack, { debian }: OpenHost): Promise<void> {
  await loseSession(attack, async () => {
    await debian.cutPower()
    await debian.boot()
  })
}

/** Both clocks jump, by up to forty years in either direction. */
export async function jumpClock(attack: Attack, { clock }: OpenHost): Promise<void> {
  const time = () => 1_600_000_000 + attack.chance.below(2_500_000_000) - 1_250_000_000
  writeFileSync(clock, String(time()))
  vi.useFakeTimers({ toFake: ['Date'], now: time() * 1000 })
  try {
    await attack.meanwhile(() => writeFileSync(clock, String(time())))
  } finally {
    vi.useRealTimers()
  }
}

/** Another controller declares one more extension of the same instance. */
export async function overtake(attack: Attack): Promise<void> {
  const { world } = attack
  await compete(attack, async (transport) => {
    const parts = { another: smallExtension('another', world.turn) }
    world.declare('main', parts)
    await world.converge('main', transport, parts)
  })
}

/** The other instance goes, with all that only it needed, and ours changes so often that its past is collected. */
export async function collectGarbage(attack: Attack): Promise<void> {
  const { world } = attack
  await compete(attack, async (transport) => {
    world.declare('extra', undefined)
    await world.converge('extra', transport)
    for (const version of [1, 2, 3, 4]) {
      const parts = { another: smallExtension('another', `${world.turn} ${version}`) }
      world.declare('main', parts)
      await world.converge('main', transport, parts)
    }
  })
}

/** Lets others work while the change is stopped: to their end, or until they wait for its lock. */
async function compete(attack: Attack, act: (transport: Transport) => Promise<void>): Promise<void> {
  const { place } = attack.world
  let acting = Promise.resolve()
  await attack.meanwhile(async () => {
    const waiting = Promise.withResolvers<void>()
    const isLocked = await isHeld(join(place.root, 'lock'))
    acting = act({
      ...place.transport,
      exec: (line, options) => {
        if (isLocked && !line.endsWith('pgoci-probe')) waiting.resolve()
        return place.transport.exec(line, options)
      },
    })
    await Promise.race([acting, waiting.promise])
  })
  await acting
  if (attack.error) attack.wrongs.push(`who was overtaken gave up: ${attack.error.message}`)
}

async function isHeld(lock: string): Promise<boolean> {
  if (!existsSync(lock)) return false
  return command('flock', ['-n', lock, 'true']).then(
    () => false,
    () => true,
  )
}
