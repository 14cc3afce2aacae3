import { describe, expect, test } from 'vitest'
import { hostKeyLine, judgeHostKey, parseHostKeys, parseKnownHosts } from '../../src/host/known-hosts.ts'

const blob = Buffer.concat([
  Buffer.from([0, 0, 0, 11]),
  Buffer.from('ssh-ed25519'),
  Buffer.from([0, 0, 0, 32]),
  Buffer.alloc(32, 7),
])
const key = hostKeyLine(blob)
const values = (text: string, host = 'db1.example.com', port = 22) =>
  parseKnownHosts(text, host, port).map(({ value }) => value)
const base64 = blob.toString('base64')

describe('known_hosts', () => {
  test.each([
    ['a plain name', `db1.example.com ${key}`, true],
    ['one name of several, in any case', `10.0.0.1,DB1.Example.com ${key} comment`, true],
    ['a wildcard', `*.example.com ${key}`, true],
    ['a question mark', `db?.example.com ${key}`, true],
    ['wildcards that may stand for nothing', `*d*b?.*example.com* ${key}`, true],
    ['a wildcard in front of another end', `*.example ${key}`, false],
    ['bug: so many wildcards that it took years', `${'*e'.repeat(40)}*x ${key}`, false],
    ['bug: a name that was too long for a regular expression', `${'*-'.repeat(2 ** 17)} ${key}`, false],
    ['a wildcard that a negation takes back', `*.example.com,!db1.example.com ${key}`, false],
    ['a dot, which is no wildcard', `db1xexample.com ${key}`, false],
    ['another name', `db2.example.com ${key}`, false],
    ['a comment', `# db1.example.com ${key}`, false],
    ['a line without a key', 'db1.example.com ssh-ed25519', false],
    ['the key of a certificate authority', `@cert-authority *.example.com ${key}`, false],
    ['another port', `[db1.example.com]:2222 ${key}`, false],
    ['a damaged hash', `|1|AAAA|BBBB ${key}`, false],
  ])('%s', (_, text, isFound) => {
    expect(values(text)).toEqual(isFound ? [base64] : [])
  })

  test('other ports than 22 are written in brackets', () => {
    expect(values(`[db1.example.com]:2222 ${key}`, 'db1.example.com', 2222)).toEqual([base64])
    expect(values(`db1.example.com ${key}`, 'db1.example.com', 2222)).toEqual([])
  })
})

describe('a key that a host shows', () => {
  test('is known by its line or by its fingerprint, unknown, changed or revoked', () => {
    const other = key.replace(/.{8}$/, 'AAAAAAA=')
    expect(judgeHostKey(parseHostKeys(`${other}\n${key} comment`), blob)).toBe('known')
    expect(judgeHostKey(parseHostKeys(other), blob)).toBe('changed')
    expect(judgeHostKey(parseHostKeys(''), blob)).toBe('unknown')
    expect(judgeHostKey(parseKnownHosts(`@revoked * ${other}`, 'db1'), blob)).toBe('unknown')
    expect(judgeHostKey([...parseHostKeys(key), ...parseKnownHosts(`@revoked * ${key}`, 'db1')], blob)).toBe('revoked')
  })

  test('is printed as a line whatever it holds', () => {
    expect(hostKeyLine(blob)).toBe(`ssh-ed25519 ${base64}`)
    expect(() => hostKeyLine(Buffer.alloc(0))).not.toThrow()
    expect(hostKeyLine(Buffer.alloc(4, 255)).length).toBeLessThan(100)
  })
})
