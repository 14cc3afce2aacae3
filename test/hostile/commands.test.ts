import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { temporaryFolder } from '../support/folder.ts'
import { image } from '../support/layout.ts'
import { atEnd, connected } from '../support/ssh.ts'
import { startSshd } from '../support/sshd.ts'
import { completeState } from '../support/store.ts'
import { directory, file, link, tar } from '../support/tar.ts'
import { below, writeImage } from './shape.ts'
import { up } from './up.ts'

// What a shell, find, tar, xargs or awk on the host could take for something else than a name.
const names = [
  '$(touch pwned)',
  '`touch pwned`',
  ';touch pwned',
  '& touch pwned &',
  '| touch pwned',
  "'; touch pwned; '",
  '"; touch pwned; "',
  '$(printf touch\\040pwned)',
  `\${IFS}touch\${IFS}pwned`,
  '> pwned',
  '--checkpoint=1',
  '--checkpoint-action=exec=touch pwned',
  '--to-command=touch pwned',
  '-rf',
  '-exec touch pwned ;',
  '-',
  '--',
  '~root',
  '!!',
  '#x',
  '*',
  '?[a-z]',
  '{a,b}',
  '%n%s%x',
  '\\n',
  '\\0047',
  '\\',
  '=x',
  'x=1',
  ' leading',
  'trailing ',
  '  ',
  'COMPLETE',
  'SUMS',
  'é\u0301',
  '\u202eexe.so',
]

test('names and links that would run commands arrive on the far side of SSH to the byte, and run nothing', async () => {
  const home = temporaryFolder()
  const layout = join(home, 'layout')
  const root = join(home, 'store')
  const place = 'opt/pg/lib/postgresql'
  const odd = tar(
    directory('opt/pg/links'),
    ...names.map((name) => file(`${place}/${name}`, `content of ${name}`)),
    ...names.map((name, at) => link(`opt/pg/links/${at}`, `../lib/postgresql/${name}`)),
    ...names.map((name) => link(`opt/pg/links/${name}`, name)),
  )
  writeImage(layout, image([below.distribution, odd]))
  const sshd = await startSshd({ env: { ...process.env, HOME: home } })
  atEnd(() => sshd.close())
  const transport = await connected({
    host: '127.0.0.1',
    port: sshd.port,
    user: 'u',
    password: 'test',
    hostKey: sshd.hostKey,
  })
  await up(`oci:${layout}:root`, { kind: 'distribution', transport, root })

  const state = completeState(root)
  const live = join(root, 'trees', state?.live ?? '', 'lib')
  expect(readdirSync(live).sort()).toEqual([...names].sort())
  for (const name of names) expect(readFileSync(join(live, name), 'utf8')).toBe(`content of ${name}`)
  const links = join(root, 'trees', state?.root ?? '', 'opt/pg/links')
  for (const [at, name] of names.entries()) {
    expect(readlinkSync(join(links, String(at)))).toBe(`../lib/postgresql/${name}`)
    expect(readlinkSync(join(links, name))).toBe(name)
  }
  for (const folder of [home, root, live, links, process.cwd()]) expect(existsSync(join(folder, 'pwned'))).toBe(false)
})
