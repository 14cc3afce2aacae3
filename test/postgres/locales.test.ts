import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { localeFolders, readLocaleArchive } from '../../src/postgres/locales.ts'
import { temporaryFolder } from '../support/folder.ts'
import { testWith } from '../support/needs.ts'
import { treeFrom } from '../support/trees.ts'

testWith('localedef')('an archive that localedef made lists what localedef lists', async () => {
  const prefix = temporaryFolder()
  const folder = join(prefix, 'usr/lib/locale')
  mkdirSync(folder, { recursive: true })
  for (const [input, name] of [
    ['en_US', 'en_US.UTF-8'],
    ['de_DE', 'de_DE.UTF-8'],
  ] as const)
    execFileSync('localedef', [`--prefix=${prefix}`, '-c', '-i', input, '-f', 'UTF-8', name], { stdio: 'pipe' })
  const listed = execFileSync('localedef', [`--prefix=${prefix}`, '--list-archive'], { encoding: 'utf8' })
  const bytes = readFileSync(join(folder, 'locale-archive'))
  expect(readLocaleArchive(bytes).sort()).toEqual(listed.trim().split('\n').sort())
  for (let at = 0; at < 60; at += 1) {
    const damaged = Buffer.from(bytes)
    damaged[at] = 0xff
    try {
      readLocaleArchive(damaged)
    } catch (error) {
      expect(error).toBeInstanceOf(SyntaxError)
    }
  }
})

test('what is no archive has no locales', () => {
  expect(readLocaleArchive(Buffer.from('no archive at all'))).toEqual([])
  expect(readLocaleArchive(Buffer.alloc(0))).toEqual([])
})

test('locales with a folder of their own', () => {
  const tree = treeFrom('usr/lib/locale/C.utf8/LC_COLLATE', 'usr/lib/locale/en_US.utf8/LC_COLLATE', 'usr/lib/locale/x')
  expect(localeFolders(tree)).toEqual(['C.utf8', 'en_US.utf8'])
})

test('bug: an archive that ends in its head was no SyntaxError', () => {
  const head = Buffer.alloc(20)
  head.writeUInt32LE(0xde020109)
  for (let length = 0; length <= head.length; length += 1)
    expect(readLocaleArchive(head.subarray(0, length))).toEqual([])
})
