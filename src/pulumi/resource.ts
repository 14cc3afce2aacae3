import * as pulumi from '@pulumi/pulumi'

/**
 * What state keeps of us: a constant that loads the installed package, so that refresh and destroy always run
 * current code, and no closure is serialised. Its text and the entry it names never change (DESIGN §5.1).
 */
export function handlerOf(resource: 'distribution' | 'extension'): string {
  return `exports.handler=()=>require("module").createRequire(process.cwd()+"/_")("pulumi-postgres-oci/provider").${resource};`
}

export function stackName(): string {
  return `${pulumi.getProject()}/${pulumi.getStack()}`
}
