import { spawnSync } from 'node:child_process'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Member, packTar } from '../../src/archive/pack.ts'
import { readArchive } from '../../src/archive/read.ts'
import { testWith } from '../support/needs.ts'
import { stream } from '../support/tar.ts'

const name = fc.string({ unit: fc.constantFrom(...'abcŐ😀 \\"$-'), minLength: 1, maxLength: 40 })
const path = fc.array(name, { minLength: 1, maxLength: 8 }).map((parts) => parts.join('/'))
const content = fc.uint8Array({ maxLength: 1500 })
const member: fc.Arbitrary<Member> = fc.oneof(
  fc.record({ kind: fc.constant('directory'), path }),
  fc.record({ kind: fc.constant('link'), path, target: path }),
  fc.record({ kind: fc.constant('hardlink'), path, target: path }),
  fc
    .record({ kind: fc.constant('file'), path, executable: fc.boolean(), content })
    .map((one): Member => ({ ...one, size: one.content.length })),
)

async function packed(members: readonly Member[]): Promise<Buffer> {
  return Buffer.concat(await Array.fromAsync(packTar(members) as AsyncIterable<Buffer>))
}

test('what is packed is read back, whatever the names, and packs to the same bytes', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(member, { maxLength: 12 }), async (members) => {
      const bytes = await packed(members)
      const back: object[] = []
      for await (const { kind, path: text, target, mode, size, body } of readArchive(stream(bytes), 'ours')) {
        const read = Buffer.concat(await Array.fromAsync(body))
        back.push({ kind, path: text.replace(/\/$/, ''), target, mode, size, read: read.toString('hex') })
      }
      expect(back).toEqual(
        members.map((one) => ({
          kind: one.kind,
          path: one.path,
          target: 'target' in one ? one.target : '',
          mode: {
            directory: 0o755,
            link: 0o777,
            hardlink: 0o444,
            file: one.kind === 'file' && one.executable ? 0o555 : 0o444,
          }[one.kind],
          size: one.kind === 'file' ? one.size : 0,
          read: one.kind === 'file' ? Buffer.from(one.content as Uint8Array).toString('hex') : '',
        })),
      )
      expect((await packed(members)).equals(bytes)).toBe(true)
    }),
  )
})

test.each([
  ['short', 10],
  ['long', 2],
])('a content that is too %s is an error', async (_, size) => {
  const one: Member = { kind: 'file', path: 'a', size, executable: false, content: Buffer.from('12345') }
  await expect(packed([one])).rejects.toThrow('Cannot pack "a"')
})

testWith('tar', 'busybox')('GNU tar and busybox list the same names as we wrote', async () => {
  const long = `${'directory/'.repeat(20)}file`
  const members: Member[] = [
    { kind: 'directory', path: 'd' },
    { kind: 'file', path: long, size: 1, executable: true, content: Buffer.from('1') },
    { kind: 'link', path: 'd/l', target: long },
    { kind: 'hardlink', path: 'd/h', target: long },
  ]
  const input = await packed(members)
  const list = (...words: string[]) =>
    spawnSync(words[0] as string, words.slice(1), { input })
      .stdout.toString()
      .trim()
  for (const words of [
    ['tar', '-tf', '-'],
    ['busybox', 'tar', '-tf', '-'],
  ])
    expect(
      list(...words)
        .split('\n')
        .map((text) => text.replace(/\/$/, '')),
    ).toEqual(['d', long, 'd/l', 'd/h'])
})
