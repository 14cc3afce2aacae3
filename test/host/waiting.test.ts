import { expect, test } from 'vitest'
import { hearWaiting, parseLockWait } from '../../src/host/waiting.ts'

test('hearWaiting() tells what the host says after BEGIN, however it is cut, and escapes it', () => {
  const told: string[] = []
  const hear = hearWaiting('n', { name: 'db1', limit: 300, tell: (line) => void told.push(line) })
  const text = `WAIT\t0\tan rc file\nBEGIN n\nWAIT\t0\tünï \u001b[31m\nother\nWAIT\tx\ty\nWAIT\t60\t\nOK\n`
  for (const byte of Buffer.from(text)) hear(Buffer.from([byte]))
  expect(told).toEqual([
    'Waiting for db1: ünï \\x1b[31m is at work there; waits up to 300 s',
    'Waiting for db1: somebody is at work there; has waited 60 s of 300 s',
  ])
})

test('parseLockWait() takes whole seconds, 300 when nothing is said', () => {
  expect([undefined, '', '0', '900'].map(parseLockWait)).toEqual([300, 300, 0, 900])
  for (const text of ['-1', '1.5', 'soon', '86401']) expect(() => parseLockWait(text)).toThrow(/expected whole seconds/)
})
