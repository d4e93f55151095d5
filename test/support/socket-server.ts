import type { Socket } from 'node:net'
import type { TlsOptions } from 'node:tls'
import { systemClock } from '../../src/engine/clock.ts'
import { CounterMap } from '../../src/engine/counters.ts'
import { BUSY } from '../../src/lib/net/giving-way.ts'
import { type ServerConnection, StreamServer } from '../../src/lib/net/stream-server.ts'
import { atEnd } from './tmp.ts'

/** Listens as inputs do, and calls `accept` for each connection when it may be read; returns the port. */
export async function listenWith(accept: (socket: Socket) => void, tls?: TlsOptions): Promise<number> {
  let port = 0
  const info = (text: string): void => {
    port = Number(/:(\d+)$/.exec(text)?.[1] ?? port)
  }
  const none = (): void => {}
  const server: StreamServer<ServerConnection> = new StreamServer<ServerConnection>({
    ctx: {
      agent: { id: 'a' } as never,
      clock: systemClock,
      counters: new CounterMap(),
      log: { info, debug: none, warn: none, error: none },
    },
    maxConnections: 100,
    tls: () => tls,
    create: (socket) => {
      const connection: ServerConnection = {
        standing: BUSY,
        start: () => accept(socket),
        close: () => socket.end(),
        destroy: () => socket.destroy(),
      }
      socket.on('error', none)
      socket.on('close', () => server.closed(connection))
      return connection
    },
  })
  await server.listen({ host: '127.0.0.1', port: 0 })
  atEnd(() => {
    server.stop()
    for (const connection of server.connections) connection.destroy()
  })
  return port
}
