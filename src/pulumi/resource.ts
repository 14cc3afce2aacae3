import * as pulumi from '@pulumi/pulumi'

/** `project/stack`, as the hosts' records name it. */
export function stackName(): string {
  return `${pulumi.getProject()}/${pulumi.getStack()}`
}
