import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { probe } from '../../src/host/probe.ts'
import { remove } from '../../src/host/store.ts'
import type { Transport } from '../../src/host/transport.ts'
import { damaging } from '../support/damage.ts'
import { temporaryFolder } from '../support/folder.ts'
import { hosts, hostTransport } from '../support/hosts.ts'
import { mountTmpfs } from '../support/mount.ts'
import { lacksRoot } from '../support/needs.ts'
import { completeState, imageOf, install, targetAt } from '../support/store.ts'

const distribution = imageOf({ 'root/bin/postgres*': 'server', 'live/lib/plain.so*': 'plain' }, { distribution: true })
const extension = (name: string) => imageOf({ 'live/lib/vector.so*': `module ${name}` }, { distribution: false })

describe.each(hosts)('on a host with $name', (host) => {
  async function works(transport: Transport): Promise<void> {
    const target = targetAt(join(temporaryFolder(), 'store'), transport)
    for (const name of ['1', '2', '3', '4']) await install(target, { distribution, vector: extension(name) })
    expect(completeState(target.root)?.generation).toBe(4)
    for (const verify of ['quick', 'full'] as const)
      expect((await probe(target, { verify })).deviations.size, verify).toBe(0)
    await remove(target, 4)
    expect(readdirSync(target.root).sort()).toEqual(['FORMAT', 'lock'])
  }

  test('a login may have an environment that changes what tools do and say', async () => {
    const decoy = temporaryFolder()
    const env = {
      HOME: '/nowhere',
      TMPDIR: '/nowhere',
      CDPATH: decoy,
      LC_ALL: 'tr_TR.UTF-8',
      TZ: 'Pacific/Kiritimati',
      TAR_OPTIONS: '--exclude=* --verbose',
      GREP_OPTIONS: '--color=always -v',
      QUOTING_STYLE: 'c',
      TIME_STYLE: 'full-iso',
      BLOCK_SIZE: '1',
      POSIXLY_CORRECT: '1',
    }
    await works(hostTransport(host, { env }))
  })

  test('two logins in different time zones see the same trees', async () => {
    const target = targetAt(join(temporaryFolder(), 'store'), hostTransport(host, { env: { TZ: 'Asia/Tokyo' } }))
    await install(target, { distribution })
    // Were a tree to look changed, its files would be hashed, and by this they would all have the wrong content.
    const programs = { sha256sum: 'for file; do echo "$(echo "$file" | sed "s,.*/,,")  $file"; done' }
    const transport = hostTransport(host, { env: { TZ: 'America/Lima' }, programs })
    expect((await probe({ ...target, transport }, { verify: 'quick' })).deviations.size).toBe(0)
  })

  test.each(['1970-01-01 00:00:00 UTC', '2038-01-19 03:14:08 UTC', ''])('its clock may say %j', async (now) => {
    await works(hostTransport(host, { programs: { date: now === '' ? 'exit 1' : `echo "${now}"` } }))
  })

  test('it may have neither zstd nor gzip', async () => {
    await works(hostTransport(host, { without: ['zstd', 'gzip'] }))
  })

  test.skipIf(lacksRoot)('/tmp may be mounted noexec (needs root for a mount)', async () => {
    await works(hostTransport(host, { env: { TMPDIR: mountTmpfs('size=1m', 'noexec', 'nosuid', 'nodev') } }))
  })

  test.each([
    ['ID=debian\nVERSION_ID="12"', 'apt-get install mawk util-linux'],
    ['ID=ubuntu\nID_LIKE=debian', 'apt-get install mawk util-linux'],
    ['ID="rocky"\nID_LIKE="rhel centos fedora"', 'dnf install gawk util-linux'],
    ["ID='amzn'\nID_LIKE='fedora'", 'dnf install gawk util-linux'],
    ['ID="opensuse-leap"\nID_LIKE="suse opensuse"', 'zypper install gawk util-linux'],
    ['ID="sles"\nID_LIKE="suse"', 'zypper install gawk util-linux'],
    ['ID=alpine', 'apk add gawk util-linux'],
    ['ID=other', undefined],
    [undefined, undefined],
  ])('what it lacks is named as its own package manager has it: %j', async (release, command) => {
    const file = join(temporaryFolder(), 'os-release')
    if (release !== undefined) writeFileSync(file, `NAME="It's "quoted" $(reboot)"\n${release}\n`)
    const bare = hostTransport(host, { without: ['flock', 'awk'] })
    const transport = damaging(bare, 'probe', (sent) => {
      sent.script = sent.script.replace('/etc/os-release', file)
    })
    const remedy = command === undefined ? 'install there: gawk util-linux' : `run "${command}" there`
    await expect(probe(targetAt('/nowhere', transport), { verify: 'none' })).rejects.toMatchObject({
      code: 'HOST_LACKS_TOOL',
      message: `Cannot use localhost: it lacks awk, flock; ${remedy}`,
    })
  })
})
