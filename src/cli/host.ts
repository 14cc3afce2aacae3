import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { homedir, hostname, userInfo } from 'node:os'
import { join } from 'node:path'
import { type Command, InvalidArgumentError } from 'commander'
import type { z } from 'zod'
import { connect } from '../host/connect.ts'
import { type Connection, connectionSchema, sudoOf } from '../host/connection.ts'
import { nameSchema, rootSchema } from '../host/place.ts'
import { listInstances } from '../host/probe.ts'
import type { StoreTarget } from '../host/store.ts'
import { parseLockWait } from '../host/waiting.ts'
import { messageOf, ProviderError } from '../model/error.ts'
import { printable, quote } from '../model/quote.ts'
import type { Terminal } from './verb.ts'

/** How a verb's options name a store's instance. */
export interface HostOptions {
  readonly instance?: string
  readonly root: string
  readonly sudo?: true
}

const maxFile = 1024 ** 2

/** For `--help` of every verb that takes a HOST. */
export const hostHelp = `
A host is ssh://user@host[:port], logged in to by the agent's keys and known by ~/.ssh/known_hosts, or a JSON file with
the arguments of a connection: { "host": "db1.example.com", "user": "deploy", "sudo": true, "hostKey": "ssh-ed25519 …" }`

/** Adds the argument and the options of {@link HostOptions} to a verb. */
export function takeHost(command: Command): Command {
  return command
    .argument('<host>', 'ssh://user@host[:port], or a JSON file with the arguments of a connection')
    .option('--instance <name>', 'which installation (default: the only one there)', valid(nameSchema))
    .option('--root <folder>', 'of the store on the host', valid(rootSchema), rootSchema.parse(undefined))
    .option('--sudo', 'become root there with sudo')
}

/** Connects, finds the instance, and closes the connection when `use` is done. */
export async function withStore<T>(
  host: string,
  { instance, ...others }: HostOptions,
  use: (target: StoreTarget) => Promise<T>,
  options: Pick<Terminal, 'signal' | 'env' | 'stderr'>,
): Promise<T> {
  return withHost(
    host,
    others,
    async (store) => {
      const { root, transport } = store
      const chosen = instance ?? onlyOne(await listInstances(store, options), `${root} on ${transport.name}`)
      return use({ ...store, instance: chosen })
    },
    options,
  )
}

/** The same for a store with all its instances. */
export async function withHost<T>(
  host: string,
  { root, sudo }: Omit<HostOptions, 'instance'>,
  use: (store: Omit<StoreTarget, 'instance'>, connection: Connection) => Promise<T>,
  options: Pick<Terminal, 'signal' | 'env' | 'stderr'>,
): Promise<T> {
  const { signal, env, stderr } = options
  const given = await readConnection(host)
  const connection = sudo ? { ...given, sudo } : given
  const transport = await connect(connection, { signal })
  try {
    const holder = `${userInfo().username}@${hostname()}`
    const tell = (line: string) => void stderr.write(`${line}\n`)
    const lockWait = parseLockWait(env['PGOCI_LOCK_WAIT'])
    return await use({ transport, root, sudo: sudoOf(connection), lockWait, holder, tell }, connection)
  } finally {
    await transport.close()
  }
}

/** @throws ProviderError BAD_INPUT */
async function readConnection(host: string): Promise<Connection> {
  const refused = (why: string) => new ProviderError('BAD_INPUT', `Cannot use ${quote(host)} as a host: ${why}`)
  if (/^[a-z]+:\/\//i.test(host)) return fromUrl(host, refused)
  const text = await readFile(host, 'utf8').catch((error: unknown) => {
    throw refused(`${printable(messageOf(error))}; write ssh://user@host, or the path of a JSON file`)
  })
  let value: unknown
  try {
    value = text.length > maxFile ? undefined : JSON.parse(text)
  } catch {
    value = undefined
  }
  return parseConnection(value, refused)
}

type Refuse = (why: string) => ProviderError

function fromUrl(text: string, refused: Refuse): Connection {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url?.protocol !== 'ssh:' || url.hostname === '' || !/^\/?$/.test(url.pathname) || url.search || url.hash)
    throw refused('expected ssh://user@host[:port]')
  // Other users of this machine see its command lines.
  if (url.password)
    throw new ProviderError('BAD_INPUT', 'Cannot use a host with a password in it; put both into a JSON file')
  const own = join(homedir(), '.ssh/known_hosts')
  return parseConnection(
    {
      host: url.hostname.replace(/^\[(.*)\]$/, '$1'),
      ...(url.port ? { port: Number(url.port) } : {}),
      ...(url.username ? { user: url.username } : {}),
      ...(existsSync(own) ? { knownHosts: own } : {}),
    },
    refused,
  )
}

function parseConnection(value: unknown, refused: Refuse): Connection {
  const parsed = connectionSchema.safeParse(value)
  if (parsed.success) return parsed.data
  // The value itself may be a secret.
  const [issue] = parsed.error.issues
  const at = issue?.path.join('.') ? `${issue.path.join('.')}: ` : ''
  throw refused(`it is no JSON with the arguments of a connection (${printable(`${at}${issue?.message}`)})`)
}

function onlyOne(names: readonly string[], place: string): string {
  const [name] = names
  if (name !== undefined && names.length === 1) return name
  if (name === undefined)
    throw new ProviderError('NOT_FOUND', `Cannot find an installation in ${place}; name its folder with --root`)
  const there = printable(names.slice(0, 20).join(', '), 1000)
  throw new ProviderError(
    'BAD_INPUT',
    `Cannot choose an installation in ${place}: there are ${there}; name one with --instance`,
  )
}

function valid<T>(schema: z.ZodType<T>): (text: string) => T {
  return (text) => {
    const parsed = schema.safeParse(text)
    if (parsed.success) return parsed.data
    throw new InvalidArgumentError(`It ${parsed.error.issues[0]?.message}.`)
  }
}
