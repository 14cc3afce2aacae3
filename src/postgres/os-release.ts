/** For an image without an operating system, as relocatable ones are. */
export const noSystem = 'none'

/** Of the systems whose packages are the same for all minor releases: extensions say `el9` or `rocky9`, never 9.4. */
const byMajor = new Set(['rhel', 'rocky', 'almalinux', 'centos', 'ol', 'fedora', 'amzn', 'sles', 'photon'])

/**
 * What an image's os-release(5) says it is, in the word that tags of extension images use: `bookworm`, `noble`,
 * `alpine3.20`, `rocky9`.
 */
export function readOsRelease(text: string): string | undefined {
  const values = new Map<string, string>()
  for (const line of text.slice(0, 16_384).split('\n')) {
    const [, key = '', value = ''] = /^([A-Z_]+)=["']?([A-Za-z0-9._-]{0,64})["']?\s*$/.exec(line) ?? []
    values.set(key, value)
  }
  const codename = values.get('VERSION_CODENAME')
  const id = values.get('ID')
  const release = values.get('VERSION_ID') ?? ''
  if (codename && (id === 'debian' || id === 'ubuntu')) return codename
  if (!id) return codename
  // Alpine's third number is a set of fixes.
  const numbers = release.split('.').slice(0, byMajor.has(id) ? 1 : 2)
  return `${id}${numbers.join('.')}`
}
