import { expect, test } from 'bun:test'
import { connect, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { pauseSocket } from '../../../src/lib/net/paused-socket.ts'
import { Authority } from '../../support/certs.ts'
import { turn } from '../../support/engine/chunks.ts'
import { listenWith } from '../../support/socket-server.ts'
import { atEnd } from '../../support/tmp.ts'
import { until } from '../../support/until.ts'

const CLIENTS = 10
const BYTES = 300_000

test.each(['plain', 'TLS'])(
  'a paused socket delivers nothing more, also when it is ready in the same turn (%s)',
  async (kind) => {
    const authority = kind === 'TLS' ? new Authority() : undefined
    const certificate = authority?.issue('localhost', ['localhost'])
    const accepted: Socket[] = []
    const pieces: number[] = []
    const bytesOf = new Map<Socket, number>()
    const port = await listenWith((socket) => {
      accepted.push(socket)
      bytesOf.set(socket, 0)
      socket.on('data', (data: Buffer) => {
        pieces.push(data.length)
        bytesOf.set(socket, (bytesOf.get(socket) ?? 0) + data.length)
        if (pieces.length === 1) for (const other of accepted) pauseSocket(other)
      })
    }, certificate)
    const clients = Array.from({ length: CLIENTS }, () =>
      authority === undefined
        ? connect(port, '127.0.0.1')
        : connectTls({ port, host: '127.0.0.1', ca: authority.cert, servername: 'localhost' }),
    )
    for (const client of clients) {
      client.on('error', () => {})
      atEnd(() => void client.destroy())
    }
    await until(() => accepted.length === CLIENTS)
    for (const client of clients) client.write(Buffer.alloc(BYTES))
    await until(() => pieces.length > 0)
    for (let turns = 0; turns < 100; turns++) await turn()
    expect(pieces).toHaveLength(1)
    expect(accepted.map(({ readableLength }) => readableLength)).toEqual(accepted.map(() => 0))
    for (const socket of accepted) socket.resume()
    await until(() => [...bytesOf.values()].every((bytes) => bytes === BYTES))
  },
)
