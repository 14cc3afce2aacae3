import { join } from 'node:path'
import { expect, test } from 'vitest'
import { distributionFiles, writeLayout } from '../support/postgres-images.ts'
import { TestStack } from '../support/pulumi.ts'

const program = `import { Distribution } from 'pulumi-postgres-oci'
const connection = { host: '127.0.0.1', port: 1, hostKey: 'ssh-ed25519 AAAA' }
const platform = process.arch === 'arm64' ? 'linux/arm64' : 'linux/amd64'
new Distribution('pg', { connection, platform, image: 'oci:./images:pg18' })
`

test('Pinned: under an update plan, up installs what the first preview showed, or nothing', async () => {
  const stack = new TestStack(program, { main: 'index.mjs', env: { PULUMI_EXPERIMENTAL: 'true' } })
  try {
    const files = distributionFiles()
    const layout = join(stack.folder, 'images')
    await writeLayout(layout, [{ tag: 'pg18', files }])
    await stack.init()
    await stack.expect(0, 'preview', '--save-plan', 'plan.json')
    await writeLayout(layout, [{ tag: 'pg18', files: new Map([...files, ['share/moved', Buffer.from('x')]]) }])
    const { code, output } = await stack.run('up', '--yes', '--plan', 'plan.json')
    expect(code).not.toBe(0)
    expect(output).toMatch(/violates plan: properties changed: .*\+\+digest/)
  } finally {
    stack.remove()
  }
})
