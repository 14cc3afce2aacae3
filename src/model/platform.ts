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

/** The number of the variant that every build of an architecture has when it names none. */
const baseline: Readonly<Record<string, number>> = { amd64: 1, arm: 7, arm64: 8 }

/** `v3` is 3; each runs what is built for a lower one. */
function levelOf(platform: Platform): number | undefined {
  if (platform.variant === undefined) return baseline[platform.architecture] ?? 0
  const level = /^v(\d{1,2})$/.exec(platform.variant)?.[1]
  return level === undefined ? undefined : Number(level)
}

/** Whether a host of platform `host` can run what was built for `image`. */
export function runsOn(image: Platform, host: Platform): boolean {
  if (image.os !== host.os || image.architecture !== host.architecture) return false
  const wanted = levelOf(image)
  const offered = levelOf(host)
  if (wanted === undefined || offered === undefined) return image.variant === host.variant
  return wanted <= offered
}

/** Of what runs on a host, the first of those that use most of it. */
export function preferred<T extends { readonly platform: Platform }>(images: readonly T[]): T | undefined {
  return images.reduce<T | undefined>(
    (best, one) => (best && (levelOf(best.platform) ?? 0) >= (levelOf(one.platform) ?? 0) ? best : one),
    undefined,
  )
}
