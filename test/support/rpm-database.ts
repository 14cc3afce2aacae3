import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

export interface RpmPackage {
  readonly name: string
  readonly version: string
  readonly epoch?: number
  /** Of its description, which is in the database too. */
  readonly size?: number
}

/** What rpm itself keeps after packages were installed, and what it says of them; made in `folder`, with rpmbuild. */
export function rpmDatabase(
  folder: string,
  packages: readonly RpmPackage[],
): { readonly bytes: Buffer; readonly said: Map<string, string> } {
  mkdirSync(folder, { recursive: true })
  const env = { PATH: `${process.env['PATH']}:/usr/sbin:/sbin`, HOME: folder }
  writeFileSync(join(folder, '.rpmmacros'), `%_dbpath ${folder}/db\n%_db_backend sqlite\n%_topdir ${folder}/build\n`)
  const parts = packages.map(
    ({ name, version, epoch, size = 0 }) =>
      `%package -n ${name}\nSummary: x\nVersion: ${version}\nRelease: 3\n${epoch === undefined ? '' : `Epoch: ${epoch}\n`}%description -n ${name}\n${'word '.repeat(size / 5)}\n%files -n ${name}\n`,
  )
  const head = 'Name: all\nVersion: 1\nRelease: 3\nSummary: x\nLicense: x\nBuildArch: noarch\n%description\nx\n'
  writeFileSync(join(folder, 'all.spec'), head + parts.join(''))
  const run = (command: string, ...words: string[]) =>
    execFileSync(command, words, { env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
  run('rpmbuild', '-bb', join(folder, 'all.spec'))
  const built = join(folder, 'build/RPMS/noarch')
  run('rpm', '-i', '--justdb', '--force-debian', '--nodeps', ...readdirSync(built).map((name) => join(built, name)))
  const lines = run('rpm', '-qa', '--qf', '%{NAME} %{EVR}\\n').trimEnd().split('\n')
  const bytes = readFileSync(join(folder, 'db/rpmdb.sqlite'))
  rmSync(folder, { recursive: true })
  return { bytes, said: new Map(lines.map((line) => line.split(' ') as [string, string])) }
}
