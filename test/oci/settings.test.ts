import { expect, test } from 'vitest'
import { parseSettings } from '../../src/oci/settings.ts'

test.each<[string, object]>([
  ['plain http', { insecure: true }],
  ['certificates', { caFile: '/ca.pem', certFile: '/c.pem', keyFile: '/k.pem' }],
  ["a login of Harbor's", { username: 'robot$team+ci', password: 'p:w' }],
  ['an identity token', { identityToken: 'ey…' }],
  ['an identity token of somebody', { username: 'x', password: 'y' }],
  ['mirrors', { mirrors: ['m.test', 'm.test:5000/a/b', 'localhost', 'localhost/a', '[::1]:5000/x', '10.0.0.1/p'] }],
  ['nothing', {}],
])('%s of a registry is read as it is written', (_, setting) => {
  for (const host of ['a.test', 'a.test:5000', 'docker.io', 'localhost', '[::1]:5000'])
    expect(parseSettings(JSON.stringify({ [host]: setting }))).toEqual({ [host]: setting })
})

const secret = 'hunter2'
const of = (setting: object) => JSON.stringify({ 'a.test': setting })
test.each<[string, string, string]>([
  ['no JSON', secret, 'it is no JSON'],
  ['a list', `["${secret}"]`, 'it is malformed at the top'],
  ['text', `"${secret}"`, 'it is malformed at the top'],
  ['a word that nobody knows', of({ passwort: secret }), 'it is malformed at a.test'],
  [
    'a user without password',
    of({ username: secret }),
    'a.test has one of username and password, which belong together',
  ],
  ['a password without user', of({ password: secret }), 'a.test has one of username and password'],
  ['an empty password', of({ username: 'x', password: '' }), 'it is malformed at a.test.password'],
  [
    'two logins',
    of({ username: 'x', password: secret, identityToken: secret }),
    'a.test has both a password and an identityToken',
  ],
  ['a certificate without key', of({ certFile: secret }), 'a.test has one of certFile and keyFile'],
  ['a URL as a host', `{"https://user:${secret}@a.test": {}}`, 'one of its keys is no host[:port]'],
  ['a path in a host', '{"a.test/team": {}}', 'one of its keys is no host[:port]'],
  [
    "another name of Docker Hub's",
    '{"index.docker.io": {}}',
    'it has settings of index.docker.io, and the name of Docker Hub is docker.io',
  ],
  ['a mirror that is a URL', of({ mirrors: ['https://m.test'] }), 'a.test.mirrors.0 is no host[:port][/prefix]'],
  ['a mirror that is no host', of({ mirrors: ['mirror/x'] }), 'a.test.mirrors.0 is no host[:port][/prefix]'],
  ['a mirror with a slash at its end', of({ mirrors: ['m.test/'] }), 'a.test.mirrors.0 is no host[:port][/prefix]'],
  ['a mirror with a tag', of({ mirrors: ['m.test/x:1'] }), 'a.test.mirrors.0 is no host[:port][/prefix]'],
  ['too many mirrors', of({ mirrors: Array(17).fill('m.test') }), 'it is malformed at a.test.mirrors'],
])('%s is refused, and not shown', (_, text, why) => {
  const parse = () => parseSettings(text)
  expect(parse).toThrow(`Cannot read postgres-oci:registries: ${why}`)
  expect(parse).not.toThrow(secret)
})
