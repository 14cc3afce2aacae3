import { ProviderError } from '../../src/model/error.ts'
import { parseManifest } from '../../src/model/manifest.ts'
import { parseReference } from '../../src/model/reference.ts'
import { parseChallenges } from '../../src/oci/challenge.ts'
import { parseRegistriesConf } from '../../src/oci/registries-conf.ts'
import { parseControl } from '../../src/postgres/control.ts'
import type { Target } from '../../src/postgres/offer.ts'
import { readOsRelease } from '../../src/postgres/os-release.ts'
import { readPackages } from '../../src/postgres/packages.ts'
import { installPath, reachable, readScripts } from '../../src/postgres/scripts.ts'
import { parseTemplate } from '../../src/postgres/template.ts'
import { extensionFiles } from '../support/postgres-images.ts'
import type { Reader } from './readers.ts'

const target: Target = { major: 17, postgresVersion: '17.6', os: 'bookworm', platform: 'linux/amd64' }
const hash = 'a'.repeat(64)

const controlFiles = ['hstore', 'earthdistance'].map((name) =>
  Buffer.from(extensionFiles(name).get(`share/postgresql/extension/${name}.control`) as Uint8Array).toString('utf8'),
)
const manifest = `lib\td\t755\t-\nlib/a.so\tf\t444\t${hash}\nlib/b.so\tl\t777\ta.so\n`
const dpkg =
  'Package: libc6\nStatus: install ok installed\nVersion: 2.36-9\n\nPackage: x\nStatus: deinstall ok config-files\n'
const apk = 'P:musl\nV:1.2.5-r0\n\nP:icu-libs\nV:74.2-r0\n'
const references = [
  `registry.example.com:5000/team/name:tag@sha256:${hash}`,
  'oci:./images:hstore-1',
  `docker-archive:a@b.tar:x/y:1@sha256:${hash}`,
]
const templates = [
  'registry.example.com/{name}:{version}-pg{major}.{minor}-{os}-{arch}',
  'oci:./images:{name}-{version}-{version}',
]
const registriesConf = `credential-helpers = ["x"]
[[registry]]
prefix = "*.example.com"
location = "mirror.example.com:5000/all"
insecure = true
[[registry.mirror]]
location = "near.example.com"
pull-from-mirror = "tag-only"
`
const challenge =
  'Bearer realm="https://auth.example.com/token",service="x",scope="repository:a/b:pull", Basic realm="\\"y"'
function reader(
  name: string,
  samples: readonly string[],
  read: (text: string) => unknown,
  throws?: Reader['throws'],
): Reader {
  return {
    name,
    samples: samples.map((text) => Buffer.from(text)),
    read: (bytes) => read(bytes.toString('utf8')),
    ...(throws ? { throws } : {}),
  }
}

export const textReaders: readonly Reader[] = [
  reader(
    'control files',
    controlFiles,
    (text) => [parseControl(text), parseControl(text, { version: '1' })],
    SyntaxError,
  ),
  reader(
    'names of scripts',
    [['hstore--1.4.sql', 'hstore--1.4--1.5.sql', 'hstore--1.5--1.4.sql', 'hstore--1.5.sql', 'cube--1.sql'].join('\n')],
    (text) => {
      const scripts = readScripts('hstore', text.split('\n'))
      return [installPath(scripts, '1.5'), reachable(scripts, '1.4')]
    },
    SyntaxError,
  ),
  reader('manifests of trees', [manifest], parseManifest, SyntaxError),
  reader('packages of dpkg and apk', [dpkg, apk], (text) => [readPackages(text, 'dpkg'), readPackages(text, 'apk')]),
  reader('os-release', ['ID=debian\nVERSION_CODENAME=bookworm\n', 'ID="rocky"\nVERSION_ID="9.4"\n'], readOsRelease),
  reader('references', references, parseReference, ProviderError),
  reader(
    'templates and tags',
    templates,
    (text) => {
      const template = parseTemplate(text.slice(0, 1024))
      const reference = template.referenceTo('1.2', 'pg_cron', target)
      return [template.placeOf('pg_cron', target), template.offersIn([reference, text], 'pg_cron', target)]
    },
    ProviderError,
  ),
  reader('registries.conf', [registriesConf], (text) => parseRegistriesConf(text, 'registries.conf'), ProviderError),
  reader('challenges of registries', [challenge], parseChallenges),
]
