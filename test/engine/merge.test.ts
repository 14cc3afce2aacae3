import { expect, test } from 'vitest'
import { merge } from '../../src/engine/merge.ts'
import { treeFrom } from '../support/trees.ts'

const places = { livePath: '/live', libraryDirectory: 'usr/lib/pg', shareDirectory: 'usr/share/pg' }
const distribution = {
  name: 'distribution',
  image: 'os',
  tree: treeFrom(
    'root/usr/lib/x.so',
    'root/usr/sbin/x',
    'root/lib -> usr/lib',
    'root/sbin -> /usr/sbin',
    'live/lib/a.so',
  ),
}
const extension = (...lines: readonly string[]) => ({ name: 'ext', image: 'ext:1', tree: treeFrom(...lines) })

test('libraries and shared files are links to the live folders, which are all there from the beginning', () => {
  const { root, live } = merge([distribution], places)
  expect(root.get('usr/lib/pg')).toEqual({ kind: 'link', target: '/live/lib' })
  expect(root.get('usr/share/pg')).toEqual({ kind: 'link', target: '/live/share' })
  expect([...live.keys()].sort()).toEqual(['lib', 'lib/a.so', 'share', 'system'])
})

test('an extension that still knows /lib and /sbin goes where the distribution has them', () => {
  const { root } = merge([distribution, extension('root/lib/udev/rules', 'root/sbin/tool')], places)
  expect(root.get('usr/lib/udev/rules')?.kind).toBe('file')
  expect(root.get('usr/sbin/tool')?.kind).toBe('file')
  expect(root.get('lib')).toEqual({ kind: 'link', target: 'usr/lib' })
  expect([...root.keys()].filter((path) => /^s?(?:bin|lib)\//.test(path))).toEqual([])
})

test('the same path in other words is the same path, so other content there is a conflict', () => {
  expect(() => merge([distribution, extension('root/lib/x.so')], places)).toThrow(/usr\/lib\/x\.so.* differs from/)
})

test('links never lead out of the root, and links that never end are a conflict', () => {
  const odd = { ...distribution, tree: treeFrom('root/out -> ../../../usr', 'root/a -> b', 'root/b -> a') }
  const { root } = merge([odd, extension('root/out/x')], places)
  expect(root.get('usr/x')?.kind).toBe('file')
  expect(() => merge([odd, extension('root/a/x')], places)).toThrow(/root\/a\/x/)
})
