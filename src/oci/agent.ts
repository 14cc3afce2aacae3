import { readFileSync } from 'node:fs'
import { Agent } from 'undici'
import { messageOf, ProviderError } from '../model/error.ts'
import { printable, quote } from '../model/quote.ts'

const agents = new Map<string, Agent>()

/** Connections are shared by all that have the same settings. */
export function agentFor(caFile: string | undefined, stall: number): Agent {
  const key = JSON.stringify([caFile, stall])
  const found = agents.get(key)
  if (found) return found
  const ca = caFile === undefined ? {} : { ca: readCertificates(caFile) }
  const agent = new Agent({ headersTimeout: stall, bodyTimeout: stall, connect: { timeout: stall, ...ca } })
  agents.set(key, agent)
  return agent
}

function readCertificates(path: string): Buffer {
  try {
    return readFileSync(path)
  } catch (error) {
    throw new ProviderError(
      'BAD_INPUT',
      `Cannot read the caFile ${quote(path)} of postgres-oci:registries: ${printable(messageOf(error))}; correct the path`,
    )
  }
}
