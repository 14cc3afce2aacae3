import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http'
import { createSecureServer } from 'node:http2'
import type { AddressInfo, Socket } from 'node:net'

/** A request as it came: what a client sends where, and with which credentials. */
export interface Recorded {
  readonly server: 'registry' | 'storage' | 'tokens'
  readonly method: string
  readonly url: string
  readonly headers: IncomingMessage['headers']
  readonly httpVersion: string
}

export interface Listening {
  /** `address:port`. */
  readonly host: string
  readonly origin: string
  close(): Promise<void>
}

export type Serve = (request: IncomingMessage, answer: ServerResponse) => void | Promise<void>

/** A server on a free port, of loopback unless told otherwise; with a certificate it speaks TLS, HTTP/2 to those who want it. */
export async function listen(
  serve: Serve,
  options: {
    readonly tls?: { cert: string | Buffer; key: string | Buffer } | undefined
    readonly at?: string | undefined
    readonly record: (request: IncomingMessage) => void
  },
): Promise<Listening> {
  const listener: RequestListener = (request, answer) => {
    options.record(request)
    // A client may go away in the middle of its upload.
    Promise.resolve(serve(request, answer)).catch((error) => answer.destroy(error))
  }
  const server = options.tls
    ? createSecureServer({ ...options.tls, allowHTTP1: true }, listener as never)
    : createServer(listener)
  const sockets = new Set<Socket>()
  server.on(options.tls ? 'secureConnection' : 'connection', (socket: Socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  const { at = '127.0.0.1' } = options
  await new Promise<void>((resolve) => server.listen(0, at, resolve))
  const host = `${at}:${(server.address() as AddressInfo).port}`
  return {
    host,
    origin: `${options.tls ? 'https' : 'http'}://${host}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        for (const socket of sockets) socket.destroy()
      }),
  }
}
