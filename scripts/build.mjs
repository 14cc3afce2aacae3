// Builds dist: the types, a bundle of our own modules, and the shell scripts, which are read at run time.
import { spawnSync } from 'node:child_process'
import { chmodSync, cpSync, readdirSync, rmSync } from 'node:fs'
import { rolldown } from 'rolldown'

rmSync('dist', { recursive: true, force: true })
const { status } = spawnSync(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json'], {
  stdio: 'inherit',
})
if (status !== 0) process.exit(status ?? 1)

// Pulumi starts a provider for every command; loading two hundred small modules would be a third of that start.
const bundle = await rolldown({
  input: { index: './src/index.ts', provider: './src/provider.ts', 'cli/main': './src/cli/main.ts' },
  platform: 'node',
  external: /^[^./]/,
})
await bundle.write({ dir: 'dist', format: 'esm', chunkFileNames: 'shared/[name]-[hash].js', sourcemap: true })
await bundle.close()
for (const name of readdirSync('src/host')) if (name.endsWith('.sh')) cpSync(`src/host/${name}`, `dist/shared/${name}`)
chmodSync('dist/cli/main.js', 0o755)
