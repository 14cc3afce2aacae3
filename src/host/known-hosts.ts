import { createHash, createHmac } from 'node:crypto'

export interface KnownKey {
  /** `ssh-ed25519`; unknown of a fingerprint. */
  readonly type: string | undefined
  /** The key as it goes over the wire, in base64, or `SHA256:…`. */
  readonly value: string
  readonly revoked: boolean
}

/** The keys of a `hostKey` argument: lines of `type base64 [comment]` or `SHA256:…`. */
export function parseHostKeys(text: string): KnownKey[] {
  return text.split('\n').flatMap((line): KnownKey[] => {
    const [first = '', second] = line.trim().split(/\s+/)
    if (first.startsWith('SHA256:')) return [{ type: undefined, value: first.replace(/=+$/, ''), revoked: false }]
    return second ? [{ type: first, value: second, revoked: false }] : []
  })
}

/**
 * The keys that a known_hosts text has for a host (sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT"): plain, with wildcards and
 * negation, or hashed names; `[host]:port` for other ports than 22. Keys of certificate authorities are none of the
 * host's own, and ssh2 knows no certificates, so `@cert-authority` lines do not count.
 */
export function parseKnownHosts(text: string, host: string, port = 22): KnownKey[] {
  const name = port === 22 ? host.toLowerCase() : `[${host.toLowerCase()}]:${port}`
  return text.split('\n').flatMap((line): KnownKey[] => {
    const words = line.trim().split(/\s+/)
    const marker = words[0]?.startsWith('@') ? words.shift() : undefined
    const [names = '', type, value] = words
    if (names.startsWith('#') || !value || marker === '@cert-authority' || !namesHost(names, name)) return []
    return [{ type, value, revoked: marker === '@revoked' }]
  })
}

function namesHost(names: string, name: string): boolean {
  if (names.startsWith('|1|')) {
    const [, , salt = '', hash = ''] = names.split('|')
    return createHmac('sha1', Buffer.from(salt, 'base64')).update(name).digest('base64') === hash
  }
  const patterns = names.toLowerCase().split(',')
  if (patterns.some((pattern) => pattern.startsWith('!') && matches(pattern.slice(1), name))) return false
  return patterns.some((pattern) => !pattern.startsWith('!') && matches(pattern, name))
}

/** Goes on from all places at once where the pattern so far can end: a regular expression would try each way through. */
function matches(pattern: string, name: string): boolean {
  let ends = new Set([0])
  for (const part of pattern.replace(/\*+/g, '*')) {
    const [first] = ends
    if (first === undefined) return false
    ends =
      part === '*'
        ? new Set(Array.from({ length: name.length - first + 1 }, (_, index) => first + index))
        : new Set([...ends].flatMap((at) => ((part === '?' ? at < name.length : part === name[at]) ? [at + 1] : [])))
  }
  return ends.has(name.length)
}

export type Verdict = 'known' | 'unknown' | 'changed' | 'revoked'

/** What the keys say of the one that a host shows. */
export function judgeHostKey(keys: readonly KnownKey[], shown: Buffer): Verdict {
  const base64 = shown.toString('base64')
  const fingerprint = `SHA256:${createHash('sha256').update(shown).digest('base64').replace(/=+$/, '')}`
  const same = keys.filter(({ value }) => value === base64 || value === fingerprint)
  if (same.some(({ revoked }) => revoked)) return 'revoked'
  if (same.length > 0) return 'known'
  return keys.some(({ revoked }) => !revoked) ? 'changed' : 'unknown'
}

/** `ssh-ed25519 AAAA…`, from a key as it goes over the wire (RFC 4253, 6.6). */
export function hostKeyLine(key: Buffer): string {
  const length = key.length >= 4 ? key.readUInt32BE(0) : 0
  return `${key.subarray(4, 4 + Math.min(length, 64)).toString('latin1')} ${key.toString('base64')}`
}
