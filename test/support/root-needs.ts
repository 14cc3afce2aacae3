import { spawnSync } from 'node:child_process'

// `npm test` installs them where it may (scripts/tools/system.mjs).
const programs = [
  'mmdebstrap',
  'systemd-nspawn',
  'ip',
  'ssh',
  'skopeo',
  'umoci',
  'docker-registry',
  'mkfs.ext4',
  'perl',
]

/**
 * @returns why tests with real hosts cannot run on this machine, or undefined
 * @throws where CI=true, because there they must run
 */
export function whyNoRealHosts(): string | undefined {
  const why = findObstacle()
  if (why !== undefined && process.env['CI'] === 'true') throw new Error(`Real hosts must be tested in CI: ${why}`)
  return why
}

function findObstacle(): string | undefined {
  if (process.getuid?.() !== 0) return 'they need root'
  if (!works('unshare', '--mount', '--net', '--pid', '--fork', 'true')) return 'they need namespaces'
  if (!works('test', '-e', '/dev/loop-control')) return 'they need loop devices'
  const missing = programs.filter((program) => !works('sh', '-c', `command -v ${program}`))
  return missing.length === 0 ? undefined : `install ${missing.join(', ')}`
}

function works(program: string, ...words: readonly string[]): boolean {
  return spawnSync(program, words, { stdio: 'ignore' }).status === 0
}
