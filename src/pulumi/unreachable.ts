import { createRequire } from 'node:module'
import { toState } from './state.ts'

// gRPC comes with Pulumi's SDK, and must be the copy that it uses.
const require = createRequire(createRequire(import.meta.url).resolve('@pulumi/pulumi'))

/**
 * The error by which `read` says "I could not look": the engine keeps the resource and its state, warns, and goes
 * on with the others. A plain error would end the whole run. The engine expects ErrorResourceInitFailed, packed as
 * the dynamic provider packs it for create.
 */
export function unreachable(id: string, properties: Record<string, unknown>, reason: string): Error {
  const grpc = require('@grpc/grpc-js')
  const { Any } = require('google-protobuf/google/protobuf/any_pb')
  const { Struct } = require('google-protobuf/google/protobuf/struct_pb')
  const { ErrorResourceInitFailed } = require('@pulumi/pulumi/proto/provider_pb')
  const { Status } = require('@pulumi/pulumi/proto/status_pb')
  const detail = new ErrorResourceInitFailed()
  detail.setId(id)
  detail.setProperties(Struct.fromJavaScript(toState(properties)))
  detail.setReasonsList([reason])
  const any = new Any()
  any.pack(detail.serializeBinary(), 'pulumirpc.ErrorResourceInitFailed')
  const status = new Status()
  status.setCode(grpc.status.UNKNOWN)
  status.setMessage(reason)
  status.addDetails(any)
  const metadata = new grpc.Metadata()
  metadata.add('grpc-status-details-bin', Buffer.from(status.serializeBinary()))
  const error = new Error(reason)
  error.stack = reason
  return Object.assign(error, { code: grpc.status.UNKNOWN, details: reason, metadata })
}
