import * as pulumi from '@pulumi/pulumi'
import { secretArguments } from '../model/secret.ts'

/** How to log in to a machine. The names are those of `@pulumi/command`'s connection. */
export interface EndpointArgs {
  /** Name or address. */
  readonly host: pulumi.Input<string>
  /** @default 22 */
  readonly port?: pulumi.Input<number> | undefined
  /** @default root; with `sshConfig`, or by `openssh`, whom ssh would log in as */
  readonly user?: pulumi.Input<string> | undefined
  /** Secret in state. */
  readonly password?: pulumi.Input<string> | undefined
  /** Text of a private key. Secret in state. */
  readonly privateKey?: pulumi.Input<string> | undefined
  /** File with a private key, on the machine that runs Pulumi; a leading `~/` is its home. */
  readonly privateKeyPath?: pulumi.Input<string> | undefined
  /** Passphrase of the private key. Secret in state. */
  readonly privateKeyPassword?: pulumi.Input<string> | undefined
  /** Socket of an SSH agent. @default SSH_AUTH_SOCK, where neither key nor password is given */
  readonly agentSocketPath?: pulumi.Input<string> | undefined
  /** After how many failed attempts to give up; -1: as many as fit in ten minutes. @default 3; 6 where the host turns logins away */
  readonly dialErrorLimit?: pulumi.Input<number> | undefined
  /** Seconds for one attempt, login included; 0: ten minutes. @default 15 */
  readonly perDialTimeout?: pulumi.Input<number> | undefined
  /**
   * The host's key, `ssh-ed25519 AAAA…` or `SHA256:…`; several on a line each. An unknown key is refused, with the
   * line to put here.
   */
  readonly hostKey?: pulumi.Input<string> | undefined
  /** A `known_hosts` file: its path, or its text (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT). */
  readonly knownHosts?: pulumi.Input<string> | undefined
  /** Takes any key, and so anybody who answers. @default false */
  readonly insecureIgnoreHostKey?: pulumi.Input<boolean> | undefined
  /**
   * An `ssh_config` file on the machine that runs Pulumi, as in `~/.ssh/config`, in which `host` is looked up: what it
   * says of HostName, Port, User, IdentityFile, IdentityAgent, ProxyJump, known hosts and HostKeyAlias fills what is
   * not said here. @default none is read
   */
  readonly sshConfig?: pulumi.Input<string> | undefined
  /** A host to jump through, which may be behind another one: up to five in a chain. */
  readonly proxy?: pulumi.Input<EndpointArgs> | undefined
}

/** How to reach a host, and as whom to work on it. */
export interface ConnectionArgs extends EndpointArgs {
  /** Become root with sudo; where that asks for a password, with {@link ConnectionArgs.sudoPassword}. @default false */
  readonly sudo?: pulumi.Input<boolean> | undefined
  /** What sudo asks for. Secret in state; sent only when it is asked for, and once a run when it is wrong. */
  readonly sudoPassword?: pulumi.Input<string> | undefined
  /**
   * `ssh2`, a library that needs nothing on the machine that runs Pulumi; or `openssh`, that machine's `ssh` with its
   * user's configuration, for certificates, FIDO keys, GSSAPI and ProxyCommand (docs/connections.md).
   * @default ssh2
   */
  readonly transport?: pulumi.Input<'ssh2' | 'openssh'> | undefined
}

/**
 * Marks the secrets of a connection, and nothing else: a changed host must stay visible in previews. A connection that
 * is an output as a whole stays as secret as its program has made it.
 */
export function secretLeaves(connection: pulumi.Input<EndpointArgs>): pulumi.Input<object> {
  if (pulumi.Output.isInstance(connection) || connection instanceof Promise)
    return pulumi.output(connection).apply((known): object => secretLeaves(known as EndpointArgs))
  const { proxy, ...own } = connection
  const marked = Object.entries(own).map(([key, value]) => [
    key,
    (secretArguments as readonly string[]).includes(key) && value !== undefined ? pulumi.secret(value) : value,
  ])
  return { ...Object.fromEntries(marked), ...(proxy ? { proxy: secretLeaves(proxy) } : {}) }
}
