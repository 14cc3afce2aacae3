import { chmodSync, chownSync, mkdirSync, readdirSync, readFileSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { probe } from '../../src/host/probe.ts'
import { damaging } from '../support/damage.ts'
import { temporaryFolder } from '../support/folder.ts'
import { hosts, hostTransport } from '../support/hosts.ts'
import { lacksRoot } from '../support/needs.ts'
import { Pause } from '../support/pause.ts'
import { imageOf, install, targetAt } from '../support/store.ts'

const distribution = imageOf({ 'root/bin/postgres*': 'server' }, { distribution: true })
const own = expect.stringMatching(/^pgoci-run\..{6}$/)

describe.each(hosts)('the folder for temporary files on a host with $name', (host) => {
  const temporary = temporaryFolder()
  const target = targetAt(join(temporaryFolder(), 'store'), hostTransport(host, { env: { TMPDIR: temporary } }))
  const look = () => probe(target, { verify: 'none' })
  const pushing = (statement: string) => {
    const transport = damaging(target.transport, 'push', (sent) => {
      sent.script = sent.script.replace('\nsweep_leftovers\n', (line) => `\n${statement}${line}`)
    })
    return install({ ...target, transport }, { distribution })
  }

  test('Bug: what shells that were killed had in it stayed for ever; the next look removes it', async () => {
    await expect(pushing('kill -9 $$')).rejects.toMatchObject({ code: 'HOST_UNREACHABLE' })
    expect(readdirSync(temporary)).toEqual([own])
    await look()
    expect(readdirSync(temporary)).toEqual([])
  })

  test('Bug: shells that began at once could sweep what another had just made, which was told as a full disk', async () => {
    const transport = damaging(target.transport, 'probe', (sent) => {
      // Each of them sweeps before it makes its own, so all that one makes may be gone as often as there are others.
      const sweeping =
        'swept=; flock() { [ "$swept" = xxxxxxxxxxxx ] || { swept=x$swept; rmdir "$scratch"; }; command flock "$@"; }'
      sent.script = sent.script.replace('\nmake_scratch\n', (line) => `\n${sweeping}${line}`)
    })
    expect(await probe({ ...target, transport }, { verify: 'none' })).toMatchObject({ generation: 0 })
    expect(readdirSync(temporary)).toEqual([])
  })

  test('what a program that outlived its shell may still use stays until it ends', async () => {
    const pid = join(temporaryFolder(), 'pid')
    await expect(pushing(`sleep 600 </dev/null >/dev/null 2>&1 & echo $! >${pid}; kill -9 $$`)).rejects.toMatchObject({
      code: 'HOST_UNREACHABLE',
    })
    await look()
    expect(readdirSync(temporary)).toEqual([own])
    process.kill(Number(readFileSync(pid, 'utf8')))
    const left = async () => {
      await look()
      return readdirSync(temporary)
    }
    await expect.poll(left, { timeout: 60_000 }).toEqual([])
  })

  test('what another shell is at work in stays', async () => {
    const pause = new Pause(temporaryFolder())
    const slow = pushing(pause.statement)
    expect(await pause.reached()).toBe(true)
    await look()
    expect(readdirSync(temporary)).toEqual([own])
    pause.goOn()
    await slow
    expect(readdirSync(temporary)).toEqual([])
  })

  test.skipIf(lacksRoot)(
    'what is not ours stays: of another user, writable to others, or behind a link (needs root)',
    async () => {
      const precious = temporaryFolder()
      const folder = (name: string, mode: number, owner: number) => {
        mkdirSync(join(temporary, name))
        chmodSync(join(temporary, name), mode)
        chownSync(join(temporary, name), owner, owner)
      }
      folder('pgoci-run.nobody', 0o700, 65534)
      folder('pgoci-run.public', 0o777, 0)
      folder('pgoci-run.longer.name', 0o700, 0)
      folder('pgoci-run.ours22', 0o700, 0)
      symlinkSync(precious, join(temporary, 'pgoci-run.linked'))
      chmodSync(precious, 0o700)
      await look()
      expect(readdirSync(temporary).sort()).toEqual([
        'pgoci-run.linked',
        'pgoci-run.longer.name',
        'pgoci-run.nobody',
        'pgoci-run.public',
      ])
      expect(readdirSync(join(precious, '..'))).toContain(precious.split('/').at(-1))
    },
  )
})
