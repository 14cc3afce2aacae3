import * as pulumi from '@pulumi/pulumi'

/**
 * What state keeps of us: a constant that loads the installed package, so that refresh and destroy always run
 * current code, and no closure is serialised. Its text and the entry it names never change (DESIGN §5.1).
 */
export function handlerOf(resource: 'distribution' | 'extension'): string {
  return `exports.handler=()=>require("module").createRequire(process.cwd()+"/_")("pulumi-postgres-oci/provider").${resource};`
}

const leaves = ['password', 'privateKey', 'privateKeyPassword']

/** Marks the secrets of a connection, and nothing else: a changed host must stay visible in previews. */
export function secretLeaves(connection: object): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(connection).map(([key, value]) => [
      key,
      leaves.includes(key) && value !== undefined ? pulumi.secret(value) : value,
    ]),
  )
}

export function stackName(): string {
  return `${pulumi.getProject()}/${pulumi.getStack()}`
}
