import {
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { sum } from './tar.ts'

/** A small root file system on disk: what builders are given. */
export function writeRootfs(folder: string): void {
  for (const path of ['usr/bin', 'usr/lib', 'usr/share/x', 'etc']) mkdirSync(join(folder, path), { recursive: true })
  const put = (path: string, content: string, mode = 0o644) => writeFileSync(join(folder, path), content, { mode })
  put('usr/bin/tool', '#!/bin/sh\n', 0o755)
  put('usr/lib/libä.so', 'x'.repeat(70_000))
  put('usr/lib/empty', '')
  put(`usr/share/x/${'long'.repeat(40)}`, 'long')
  put('etc/gone', 'gone')
  linkSync(join(folder, 'usr/lib/libä.so'), join(folder, 'usr/lib/hard.so'))
  symlinkSync('libä.so', join(folder, 'usr/lib/soft.so'))
  symlinkSync('usr/lib', join(folder, 'lib'))
}

/** A folder on disk as `describeTree` describes ours. */
export function describeFolder(folder: string, at = ''): string[] {
  return readdirSync(join(folder, at))
    .flatMap((name) => {
      const path = at === '' ? name : `${at}/${name}`
      const full = join(folder, path)
      const stat = lstatSync(full)
      if (stat.isDirectory()) return [`${path}/`, ...describeFolder(folder, path)]
      if (stat.isSymbolicLink()) return [`${path} -> ${readlinkSync(full)}`]
      return [`${path}${stat.mode & 0o111 ? '*' : ''} = ${sum(readFileSync(full, 'utf8'))}`]
    })
    .sort()
}
