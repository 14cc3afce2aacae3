import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { beforeEach } from 'vitest'
import { parseReference, type RegistryReference } from '../../src/model/reference.ts'
import type { Credential } from '../../src/oci/credential.ts'
import type { Environment } from '../../src/oci/environment.ts'
import { temporaryFolder } from './folder.ts'

/** A user's home (`home`), programs (`bin`) and system (`etc`, `run`, `usr/share`), new for each test of a file. */
export function userFiles() {
  const files = {
    folder: '',
    environment: { env: {} } as Environment & { env: NodeJS.ProcessEnv },
    /** Writes a file, as JSON unless it is text, and returns its path. */
    write: (path: string, content: unknown, mode = 0o600): string => {
      const full = join(files.folder, path)
      mkdirSync(dirname(full), { recursive: true })
      writeFileSync(full, typeof content === 'string' ? content : JSON.stringify(content), { mode })
      return full
    },
    /** Writes a credential helper in sh, and returns its path. */
    helper: (name: string, script: string, mode = 0o755): string =>
      files.write(`bin/docker-credential-${name}`, `#!/bin/sh\n${script}\n`, mode),
  }
  beforeEach(() => {
    files.folder = temporaryFolder()
    const env = { HOME: join(files.folder, 'home'), PATH: `${join(files.folder, 'bin')}:${process.env['PATH']}` }
    files.environment = { env, systemRoot: files.folder }
  })
  return files
}

/** A reference to an image in a registry, or a mistake in the test. */
export function registryReference(text: string): RegistryReference {
  const reference = parseReference(text)
  if (reference.transport !== 'registry') throw new TypeError(text)
  return reference
}

/** An entry of `auths`. */
export const authOf = (login: string) => ({ auth: Buffer.from(login).toString('base64') })

/** `auths` as a login leaves them, by key. */
export const authsOf = (logins: Readonly<Record<string, string>>) => ({
  auths: Object.fromEntries(Object.entries(logins).map(([key, login]) => [key, authOf(login)])),
})

/** What `user:password` becomes. */
export const loginOf = (text: string) => ({
  username: text.slice(0, text.indexOf(':')),
  password: text.slice(text.indexOf(':') + 1),
})

/** A login without where it was found. */
export function withoutSource(found: Credential | undefined) {
  if (found === undefined) return undefined
  const { source: _, ...login } = found
  return login
}
