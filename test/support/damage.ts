import { Readable } from 'node:stream'
import type { Transport } from '../../src/host/transport.ts'

/** A push's or another verb's script text and stdin, to be damaged on its way to the host. */
export interface Sent {
  script: string
  stdin: Buffer
}

/** A transport that changes what is sent to a verb. */
export function damaging(transport: Transport, verb: string, damage: (sent: Sent) => unknown): Transport {
  return {
    ...transport,
    exec: async (command, options = {}) => {
      if (!command.endsWith(`pgoci-${verb}`)) return transport.exec(command, options)
      const chunks: Buffer[] = []
      if (typeof options.stdin === 'object') for await (const chunk of options.stdin) chunks.push(Buffer.from(chunk))
      else chunks.push(Buffer.from(options.stdin ?? ''))
      const all = Buffer.concat(chunks)
      const end = all.indexOf(10)
      const unfold = (_: string, kind: string) => (kind === 'n' ? '\n' : kind)
      const sent: Sent = {
        script: all.subarray(0, end).toString().replace(/\\(.)/g, unfold),
        stdin: all.subarray(end + 1),
      }
      await damage(sent)
      const line = `${sent.script.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')}\n`
      return transport.exec(command, { ...options, stdin: Readable.from([Buffer.from(line), sent.stdin]) })
    },
  }
}

/** A transport whose push gets this much of its stream, and then waits for bytes that do not come. */
export function stalling(transport: Transport, cut: (stream: Buffer) => Buffer, begun: () => void): Transport {
  return {
    ...transport,
    exec: async (command, options = {}) => {
      if (!command.endsWith('pgoci-push') || typeof options.stdin !== 'object') return transport.exec(command, options)
      const source = options.stdin
      const stdin = Readable.from(
        (async function* () {
          const chunks: Buffer[] = []
          for await (const chunk of source) chunks.push(Buffer.from(chunk))
          const all = Buffer.concat(chunks)
          const stream = all.indexOf(10) + 1
          yield Buffer.concat([all.subarray(0, stream), cut(all.subarray(stream))])
          begun()
          await new Promise(() => {})
        })(),
      )
      return transport.exec(command, { ...options, stdin })
    },
  }
}
