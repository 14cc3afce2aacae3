// Compiles src to dist and brings the shell scripts along, which are read at run time; the command can be run.
import { spawnSync } from 'node:child_process'
import { chmodSync, cpSync, readdirSync, rmSync } from 'node:fs'

rmSync('dist', { recursive: true, force: true })
const { status } = spawnSync(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json'], {
  stdio: 'inherit',
})
if (status !== 0) process.exit(status ?? 1)
for (const name of readdirSync('src/host')) if (name.endsWith('.sh')) cpSync(`src/host/${name}`, `dist/host/${name}`)
chmodSync('dist/cli/main.js', 0o755)
