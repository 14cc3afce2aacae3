import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type BuildKit, startBuildKit } from '../support/buildkit.ts'
import { command } from '../support/command.ts'
import { startRegistry, type TestRegistry } from '../support/fault-registry.ts'
import { temporaryFolder } from '../support/folder.ts'
import { lacksRoot, testWith } from '../support/needs.ts'
import { pulled } from '../support/pulled.ts'
import { describeFolder, writeRootfs } from '../support/rootfs.ts'
import { both, sampleBlobs, sampleTree } from '../support/sample.ts'
import { file, sum, tar } from '../support/tar.ts'

// Images as their builders really make them: what went in must come out, with every name, link, mode and byte.
const work = temporaryFolder()
const root = join(work, 'root')
const home = join(work, 'home')
writeRootfs(root)
mkdirSync(home)
const rootfs = describeFolder(root)
const gzip = 'application/vnd.oci.image.layer.v1.tar+gzip'
const zstd = 'application/vnd.oci.image.layer.v1.tar+zstd'

const env = { PATH: process.env['PATH'], HOME: home, XDG_RUNTIME_DIR: home }
const options = { env, cwd: work }
const run = (program: string, ...words: readonly string[]) => command(program, words, options)
const storage = [`--root=${home}/store`, `--runroot=${home}/run`, '--storage-driver=vfs']
const buildah = async (...words: readonly string[]) => (await run('buildah', ...storage, ...words)).trim()

let registry: TestRegistry
let buildkit: BuildKit | undefined
const at = (name: string) => `${registry.host}/${name}:1`
const read = (reference: string, platform?: string) =>
  pulled(reference, { settings: { [registry.host]: { insecure: true } }, env: {} }, platform)

beforeAll(async () => {
  registry = await startRegistry({ both }, sampleBlobs)
  await run('tar', '-C', root, '-cf', 'root.tar', '.')
  await run('tar', '-C', root, '-czf', 'root.tgz', '.')
  mkdirSync(join(work, 'context', 'more'), { recursive: true })
  cpSync(root, join(work, 'context', 'root'), { recursive: true, verbatimSymlinks: true })
  writeFileSync(join(work, 'context', 'more', 'x'), 'more')
  writeFileSync(
    join(work, 'context', 'Dockerfile'),
    'FROM scratch\nCOPY root /\nLABEL made=here\nCOPY more /etc/more\n',
  )
})
afterAll(async () => {
  await buildkit?.close()
  await registry.close()
})

/** What the Dockerfile gives. */
const built = [...rootfs, 'etc/more/', `etc/more/x = ${sum('more')}`].sort()
const asRoot = (...needs: readonly string[]) =>
  lacksRoot
    ? (name: string, run: () => Promise<void>) => test.skip(`${name} (skipped: needs root)`, run)
    : testWith(...needs)

for (const layers of [false, true])
  asRoot('buildah')(`buildah, a Dockerfile ${layers ? 'with --layers' : 'in one layer'}`, async () => {
    const words = ['bud', '--quiet', '--isolation=chroot', ...(layers ? ['--layers'] : []), 'context']
    const id = await buildah(...words)
    for (const format of ['oci', 'v2s2'])
      await buildah(
        'push',
        '--quiet',
        '--tls-verify=false',
        `--format=${format}`,
        id,
        `docker://${at(`bud-${layers}-${format}`)}`,
      )
    const found = await read(at(`bud-${layers}-oci`))
    expect(found).toMatchObject({ tree: built, labels: { made: 'here' } })
    expect(found.mediaTypes.length).toBe(layers ? 2 : 1)
    expect((await read(at(`bud-${layers}-v2s2`))).tree).toEqual(built)
  })

