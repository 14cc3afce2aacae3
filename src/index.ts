export { type Code, ProviderError } from './model/error.ts'
export type { ConnectionArgs, EndpointArgs } from './pulumi/connection.ts'
export { Distribution, type DistributionArgs } from './pulumi/distribution.ts'
export { Extension, type ExtensionArgs } from './pulumi/extension.ts'
