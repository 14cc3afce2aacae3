/** `berkeley` is rpm's before 4.16, and `journal` what its SQLite has not yet written where it belongs. */
export type PackageDatabase = 'dpkg' | 'apk' | 'rpm' | 'berkeley' | 'journal'

const rpm = '^(?:usr/lib/sysimage|var/lib)/rpm/'
const places: readonly { database: PackageDatabase; pattern: RegExp }[] = [
  // Distroless images have a file a package in status.d.
  { database: 'dpkg', pattern: /^var\/lib\/dpkg\/(?:status|status\.d\/(?!.*\.md5sums$)[^/]+)$/ },
  { database: 'apk', pattern: /^(?:usr\/)?lib\/apk\/db\/installed$/ },
  { database: 'rpm', pattern: new RegExp(`${rpm}(?:rpmdb\\.sqlite|Packages\\.db)$`) },
  { database: 'berkeley', pattern: new RegExp(`${rpm}Packages$`) },
  { database: 'journal', pattern: new RegExp(`${rpm}rpmdb\\.sqlite-wal$`) },
]

/** Which package manager keeps its records at this path of an image. */
export function packageDatabase(path: string): PackageDatabase | undefined {
  return places.find(({ pattern }) => pattern.test(path))?.database
}

/**
 * Reads records of dpkg (deb-control(5), dpkg's `status`) or of apk (apk-installed). Lines that are none of theirs
 * are passed over.
 *
 * @returns name → version
 */
export function readPackages(text: string, database: 'dpkg' | 'apk'): Map<string, string> {
  const packages = new Map<string, string>()
  const [name, version] = database === 'dpkg' ? ['Package', 'Version'] : ['P', 'V']
  let fields = new Map<string, string>()
  const add = () => {
    const status = fields.get('Status')
    const isInstalled = status === undefined || / (?:installed|triggers-awaited|triggers-pending)$/.test(status)
    const found = fields.get(name as string)
    if (found && isInstalled) packages.set(found, fields.get(version as string) ?? '')
    fields = new Map()
  }
  for (let at = 0; at < text.length; ) {
    const end = text.indexOf('\n', at)
    const line = text.slice(at, end < 0 ? undefined : end)
    at = end < 0 ? text.length : end + 1
    if (line.trim() === '') add()
    else {
      const colon = line.indexOf(':')
      const key = line.slice(0, colon)
      if (colon > 0 && (key === name || key === version || key === 'Status'))
        fields.set(key, line.slice(colon + 1).trim())
    }
  }
  add()
  return packages
}