asRoot('buildah')('buildah, from scratch and changed: whiteouts, compressions and a manifest list', async () => {
  const first = await buildah('from', 'scratch')
  await buildah('add', '--quiet', first, 'root', '/')
  const base = await buildah('commit', '--quiet', '--format=oci', first)
  const second = await buildah('from', base)
  const mount = await buildah('mount', second)
  rmSync(join(mount, 'etc/gone'))
  rmSync(join(mount, 'usr/share/x'), { recursive: true })
  mkdirSync(join(mount, 'usr/share/x'))
  writeFileSync(join(mount, 'usr/share/x/new'), 'new')
  rmSync(join(mount, 'lib'))
  mkdirSync(join(mount, 'lib'))
  const changed = describeFolder(mount)
  const top = await buildah('commit', '--quiet', '--format=oci', second)
  for (const [name, type, kind] of [
    ['changed', gzip, 'gzip'],
    ['zstd', zstd, 'zstd'],
    ['chunked', zstd, 'zstd:chunked'],
  ] as const) {
    // A registry each: what one has in another compression is not sent again.
    const own = await startRegistry({}, [])
    const to = `${own.host}/team/${name}:1`
    await buildah(
      'push',
      '--quiet',
      '--tls-verify=false',
      '--format=oci',
      `--compression-format=${kind}`,
      top,
      `docker://${to}`,
    )
    const found = await pulled(to, { settings: { [own.host]: { insecure: true } }, env: {} })
    await own.close()
    expect({ kind, ...found }).toMatchObject({ kind, tree: changed, mediaTypes: [type, type] })
  }
  const other = await buildah('from', 'scratch')
  await buildah('config', '--arch=arm64', '--variant=v8', other)
  await buildah('copy', '--quiet', other, 'context/more', '/')
  const arm = await buildah('commit', '--quiet', '--format=oci', other)
  await buildah('manifest', 'create', 'localhost/list')
  for (const id of [top, arm]) await buildah('manifest', 'add', 'localhost/list', id)
  await buildah(
    'manifest',
    'push',
    '--quiet',
    '--all',
    '--tls-verify=false',
    'localhost/list',
    `docker://${at('list')}`,
  )
  expect((await read(at('list'))).tree).toEqual(changed)
  expect((await read(at('list'), 'linux/arm64')).tree).toEqual([`x = ${sum('more')}`])
})

asRoot('umoci')('umoci: inserted, made opaque, whited out, unpacked and repacked', async () => {
  await run('umoci', 'init', '--layout', 'umoci')
  await run('umoci', 'new', '--image', 'umoci:a')
  for (const name of ['usr', 'etc', 'lib'])
    await run('umoci', 'insert', '--image', 'umoci:a', `root/${name}`, `/${name}`)
  await run('umoci', 'config', '--image', 'umoci:a', '--architecture=amd64', '--os=linux', '--config.label=made=here')
  expect(await read(`oci:${work}/umoci:a`)).toMatchObject({ tree: rootfs, labels: { made: 'here' } })
  await run('umoci', 'unpack', '--image', 'umoci:a', 'bundle')
  rmSync(join(work, 'bundle/rootfs/usr/lib/libä.so'))
  writeFileSync(join(work, 'bundle/rootfs/etc/gone'), 'back')
  const repacked = describeFolder(join(work, 'bundle/rootfs'))
  await run('umoci', 'repack', '--image', 'umoci:b', 'bundle')
  expect((await read(`oci:${work}/umoci:b`)).tree).toEqual(repacked)
  await run('umoci', 'insert', '--image', 'umoci:a', '--opaque', 'context/more', '/usr/share')
  await run('umoci', 'insert', '--image', 'umoci:a', '--whiteout', '/etc/gone')
  const kept = rootfs.filter((line) => !line.startsWith('usr/share/') && !line.startsWith('etc/gone'))
  expect((await read(`oci:${work}/umoci:a`)).tree).toEqual(
    [...kept, 'usr/share/', `usr/share/x = ${sum('more')}`].sort(),
  )
})

