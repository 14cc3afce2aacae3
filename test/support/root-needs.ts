import { spawnSync } from 'node:child_process'

const packages: Readonly<Record<string, string>> = {
  mmdebstrap: 'mmdebstrap',
  'systemd-nspawn': 'systemd-container',
  ip: 'iproute2',
  ssh: 'openssh-client',
  skopeo: 'skopeo',
  umoci: 'umoci',
  'docker-registry': 'docker-registry',
  'mkfs.ext4': 'e2fsprogs',
}

/**
 * Installs what tests with real hosts need.
 *
 * @returns why they cannot run on this machine, or undefined
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
  const missing = Object.keys(packages).filter((tool) => !works('sh', ['-c', `command -v ${tool}`]))
  if (missing.length === 0) return undefined
  if (!works('apt-get', ['--version'])) return `they need ${missing.join(', ')}, and there is no apt to install them`
  const names = missing.map((tool) => packages[tool] as string)
  // RUNLEVEL=1 keeps the packages from starting their services.
  const env = { ...process.env, RUNLEVEL: '1', DEBIAN_FRONTEND: 'noninteractive' }
  spawnSync('apt-get', ['update', '-qq'], { env })
  const { status, stderr } = spawnSync('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...names], {
    env,
    encoding: 'utf8',
  })
  return status === 0 ? undefined : `apt cannot install ${names.join(', ')}: ${stderr.slice(-300)}`
}

function works(program: string, words: readonly string[]): boolean {
  return spawnSync(program, words, { stdio: 'ignore' }).status === 0
}
