/** What an image was built for, in Go's names: `{ os: 'linux', architecture: 'amd64' }`. */
export interface Platform {
  readonly os: string
  readonly architecture: string
  readonly variant?: string
}

const architectures: Readonly<Record<string, Platform>> = {
  x86_64: { os: 'linux', architecture: 'amd64' },
  amd64: { os: 'linux', architecture: 'amd64' },
  aarch64: { os: 'linux', architecture: 'arm64' },
  arm64: { os: 'linux', architecture: 'arm64' },
  ppc64le: { os: 'linux', architecture: 'ppc64le' },
  s390x: { os: 'linux', architecture: 's390x' },
  riscv64: { os: 'linux', architecture: 'riscv64' },
}

/** The platform of a Linux host, from what `uname -m` prints there. */
export function platformOfMachine(machine: string): Platform | undefined {
  return architectures[machine]
}

/** `linux/amd64`, `linux/arm/v7`. */
export function formatPlatform(platform: Platform): string {
  return [platform.os, platform.architecture, platform.variant].filter(Boolean).join('/')
}

export function parsePlatform(text: string): Platform | undefined {
  const [os, architecture, variant, ...rest] = text.split('/')
  if (!os || !architecture || rest.length > 0) return undefined
  return variant ? { os, architecture, variant } : { os, architecture }
}

/** The variant every build of an architecture has when it names none. */
const baseline: Readonly<Record<string, string>> = { amd64: 'v1', arm64: 'v8' }

/** Whether a host of platform `host` can run what was built for `image`; no variant means the baseline. */
export function runsOn(image: Platform, host: Platform): boolean {
  if (image.os !== host.os || image.architecture !== host.architecture) return false
  const base = baseline[image.architecture] ?? ''
  const wanted = image.variant ?? base
  const offered = host.variant ?? base
  return wanted === offered || wanted === base
}