testWith('crane')('crane: appended, mutated, flattened, put into an index', async () => {
  await run('crane', 'append', '--oci-empty-base', '-f', 'root.tgz', '-t', at('crane'))
  await expect(read(at('crane'))).rejects.toThrow(/^Cannot use .* on a linux\/amd64 host: /)
  await run('crane', 'mutate', '--set-platform=linux/amd64', '--label=made=here', '-t', at('crane'), at('crane'))
  expect(await read(at('crane'))).toMatchObject({ tree: rootfs, labels: { made: 'here' } })
  writeFileSync(
    join(work, 'change.tar'),
    tar(file('etc/.wh.gone'), file('usr/share/.wh..wh..opq'), file('usr/share/new', 'new')),
  )
  await run('crane', 'append', '-b', at('crane'), '-f', 'change.tar', '-t', at('changed'))
  const kept = rootfs.filter((line) => !line.startsWith('usr/share/') && !line.startsWith('etc/gone'))
  const changed = [...kept, 'usr/share/', `usr/share/new = ${sum('new')}`].sort()
  expect((await read(at('changed'))).tree).toEqual(changed)
  await run('crane', 'flatten', '-t', at('flat'), at('changed'))
  expect(await read(at('flat'))).toMatchObject({ tree: changed, mediaTypes: [expect.any(String)] })
  await run('crane', 'index', 'append', '-m', at('flat'), '-m', at('crane'), '-t', at('index'))
  expect((await read(at('index'))).tree).toEqual(changed)
})

testWith('skopeo', 'crane')('skopeo: into a layout and archives, of both formats', async () => {
  await run('crane', 'append', '--oci-empty-base', '-f', 'root.tgz', '-t', at('skopeo'))
  await run('crane', 'mutate', '--set-platform=linux/amd64', '-t', at('skopeo'), at('skopeo'))
  const copy = ['copy', '--insecure-policy', '--src-tls-verify=false', `docker://${at('skopeo')}`]
  for (const kind of ['oci:skopeo:1', 'oci-archive:oci.tar:1', 'docker-archive:docker.tar:localhost/x:1'])
    await run('skopeo', ...copy, kind)
  for (const kind of ['oci:skopeo:1', 'oci-archive:oci.tar:1', 'docker-archive:docker.tar'])
    expect((await read(kind.replace(':', `:${work}/`))).tree).toEqual(rootfs)
})

testWith('regctl', 'crane')('regctl: recompressed, extended, exported', async () => {
  await run('crane', 'append', '--oci-empty-base', '-f', 'root.tgz', '-t', at('regctl'))
  await run('crane', 'mutate', '--set-platform=linux/amd64', '-t', at('regctl'), at('regctl'))
  await run('regctl', 'registry', 'set', '--skip-check', '--tls=disabled', registry.host)
  const mod = (name: string, ...words: string[]) =>
    run('regctl', 'image', 'mod', at('regctl'), '--create', at(name), ...words)
  await mod('mod-zstd', '--to-oci', '--layer-compress=zstd')
  expect(await read(at('mod-zstd'))).toMatchObject({ tree: rootfs, mediaTypes: [zstd] })
  await mod('mod-none', '--to-oci', '--layer-compress=none')
  expect((await read(at('mod-none'))).tree).toEqual(rootfs)
  await mod('mod-more', '--layer-add=dir=context/more', '--label=made=here')
  expect(await read(at('mod-more'))).toMatchObject({
    tree: [...rootfs, `x = ${sum('more')}`].sort(),
    labels: { made: 'here' },
  })
  await run('regctl', 'image', 'export', at('mod-zstd'), 'regctl.tar')
  expect((await read(`oci-archive:${work}/regctl.tar`)).tree).toEqual(rootfs)
})

