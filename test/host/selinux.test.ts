import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { temporaryFolder } from '../support/folder.ts'
import { hosts, hostTransport } from '../support/hosts.ts'
import { completeState, imageOf, install, targetAt } from '../support/store.ts'

const distribution = imageOf({ 'root/bin/postgres*': 'server', 'live/lib/plain.so': 'plain' }, { distribution: true })

// No kernel here has SELinux, so what is tested is what a host is told: programs in its PATH write it down.
describe.each(hosts)('on a host with SELinux and $name', (host) => {
  function hostWith(chcon: string, enabled = 'exit 0') {
    const log = join(temporaryFolder(), 'log')
    const programs = {
      selinuxenabled: enabled,
      chcon: `echo "chcon $*" >>${log}; ls -A "\${5:-$3}" >>${log}; ${chcon}`,
    }
    const target = targetAt(join(temporaryFolder(), 'store'), hostTransport(host, { programs }))
    return { target, told: () => readFileSync(log, 'utf8') }
  }

  test('all that is new gets its type while it is staged, before any server sees it', async () => {
    const { target, told } = hostWith('exit 0')
    await install(target, { distribution })
    expect(told()).toMatch(/^chcon -R -h -t bin_t staging\/next\n/)
    // Nothing was moved out yet.
    for (const folder of ['objects', 'trees', 'generation', 'COMPLETE']) expect(told().split('\n')).toContain(folder)
  })

  test('a type that is refused ends the change, and nothing is switched', async () => {
    const { target } = hostWith('echo "chcon: failed to change context of \'x\': Invalid argument" >&2; exit 1')
    await expect(install(target, { distribution })).rejects.toMatchObject({
      code: 'HOST_REFUSED',
      message: expect.stringMatching(/SELinux there refuses the type of a program for files in .*: Invalid argument/),
    })
    expect(completeState(target.root)).toBeUndefined()
  })

  test('a file system that has one type for all its files is taken as it is', async () => {
    const { target } = hostWith('echo "chcon: failed to change context of \'x\': Operation not supported" >&2; exit 1')
    await install(target, { distribution })
    expect(completeState(target.root)?.generation).toBe(1)
  })

  test('where it is off, nothing is told', async () => {
    const { target, told } = hostWith('exit 0', 'exit 1')
    await install(target, { distribution })
    expect(told).toThrow('ENOENT')
  })
})
