import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { type AddressInfo, createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import ssh2 from 'ssh2'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { attach, detach } from '../src/engine/attach.ts'
import { liveKey, livePath } from '../src/engine/resource.ts'
import { connect } from '../src/host/connect.ts'
import { connectionSchema } from '../src/host/connection.ts'
import { digestOf } from '../src/model/digest.ts'
import { ProviderError } from '../src/model/error.ts'
import { type Asked, chooseCluster, settingsFor } from '../src/postgres/packaged.ts'
import { pgoci } from './support/cli.ts'
import { startRegistry } from './support/fault-registry.ts'
import { blob, blobsOf, descriptor, image, writeLayoutOf } from './support/layout.ts'
import { type PostgresLies, writePostgres } from './support/lying-postgres.ts'
import { distributionFiles, extensionFiles, writeLayout } from './support/postgres-images.ts'
import { startSshd, type TestSshd } from './support/sshd.ts'
import { file, tar } from './support/tar.ts'

type Values = Record<string, unknown>

const folder = mkdtempSync(join(tmpdir(), 'pgoci-messages-'))
const layout = join(folder, 'images')
// The provider opens its cache when it is loaded.
process.env['PGOCI_CACHE'] = join(folder, 'cache')
const { distribution, extension } = await import('../src/provider.ts')
const messages: string[] = []
let sshd: TestSshd
let connection: Values
const closing: { close(): Promise<void> }[] = []

beforeAll(async () => {
  sshd = await startSshd()
  connection = connectionTo(sshd)
  const hstore = extensionFiles('hstore')
  await writeLayout(layout, [
    { tag: 'pg18', files: distributionFiles() },
    { tag: 'hstore', files: hstore },
    { tag: 'hstore-pg17', files: new Map([...hstore].map(([path, bytes]) => [path, forPostgres17(path, bytes)])) },
    { tag: 'arm64', files: hstore, platform: { os: 'linux', architecture: otherArchitecture } },
    { tag: 'readme', files: new Map([['README', Buffer.from('hello')]]) },
    { tag: 'damaged', files: new Map([['lib/postgresql/damaged.so', Buffer.alloc(9000, 7)]]) },
  ])
})

afterAll(async () => {
  for (const one of [sshd, ...closing]) await one.close()
  rmSync(folder, { recursive: true, force: true })
})

const otherArchitecture = process.arch === 'arm64' ? 'amd64' : 'arm64'

/** Each case is a user's mistake or a host's trouble, and how the provider meets it. */
const cases: [string, () => Promise<string>][] = [
  ['unknown host key', () => checkFailure({ connection: { ...connection, hostKey: undefined } })],
  ['changed host key', () => checkFailure({ connection: { ...connection, hostKey: 'ssh-ed25519 AAAA' } })],
  ['refused login', () => checkFailure({ connection: { ...connection, password: 'wrong' } })],
  ['unreachable host', () => checkFailure({ connection: { ...connection, port: 1 } })],
  ['login that runs another command', () => onLogin('echo "Backups only."')],
  ['login without a shell', () => onLogin('echo "This account is currently not available."; exit 1')],
  ['login that wants a new password', () => onLogin('echo "WARNING: Your password has expired." >&2; exit 1')],
  ['login that refuses in its own words', () => onLogin('echo "Use the other bastion." >&2; exit 2')],
  ['account that has expired', () => expiredAccount()],
  ['host that turns logins away', () => turnedAway()],
  ['neither image nor name', () => checkFailure({ image: undefined }, extension)],
  ['image and name', () => byName({}, { image: 'registry.example.com/hstore:1.8' })],
  ['name without a repository', () => byName({}, { repository: undefined })],
  ['name that the repository lacks', () => byName({ name: 'hstroe' })],
  ['version that is not there', () => byName({ version: '2' })],
  ['version that is built for another Postgres', () => byName({ version: '1.9' })],
  ['what is no version', () => byName({ version: 'newest' })],
  ['repository that is no template', () => byName({}, { repository: 'registry.example.com/ext/hstore:1.8' })],
  [
    'repository by system, and an image without one',
    () => byName({}, { repository: 'example.com/{name}:{version}-{os}' }),
  ],
  ['repository of an unknown kind', () => byName({}, { repository: { url: 'https://example.com' } })],
  ['catalog that is missing', () => byName({}, { repository: { catalog: './nowhere.yaml' } })],
  ['catalog without the name', () => byName({ name: 'vector' }, { repository: { catalog: catalog() } })],
  ['bad reference', () => checkFailure({ image: 'docker.io/Postgres:17' })],
  ['reference with a scheme', () => checkFailure({ image: 'https://registry.example.com/postgres:17' })],
  ['bad digest', () => checkFailure({ image: 'registry.example.com/postgres@sha256:1234' })],
  ['missing layout', () => checkFailure({ image: `oci:${folder}/nowhere:pg18` })],
  ['unreadable layout', () => unreadableLayout()],
  ['missing archive', () => checkFailure({ image: `oci-archive:${folder}/nowhere.tar:pg18` })],
  ['folder instead of an archive', () => checkFailure({ image: `docker-archive:${layout}:pg18` })],
  ['missing tag', () => checkFailure({ image: `oci:${layout}:pg19` })],
  ['unreachable registry', () => checkFailure({ image: '127.0.0.1:1/postgres:17' })],
  ['wrong platform', () => checkFailure({ image: `oci:${layout}:arm64` }, extension)],
  ['image that is no Postgres', () => checkFailure({ image: `oci:${layout}:readme` })],
  ['image that is no extension', () => checkFailure({ image: `oci:${layout}:readme` }, extension)],
  ['distribution as an extension', () => checkFailure({ image: `oci:${layout}:pg18` }, extension)],
  ['extension as a distribution', () => checkFailure({ image: `oci:${layout}:hstore` })],
  ['include that names no file', () => checkFailure({ image: `oci:${layout}:pg18`, include: ['lib/x*'] }, extension)],
  ['include that is no glob', () => checkFailure({ image: `oci:${layout}:pg18`, include: ['lib/{a,b}'] }, extension)],
  ['extension for another major', () => unmarried({ image: `oci:${layout}:hstore-pg17` })],
  [
    'override of an error that there is not',
    () => unmarried({ overrides: ['soname-clash:libx.so.1'], image: `oci:${layout}:hstore-pg17` }),
  ],
  ['damaged blob', () => damagedBlob()],
  ['store root that is no plain path', () => checkFailure({ root: '/var/lib/../lib/x y' })],
  ['relay that is no registry with a repository', () => checkFailure({ relay: 'https://registry.example.com/cache' })],
  ['unknown connection argument', () => checkFailure({ connection: { ...connection, hots: 'x' } })],
  ['unknown PGOCI_VERIFY', () => withVerify('fast')],
  ['malformed registry settings', () => withRegistries('{"registry.example.com": {"insecur": true}}')],
  ['half a login in the registry settings', () => withRegistries('{"registry.example.com": {"username": "me"}}')],
  ['broken credentials file', () => withDockerConfig('{"auths": {"registry.example.com": {"auth": "secret')],
  ['missing credential helper', () => withDockerConfig('{"credsStore": "desktop"}')],
  ['registry that refuses the login', () => withDockerConfig(loginFile)],
  ['image that the bundle lacks', () => withBundle()],
  ['artifact that names no platform', () => checkFailure({ image: `oci:${artifact()}:one` }, extension)],
  ['blocked registry', () => withRegistriesConf('[[registry]]\nlocation = "registry.example.com"\nblocked = true')],
  ['registries.conf of version 1', () => withRegistriesConf('[registries.search]\nregistries = ["example.com"]')],
  ['no sudo on the host', () => onHost({ lacks: ['sudo'] }, { sudo: true })],
  ['missing tools on the host', () => onHost({ lacks: ['flock', 'sha256sum'] })],
  ['full disk', () => fullDisk()],
  ['file system without locks', () => installOn({ flock: lockless }, 'nfs')],
  ['file system without links', () => installOn({ ln: 'echo "ln: Operation not permitted" >&2; exit 1' }, 'exfat')],
  [
    'SELinux that refuses',
    () => installOn({ selinuxenabled: '', chcon: 'echo Invalid argument >&2; exit 1' }, 'selinux'),
  ],
  ['folder of another program', () => foreignFolder()],
  ['instance of another stack', () => otherStack()],
  ['Postgres removed before its extension', () => removedTooEarly()],
  ['host that is gone at destroy', () => goneAtDestroy()],
  ['record that was changed by hand, with its copy', () => editedRecord()],
  ['extension with the name that Postgres has', () => checkFailure({ name: 'distribution' }, extension)],
  ['rollback where nothing was before', () => onInstalled('first', 'rollback', '--yes')],
  ['rollback to a generation that is not there', () => onInstalled('unknown', 'rollback', '--to', '7', '--yes')],
  ['import of what another stack declares', () => onInstalled('theirs', 'import', '--stack', 'blog/prod')],
  ['import of a host without a store', () => command('import', '--stack', 'shop/prod', '--root', join(folder, 'none'))],
  ['import over files that are there', () => importTwice()],
  ['a distribution beside an extension', otherKind],
  ['image beside installed', () => checkFailure({ installed: {} })],
  ['pg_config that is not there', () => onPackaged('/opt/none/bin/pg_config')],
  ['pg_config without a server', () => onPackaged(writePostgres(mkdtempSync(join(folder, 'bin-'))).pgConfig)],
  ['no cluster of the installed Postgres', () => chosen({}, [])],
  ['no cluster of that major', () => chosen({ major: 17 })],
  ['no cluster of that name', () => chosen({ cluster: '15/shop' })],
  ['several clusters of the installed Postgres', () => chosen({})],
  ['installed Postgres that knows no other folders', () => refusalOf(Promise.try(settingsFor, dnf, ''))],
  ['installed cluster that is down', () => onCluster({ isUp: false })],
  ['installed cluster of another user', () => onCluster({ login: 'deploy' })],
  ['installed cluster that refuses its owner', () => onCluster({ psql: `echo '${refusedLogin}' >&2; exit 2` })],
  ['installed cluster whose owner is no superuser', () => onCluster({ psql: 'echo f' })],
  ['setting that somebody else has set', () => onCluster({ psql: superuserSays('/opt/mine') })],
  ['setting that the cluster does not take', () => onCluster({ psql: superuserSays('$system') })],
  ['installed cluster that is down at destroy', () => onCluster({ isUp: false, isSet: true }, detach)],
  ['installed cluster that is not known at destroy', () => onCluster({ isGone: true }, detach)],
]

test.each(cases)('%s', async (title, run) => {
  const message = scrub(await run())
  messages.push(`## ${title}\n${message}\n`)
  expect(message.split('\n').length, message).toBeLessThanOrEqual(2)
})

test('all messages are in one file that reads well', async () => {
  const text = `# What users read when something is wrong\n\n${messages.join('\n')}`
  await expect(text).toMatchFileSnapshot('messages.snap.md')
})

function connectionTo(server: TestSshd): Values {
  return { host: '127.0.0.1', port: server.port, user: 'test', password: 'test', hostKey: server.hostKey }
}

function inputs(changes: Values = {}): Values {
  const base = { connection, root: join(folder, 'store'), instance: 'main', __stack: 'shop/prod' }
  return { ...base, name: 'hstore', image: `oci:${layout}:pg18`, postgresMajor: 18, ...changes }
}

async function checkFailure(changes: Values, resource = distribution): Promise<string> {
  const { failures = [] } = await checked(inputs(changes), resource)
  expect(failures).toHaveLength(1)
  return `${failures[0]?.property}: ${failures[0]?.reason}`
}

async function byName(requested: Values, changes: Values = {}): Promise<string> {
  const named = join(folder, 'named')
  const hstore = extensionFiles('hstore')
  if (!existsSync(named))
    await writeLayout(named, [
      { tag: 'hstore-1.8-pg18', files: hstore },
      { tag: 'hstore-1.9-pg19', files: hstore },
    ])
  const asked = {
    requested: { name: 'hstore', ...requested },
    repository: `oci:${named}:{name}-{version}-pg{major}`,
    os: 'none',
  }
  return checkFailure({ image: undefined, platform: `linux/${thisArchitecture}`, ...asked, ...changes }, extension)
}

function catalog(): Values {
  const image = { reference: 'registry.example.com/pgvector:0.8.1-18-trixie' }
  return { kind: 'ImageCatalog', spec: { images: [{ major: 18, extensions: [{ name: 'pgvector', image }] }] } }
}

/** An extension whose distribution was checked before it. */
async function unmarried(changes: Values): Promise<string> {
  const { inputs: pg } = await checked(inputs({ instance: 'married' }))
  return checkFailure({ instance: 'married', distributionDigest: pg['digest'], ...changes }, extension)
}

async function editedRecord(): Promise<string> {
  const { id, ...outs } = await install({ instance: 'edited' })
  const current = join(folder, 'store/instances/edited/current')
  for (const name of ['record.json', 'record.copy']) {
    chmodSync(join(current, name), 0o644)
    writeFileSync(join(current, name), '{}')
  }
  return messageOf(distribution.read?.(String(id), outs))
}

async function checked(values: Values, resource = distribution) {
  const result = await resource.check?.({}, values)
  if (result === undefined) throw new TypeError('There is no check')
  return result
}

async function messageOf(action: Promise<unknown> | undefined): Promise<string> {
  const error = await Promise.resolve(action).then(
    () => undefined,
    (reason: unknown) => reason,
  )
  expect(error, 'a failure').toBeInstanceOf(Error)
  expect((error as Error).stack, 'no stack trace').not.toMatch(/\n/)
  return (error as Error).message
}

/** Of what lies below the provider, which says the same. */
function refusalOf(action: Promise<unknown>): Promise<string> {
  return action.then(
    () => 'it worked',
    (reason: unknown) => (reason instanceof ProviderError ? reason.message : String(reason)),
  )
}

async function install(changes: Values, resource = distribution): Promise<Values> {
  const { inputs: pinned, failures } = await checked(inputs(changes), resource)
  expect(failures ?? []).toEqual([])
  const { id, outs } = await resource.create(pinned)
  return { id, ...outs }
}

/** A host whose PATH holds all tools of this machine but some, and perhaps programs that lie. */
async function hostWith({ lacks, ...lying }: { lacks?: string[] } & Record<string, unknown>): Promise<Values> {
  const bin = mkdtempSync(join(folder, 'bin-'))
  for (const name of new Set(['/usr/bin', '/bin'].flatMap((path) => readdirSync(path)))) {
    if (!lacks?.includes(name) && !(name in lying)) symlinkSync(join('/usr/bin', name), join(bin, name))
  }
  for (const [name, script] of Object.entries(lying)) {
    writeFileSync(join(bin, name), `#!/bin/sh\n${script}\n`)
    chmodSync(join(bin, name), 0o755)
  }
  const server = await startSshd({ env: { ...process.env, PATH: bin } })
  closing.push(server)
  return connectionTo(server)
}

async function onHost(tools: { lacks: string[] }, more: Values = {}): Promise<string> {
  return checkFailure({ connection: { ...(await hostWith(tools)), ...more } })
}

/** A host whose sshd or login shell does this instead of what it is asked for. */
async function onLogin(script: string): Promise<string> {
  const server = await startSshd({ shell: ['sh', '-c', script] })
  closing.push(server)
  return checkFailure({ connection: connectionTo(server) })
}

async function expiredAccount(): Promise<string> {
  const banner = 'Your account has expired; please contact your system administrator.\n'
  const server = new ssh2.Server({ hostKeys: [sshd.privateKey], banner }, (client) =>
    client.on('authentication', () => client.end()).on('error', () => {}),
  )
  return atPort(server as unknown as Server, { hostKey: sshd.hostKey })
}

function turnedAway(): Promise<string> {
  return atPort(createServer((socket) => socket.end('Exceeded MaxStartups\r\n')))
}

async function atPort(server: Server, more: Values = {}): Promise<string> {
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const { port } = server.address() as AddressInfo
  const message = await checkFailure({ connection: { ...connection, ...more, port, dialErrorLimit: 1 } })
  server.close()
  return message
}

async function withVerify(text: string): Promise<string> {
  vi.stubEnv('PGOCI_VERIFY', text)
  const message = await checkFailure({})
  vi.unstubAllEnvs()
  return message
}

async function installOn(host: Record<string, string>, root: string): Promise<string> {
  const { inputs: pinned } = await checked(inputs({ connection: await hostWith(host), root: join(folder, root) }))
  return messageOf(distribution.create(pinned))
}

/** Of the store alone: folders that nobody can lock are swept by other hosts that share them. */
const lockless = `case $* in *9) echo 'flock: 9: No locks available' >&2; exit 71 ;; esac
exec /usr/bin/flock "$@"`

function fullDisk(): Promise<string> {
  const df =
    'echo Filesystem 1024-blocks Used Available Capacity Mounted; echo /dev/sda 40000000 38990000 1010000 98% /'
  return installOn({ df }, 'full')
}

async function foreignFolder(): Promise<string> {
  const root = mkdtempSync(join(folder, 'foreign-'))
  writeFileSync(join(root, 'important'), '')
  const { inputs: pinned } = await checked(inputs({ root, platform: `linux/${thisArchitecture}` }))
  return messageOf(distribution.create(pinned))
}

async function otherStack(): Promise<string> {
  const root = join(folder, 'shared')
  await install({ root })
  const { inputs: pinned } = await checked(inputs({ root, __stack: 'blog/prod' }))
  return messageOf(distribution.create(pinned))
}

async function removedTooEarly(): Promise<string> {
  const root = join(folder, 'early')
  const { id, ...postgres } = await install({ root })
  await install({ root, image: `oci:${layout}:hstore` }, extension)
  return messageOf(distribution.delete?.(String(id), postgres))
}

async function goneAtDestroy(): Promise<string> {
  const server = await startSshd()
  const { id, ...postgres } = await install({ connection: connectionTo(server), root: join(folder, 'gone') })
  await server.close()
  return messageOf(distribution.delete?.(String(id), postgres))
}

/** The last line that a verb says on stderr, when it refuses. */
async function command(verb: string, ...words: string[]): Promise<string> {
  const file = join(folder, 'db1.json')
  writeFileSync(file, JSON.stringify(connection))
  const { code, stderr } = await pgoci([verb, file, ...words])
  expect(code, stderr).toBe(1)
  return stderr.trimEnd().split('\n').at(-1) ?? ''
}

async function onInstalled(name: string, verb: string, ...words: string[]): Promise<string> {
  const root = join(folder, name)
  await install({ root })
  return command(verb, '--root', root, ...words)
}

async function otherKind(): Promise<string> {
  const { code, stderr } = await pgoci(['diff', `oci:${layout}:pg18`, `oci:${layout}:hstore`])
  expect(code, stderr).toBe(2)
  return stderr.trimEnd()
}

async function importTwice(): Promise<string> {
  const root = join(folder, 'twice')
  await install({ root })
  writeFileSync(join(folder, 'import.json'), '')
  return command('import', '--root', root, '--stack', 'shop/prod', '-o', folder)
}

async function damagedBlob(): Promise<string> {
  const index = JSON.parse(readFileSync(join(layout, 'index.json'), 'utf8'))
  const blobOf = (digest: string) => join(layout, 'blobs/sha256', digest.slice('sha256:'.length))
  const tagged = (one: { annotations: Record<string, string> }) => Object.values(one.annotations).includes('damaged')
  const manifest = JSON.parse(readFileSync(blobOf(index.manifests.find(tagged).digest), 'utf8'))
  const blob = blobOf(manifest.layers[0].digest)
  const bytes = readFileSync(blob)
  bytes[40] = (bytes[40] ?? 0) ^ 1
  writeFileSync(blob, bytes)
  return checkFailure({ image: `oci:${layout}:damaged` }, extension)
}

async function unreadableLayout(): Promise<string> {
  const broken = mkdtempSync(join(folder, 'broken-'))
  writeFileSync(join(broken, 'oci-layout'), '{"imageLayoutVersion": "1.0.0"}')
  writeFileSync(join(broken, 'index.json'), '{"schemaVersion": 2, "manifests": [{}]}')
  return checkFailure({ image: `oci:${broken}:pg18` })
}

async function onPackaged(pgConfig: string): Promise<string> {
  return checkFailure({ image: undefined, installed: { pgConfig } })
}

const debians = { bin: '/usr/lib/postgresql/15/bin', version: 'postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)' }
const dnf = { bin: '/usr/pgsql-16/bin', version: 'postgres (PostgreSQL) 16.4', settings: [] }
const clusters = [
  { name: '15/main', status: 'online', bin: debians.bin },
  { name: '15/blog', status: 'down', bin: debians.bin },
]

function chosen(asked: Asked, there = clusters): Promise<string> {
  const seen = { servers: [{ ...debians, settings: ['extension_destdir'] }], clusters: there }
  return refusalOf(Promise.try(chooseCluster, seen, asked, 'test@db1.example.com'))
}

const refusedLogin =
  'psql: error: connection to server on socket "/run/.s.PGSQL.5432" failed: FATAL:  no pg_hba.conf entry for host "[local]"'
const superuserSays = (value: string) =>
  `case $* in *rolsuper*) echo t ;; *control_path*) echo '${value}' ;; *library_path*) echo '$libdir' ;; esac`

interface ClusterLies extends PostgresLies {
  readonly isSet?: boolean
  readonly isGone?: boolean
  readonly login?: string
}

/** A cluster whose psql lies, and how its settings are changed. */
async function onCluster({ isSet, isGone, login = 'postgres', ...lies }: ClusterLies, act = attach): Promise<string> {
  const { cluster, server } = writePostgres(mkdtempSync(join(folder, 'bin-')), lies)
  const host = await hostWith({ id: `case $* in *n*) echo ${login} ;; *) echo 1000 ;; esac` })
  const transport = await connect(connectionSchema.parse(host))
  const target = { transport, sudo: false, root: '/var/lib/pgoci', instance: 'main', lockWait: 5, holder: 'test' }
  const member = { image: `installed:${cluster.data}`, digest: digestOf('') }
  const [[name, value] = []] = settingsFor(server, livePath(target, liveKey(member)))
  if (isSet) writeFileSync(join(cluster.data, 'postgresql.auto.conf'), `${name} = '${value}'\n`)
  const found = { cluster, server, machine: '' }
  const find = () => (isGone ? Promise.reject(new ProviderError('NOT_FOUND', '')) : Promise.resolve(found))
  try {
    return await refusalOf(act(target, member, { find }))
  } finally {
    await transport.close()
  }
}

/** What an image in a registry meets when these are the stack's registry settings. */
async function withRegistries(settings: string, registry = 'registry.example.com'): Promise<string> {
  const configure = (registries: string) => {
    const get = (key: string) => (key === 'postgres-oci:registries' ? registries : undefined)
    return distribution.configure?.({ config: { get, require: () => '' } as never })
  }
  await configure(settings)
  const message = await checkFailure({ image: `${registry}/postgres:18` })
  await configure('{}')
  return message
}

const loginFile = (host: string) => JSON.stringify({ auths: { [host]: { username: 'me', password: 'secret' } } })

async function withBundle(): Promise<string> {
  const bundled = join(folder, 'bundle.tar')
  execFileSync('tar', ['-cf', bundled, '-C', layout, 'oci-layout', 'index.json', 'blobs'])
  vi.stubEnv('PGOCI_BUNDLE', bundled)
  const message = await checkFailure({ image: 'registry.example.com/postgres:18' })
  vi.unstubAllEnvs()
  return message
}

/** What `oras push` makes of a tar, when nobody says what it is for. */
function artifact(): string {
  const empty = blob('application/vnd.oci.empty.v1+json', Buffer.from('{}'))
  const artifactType = 'application/vnd.acme.extension'
  const made = image([tar(file('lib/x.so', 'x'))], { manifest: { artifactType, config: descriptor(empty) } })
  const path = join(folder, 'artifact')
  writeLayoutOf(path, { one: made.manifest }, [...blobsOf(made), empty])
  return path
}

/** The same when this is the user's config.json, and the registry wants a login. */
async function withDockerConfig(text: string | ((host: string) => string)): Promise<string> {
  const registry = await startRegistry({}, [], { login: { kind: 'basic', accounts: {} } })
  closing.push(registry)
  const docker = mkdtempSync(join(folder, 'docker-'))
  writeFileSync(join(docker, 'config.json'), typeof text === 'string' ? text : text(registry.host))
  vi.stubEnv('HOME', docker)
  vi.stubEnv('XDG_RUNTIME_DIR', docker)
  vi.stubEnv('DOCKER_CONFIG', docker)
  const message = await withRegistries(`{"${registry.host}": {"insecure": true}}`, registry.host)
  vi.unstubAllEnvs()
  return message
}

/** The same when this is the machine's registries.conf. */
async function withRegistriesConf(text: string): Promise<string> {
  const path = join(mkdtempSync(join(folder, 'conf-')), 'registries.conf')
  writeFileSync(path, text)
  vi.stubEnv('CONTAINERS_REGISTRIES_CONF', path)
  const message = await checkFailure({ image: 'registry.example.com/postgres:18' })
  vi.unstubAllEnvs()
  return message
}

const thisArchitecture = process.arch === 'arm64' ? 'arm64' : 'amd64'

/** The magic block of a module, as Postgres 17 writes it (fmgr.h: length, version, three limits). */
function forPostgres17(path: string, bytes: Uint8Array): Uint8Array {
  if (!path.endsWith('.so')) return bytes
  const copy = Buffer.from(bytes)
  const at = copy.indexOf(Buffer.from([100, 0, 0, 0, 32, 0, 0, 0, 64, 0, 0, 0])) - 4
  expect(copy.readInt32LE(at)).toBe(1800)
  copy.writeInt32LE(1700, at)
  return copy
}

/** Takes out what differs from run to run. */
function scrub(text: string): string {
  return text
    .replaceAll(folder, '/tmp')
    .replace(/(ecdsa-\S+|SHA256:?) [A-Za-z0-9+/=]{20,}/g, '$1 AAAA…')
    .replace(/127\.0\.0\.1:\d{4,5}/g, 'db1.example.com')
    .replaceAll('127.0.0.1', 'db1.example.com')
    .replace(/sha256:[0-9a-f]{64}/g, 'sha256:…')
    .replace(/live\/[0-9a-f]{16}/g, 'live/…')
    .replace(/\bport \d{4,5}/g, 'port 22')
    .replace(/\d+ MB to write/, '58 MB to write')
    .replace(/(?:bin|foreign|broken|docker|conf)-\w{6}\b/g, (name) => name.slice(0, name.indexOf('-')))
    .replaceAll(otherArchitecture, 'ARCH-OF-IMAGE')
    .replaceAll(thisArchitecture, 'ARCH-OF-HOST')
}
