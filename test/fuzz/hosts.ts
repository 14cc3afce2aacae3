import { parseRecord } from '../../src/engine/record.ts'
import { parseProbe } from '../../src/host/answer.ts'
import { parseHostKeys, parseKnownHosts } from '../../src/host/known-hosts.ts'
import { survey } from '../../src/host/packaged.ts'
import type { StoreTarget } from '../../src/host/store.ts'
import { ProviderError } from '../../src/model/error.ts'
import type { Reader } from './readers.ts'

const digest = `sha256:${'0'.repeat(64)}`
const hash = 'a'.repeat(64)

const probe = `machine\tx86_64
gzip\tyes
generation\t3
last\t4
shown\t3
record\t{}
kept\t2\t{}
manifest\t${hash}
m\ta\tf\t444\t${hash}
held\t${hash}
tree\t3\troot\tt
check\tt\twant\ta\tf\t444\tx
check\tt\tmore\t7
store\thave\tFORMAT\tf\t644\tx
bad\tx
missing\tx
renewed\tt\t1\t2
running\t1\t2\tt
mapped\tt\ta\tgone\t1
package\ta\tlibx
`
/** What a host says for which nobody has asked, too. */
const surveys = [
  `motd\nBEGIN NONCE\nmachine\tx86_64\nserver\t/usr/lib/postgresql/15/bin\t/usr/lib/postgresql/15/lib\t/usr/share/postgresql/15\t15.18\textension_destdir\ncluster\t15/main\tonline\tpostgres\t/var/lib/postgresql/15/main\t/etc/postgresql/15/main\t/usr/lib/postgresql/15/bin\nOK\n`,
  'BEGIN NONCE\nFAIL\tHOST_LACKS_TOOL\tawk flock\tdebian\n',
  'BEGIN NONCE\nFAIL\tLOCKED\tsomebody\n',
  'This account is currently not available.\n',
]
const knownHosts = `[db.example.com]:2222 ssh-ed25519 AAAA
*.example.com,!x ssh-rsa BBBB
|1|AAAA|BBBB= ssh-rsa CCCC
@revoked * ssh-rsa DDDD
SHA256:abc=
`
const record = JSON.stringify({
  version: 1,
  members: [
    {
      ...{
        name: 'distribution',
        token: 't',
        stack: 's/t',
        reference: 'a:1',
        image: 'a',
        digest,
        platform: 'linux/amd64',
      },
      ...{ treeDigest: digest, major: 18 },
    },
  ],
  layout: { mode: 'rootfs', binDirectory: 'bin', libraryDirectory: 'lib', shareDirectory: 'share' },
  when: '2026-01-01',
  who: 'me',
})

const texts = (...all: readonly string[]) => all.map((text) => Buffer.from(text))
const throws = ProviderError

export const hostReaders: readonly Reader[] = [
  {
    name: 'answers of hosts',
    samples: texts(...surveys),
    read: (bytes) => survey(saying(bytes.toString('utf8'))),
    throws,
  },
  {
    name: 'probes of hosts',
    samples: texts(probe),
    read: (bytes) => parseProbe(splitLines(bytes.toString('utf8'))),
    throws,
  },
  {
    name: 'records of generations',
    samples: texts(record),
    read: (bytes) => parseRecord(bytes.toString('utf8'), 'x'),
    throws,
  },
  {
    name: 'known hosts',
    samples: texts(knownHosts),
    read: (bytes) => {
      const text = bytes.toString('utf8', 0, 65_536)
      return [parseKnownHosts(text, 'db.example.com', 2222), parseHostKeys(text)]
    },
  },
]

function splitLines(text: string): string[][] {
  return text.split('\n').map((line) => line.split('\t'))
}

/** A host that answers whatever is run on it with this text, in which NONCE is the question's. */
function saying(text: string): StoreTarget {
  return {
    transport: {
      name: 'host',
      exec: (_, { stdin } = {}) => {
        const [nonce = ''] = /[0-9a-f]{8}(?:-[0-9a-f]+){4}/.exec(String(stdin)) ?? []
        return Promise.resolve({ code: 1, stdout: text.replace('NONCE', nonce), stderr: text.slice(0, 65_536) })
      },
      close: () => Promise.resolve(),
    },
    ...{ sudo: false, root: '/srv/pg', instance: 'main', lockWait: 5, holder: 'test' },
  }
}
