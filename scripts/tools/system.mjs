import { has, step } from './step.mjs'

/** What tests with real hosts, registries and shells need, as `program: Debian package`. */
const packages = {
  buildah: 'buildah',
  busybox: 'busybox',
  csh: 'csh',
  curl: 'curl',
  'docker-registry': 'docker-registry',
  fish: 'fish',
  ip: 'iproute2',
  'mkfs.ext4': 'e2fsprogs',
  mksh: 'mksh',
  mmdebstrap: 'mmdebstrap',
  nix: 'nix-bin',
  openssl: 'openssl',
  readelf: 'binutils',
  rpmbuild: 'rpm',
  rsync: 'rsync',
  runc: 'runc',
  shellcheck: 'shellcheck',
  skopeo: 'skopeo',
  ssh: 'openssh-client',
  sshd: 'openssh-server',
  sudo: 'sudo',
  'systemd-nspawn': 'systemd-container',
  tcsh: 'tcsh',
  umoci: 'umoci',
  wget: 'wget',
  zstd: 'zstd',
}

/** Installs them where that can be done without asking; elsewhere the tests say what they lack. */
export function ensureSystem() {
  if (process.getuid() !== 0 || !has('apt-get')) return
  const path = `${process.env.PATH}:/usr/sbin:/sbin`
  process.env.PATH = path
  const missing = Object.entries(packages).filter(([program]) => !has('sh', ['-c', `command -v ${program}`]))
  if (missing.length === 0) return
  const names = missing.map(([, name]) => name)
  // RUNLEVEL=1 keeps the packages from starting their services.
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' }
  step('Updating the list of Debian packages', 'apt-get', ['update', '-qq'], { env })
  step(`Installing ${names.join(', ')}`, 'apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...names], {
    env,
  })
}
