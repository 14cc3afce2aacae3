import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ProviderError } from '../model/error.ts'
import { type Endpoint, endpointName } from './connection.ts'
import { hostKeyRefusal, knownHostsText } from './host-key.ts'
import { judgeHostKey, parseHostKeys, parseKnownHosts } from './known-hosts.ts'
import { localPath } from './local-path.ts'
import type { Hop } from './openssh-words.ts'

/** Where ssh finds what it takes by path only, and where its control socket is: a folder that nobody else may enter. */
export interface HopFolder {
  readonly path: string
  /** From the host to the first proxy. */
  readonly hops: readonly (Hop & { readonly argument: string })[]
}

// A socket's name has 104 bytes on some systems, and ssh adds 18 to it while it makes one.
const longestFolder = 60

/** @throws ProviderError BAD_INPUT for what only the ssh2 transport can use */
export async function writeHops(connection: Endpoint): Promise<HopFolder> {
  const place = tmpdir().length > longestFolder ? '/tmp' : tmpdir()
  const path = await mkdtemp(join(place, 'pgoci-'))
  try {
    const hops: (Hop & { argument: string })[] = []
    for (let at: Endpoint | undefined = connection; at; at = at.proxy) {
      const argument = ['connection', 'proxy', 'proxy.proxy'][hops.length] ?? `proxy number ${hops.length}`
      hops.push({ argument, ...(await writeHop(at, { argument, base: join(path, String(hops.length)) })) })
    }
    return { path, hops }
  } catch (error) {
    await rm(path, { recursive: true, force: true })
    throw error
  }
}

async function writeHop(endpoint: Endpoint, at: { argument: string; base: string }): Promise<Hop> {
  for (const name of ['password', 'privateKeyPassword'] as const) {
    if (endpoint[name] === undefined) continue
    const instead = name === 'password' ? 'use a key' : 'add the key to an ssh-agent (ssh-add)'
    throw new ProviderError(
      'BAD_INPUT',
      `Cannot use ${at.argument}.${name} for ${endpointName(endpoint)} with transport "openssh", whose ssh takes no secrets: ${instead}, or leave transport out`,
    )
  }
  const put = async (name: string, text: string) => {
    await writeFile(`${at.base}-${name}`, text, { mode: 0o600 })
    return `${at.base}-${name}`
  }
  const { privateKey, privateKeyPath } = endpoint
  const isOurs =
    endpoint.hostKey !== undefined || endpoint.knownHosts !== undefined || endpoint.insecureIgnoreHostKey === true
  return {
    endpoint,
    files: {
      privateKey:
        privateKey !== undefined
          ? await put('key', privateKey.endsWith('\n') ? privateKey : `${privateKey}\n`)
          : privateKeyPath === undefined
            ? undefined
            : localPath(privateKeyPath),
      ...(isOurs
        ? {
            knownHosts: await put('known', await knownLines(endpoint)),
            keysScript: await put('keys', script(endpoint)),
          }
        : {}),
    },
  }
}

/** The same hops, but each makes ssh note which key it was shown, even where the user's configuration decides. */
export async function recording(folder: HopFolder): Promise<HopFolder> {
  const hops = await Promise.all(
    folder.hops.map(async (hop, index) => {
      if (hop.files.keysScript !== undefined) return hop
      const keysScript = join(folder.path, `${index}-keys`)
      await writeFile(keysScript, script({ host: '' }), { mode: 0o600 })
      return { ...hop, files: { ...hop.files, keysScript } }
    }),
  )
  return { ...folder, hops }
}

/** Why a key was refused, if that is why: of the hop that came last, the only one that may not be trusted. */
export async function refusedKey(folder: HopFolder, said: string): Promise<ProviderError | undefined> {
  for (const [index, { endpoint, argument, files }] of folder.hops.entries()) {
    const shown = await readFile(join(folder.path, `${index}-shown`), 'utf8').catch(() => '')
    const line = shown.split('\n').findLast((one) => /^[a-z0-9@.-]+ [A-Za-z0-9+/=]+$/.test(one))
    if (line === undefined) continue
    const told = /revoked/i.test(said) ? 'revoked' : /has changed/i.test(said) ? 'changed' : 'unknown'
    const key = Buffer.from(line.split(' ')[1] ?? '', 'base64')
    const verdict = files.knownHosts === undefined ? told : judgeHostKey(await knownKeys(endpoint), key)
    return verdict === 'known' ? undefined : hostKeyRefusal(endpoint, { argument, verdict, line })
  }
  return undefined
}

async function knownKeys(endpoint: Endpoint) {
  const { hostKey = '', host, port } = endpoint
  return [...parseHostKeys(hostKey), ...parseKnownHosts(await knownHostsText(endpoint), host, port)]
}

async function knownLines(endpoint: Endpoint): Promise<string> {
  const { hostKey = '', insecureIgnoreHostKey } = endpoint
  // The file is for one host, whatever the user's configuration calls it.
  const own = parseHostKeys(hostKey).flatMap(({ type, value }) => (type ? [`* ${type} ${value}`] : []))
  const lines = [...own, ...(await knownHostsText(endpoint)).split('\n')]
  // Who takes any key still takes none that is revoked.
  const trusted = insecureIgnoreHostKey ? lines.filter((line) => line.startsWith('@revoked')) : lines
  return trusted.map((line) => `${line}\n`).join('')
}

/** Called with reason, type, key and fingerprint. A fingerprint cannot be in a known_hosts file. */
function script({ hostKey = '' }: Endpoint): string {
  const prints = parseHostKeys(hostKey).flatMap(({ type, value }) =>
    type === undefined && /^SHA256:[A-Za-z0-9+/]+$/.test(value) ? [value] : [],
  )
  return `[ "$1" = HOSTNAME ] || exit 0
printf '%s %s\\n' "$2" "$3" >"\${0%-keys}-shown"
case ' ${prints.join(' ')} ' in *" $4 "*) printf '* %s %s\\n' "$2" "$3" ;; esac
`
}