testWith('oras')('oras: an artifact of tar layers, for a platform', async () => {
  const push = (name: string, ...words: string[]) =>
    run(
      'oras',
      'push',
      '--plain-http',
      '--artifact-type=application/vnd.acme.extension',
      ...words,
      at(name),
      `root.tgz:${gzip}`,
    )
  await push('artifact', '--artifact-platform=linux/amd64')
  expect((await read(at('artifact'))).tree).toEqual(rootfs)
  await run('oras', 'manifest', 'index', 'create', '--plain-http', `${registry.host}/artifact:index`, '1')
  expect((await read(`${registry.host}/artifact:index`)).tree).toEqual(rootfs)
  await push('nowhere')
  await expect(read(at('nowhere'))).rejects.toThrow(/it is an artifact that names no platform; push it with one/)
  await run('oras', 'push', '--plain-http', '--artifact-platform=linux/amd64', at('folder'), 'context/more')
  expect((await read(at('folder'))).tree).toContain(`context/more/x = ${sum('more')}`)
  // Without a type, oras calls everything a tar.
  await run('oras', 'push', '--plain-http', '--artifact-platform=linux/amd64', at('file'), 'context/Dockerfile')
  await expect(read(at('file'))).rejects.toThrow(/^Cannot read layer 1 of /)
})

asRoot(
  'buildkitd',
  'buildctl',
  'runc',
)('BuildKit: with provenance, for two platforms, in every compression', async () => {
  buildkit = await startBuildKit(join(work, 'buildkit'))
  for (const [name, type, output] of [
    ['gzip', gzip, ''],
    ['zstd', zstd, ',compression=zstd,force-compression=true'],
    ['none', 'application/vnd.oci.image.layer.v1.tar', ',compression=uncompressed,force-compression=true'],
  ] as const) {
    await buildkit.build(join(work, 'context'), at(`buildkit-${name}`), { output: `${output},oci-mediatypes=true` })
    for (const platform of ['linux/amd64', 'linux/arm64']) {
      const found = await read(at(`buildkit-${name}`), platform)
      expect({ name, ...found }).toMatchObject({
        name,
        tree: built,
        mediaTypes: [type, type],
        labels: { made: 'here' },
      })
    }
  }
  // eStargz has its index behind the end of the archive, where readers differ in whether they see it.
  await buildkit.build(join(work, 'context'), at('stargz'), { output: ',compression=estargz,force-compression=true' })
  await expect(read(at('stargz'))).rejects.toThrow(/there is data after the end of its archive/)
  await buildkit.build(join(work, 'context'), at('buildkit-docker'), {
    output: ',oci-mediatypes=false',
    provenance: false,
  })
  expect((await read(at('buildkit-docker'))).tree).toEqual(built)
})

testWith('ko', 'go')('ko: a program and its data on a base of another builder', async () => {
  const folder = join(work, 'hello')
  mkdirSync(join(folder, 'kodata'), { recursive: true })
  writeFileSync(join(folder, 'go.mod'), 'module example.com/hello\n\ngo 1.24\n')
  writeFileSync(join(folder, 'main.go'), 'package main\n\nfunc main() {}\n')
  writeFileSync(join(folder, 'kodata', 'file'), 'data')
  const caches = {
    GOCACHE: (await command('go', ['env', 'GOCACHE'])).trim(),
    GOFLAGS: '-buildvcs=false',
    GOPROXY: 'off',
  }
  const repository = `${registry.host}/ko/hello`
  const base = at('team/image').replace(/1$/, 'both')
  const words = ['build', '--bare', '--tags=1', '--sbom=none', '--platform=linux/amd64', '.']
  await command('ko', words, {
    cwd: folder,
    env: { ...env, ...caches, KO_DOCKER_REPO: repository, KO_DEFAULTBASEIMAGE: base },
  })
  const { tree } = await read(`${repository}:1`)
  expect(tree).toEqual(expect.arrayContaining(sampleTree('amd64')))
  expect(tree).toContain(`var/run/ko/file* = ${sum('data')}`)
  expect(tree.some((line) => line.startsWith('ko-app/hello* = '))).toBe(true)
})
