import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { expect, test } from 'vitest'
import { processorOfEnded } from '../../bench/processes.ts'
import { command } from '../support/command.ts'

const burn = 'const end = () => process.cpuUsage().user > 200_000; while (!end());'

test('processor seconds are those of all processes of a command, also of its pipelines and of their children', async () => {
  const before = processorOfEnded()
  const script = `"$0" -e "$1" | cat; sh -c '"$0" -e "$1"; true' "$0" "$1"`
  await command('bash', ['-c', script, process.execPath, burn])
  expect(processorOfEnded() - before).toBeGreaterThanOrEqual(0.4)
})

test('processor seconds are not those of what still runs, as the sshd of the host does', async () => {
  const child = spawn(process.execPath, ['-e', `${burn} console.log('burnt'); setInterval(() => {}, 1000)`])
  try {
    const before = processorOfEnded()
    await once(child.stdout, 'data')
    expect(processorOfEnded() - before).toBe(0)
  } finally {
    child.kill('SIGKILL')
  }
})
