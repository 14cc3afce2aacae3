import { spawnSync } from 'node:child_process'

const programs = ['mmdebstrap', 'systemd-nspawn', 'ip', 'ssh', 'skopeo', 'umoci', 'docker-registry', 'mkfs.ext4']

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
  if (!works('unshare', ['--mount', '--net', '--pid', '--fork', 'true'])) return 'they need namespaces'
  if (!works('sh', ['-c', 'test -e /dev/loop-control'])) return 'they need loop devices'
  const missing = programs.filter((program) => !works('sh', ['-c', `command -v ${program}`]))
  return missing.length === 0 ? undefined : `they need ${missing.join(', ')}; npm test installs them where it can`
}

function works(program: string, words: readonly string[]): boolean {
  return spawnSync(program, words, { stdio: 'ignore' }).status === 0
}
