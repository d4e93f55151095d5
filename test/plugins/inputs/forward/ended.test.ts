import { expect, test } from 'bun:test'
import { EventEmitter } from 'node:events'
import type { Socket } from 'node:net'
import { encode } from '@msgpack/msgpack'
import type { BufferSource } from '../../../../src/core/buffer-source.ts'
import type { InputContext } from '../../../../src/core/plugin.ts'
import { systemClock } from '../../../../src/engine/clock.ts'
import { ReceiveBudget } from '../../../../src/lib/net/receive-budget.ts'
import { type ConnectionHost, SenderConnection } from '../../../../src/plugins/inputs/forward/connection.ts'
import { turn } from '../../../support/engine/chunks.ts'
import { until } from '../../../support/until.ts'

const ALL_BYTES = 8_000_000

/** A socket that only its test fills. */
class FakeSocket extends EventEmitter {
  readonly setKeepAlive = (): this => this
  readonly setTimeout = (): this => this
  readonly pause = (): this => this
  readonly isPaused = (): boolean => true
  readonly resume = (): this => this
  readonly end = (): this => this
  readonly readAhead: Buffer[] = []

  get readableLength(): number {
    return this.readAhead.reduce((sum, { length }) => sum + length, 0)
  }

  read(): Buffer | null {
    return this.readAhead.length === 0 ? null : Buffer.concat(this.readAhead.splice(0))
  }

  destroy(): this {
    process.nextTick(() => this.emit('close'))
    return this
  }
}

interface Held {
  host: ConnectionHost
  receiveBudget: ReceiveBudget
  closedPeers: () => number
  /** Size of the buffers that connections have. */
  usedBytes: () => number
  connections: Set<SenderConnection>
}

/** A host of which another connection uses memory, all of it by default, and waits for an output. */
function heldHost(unreadBytes: number, heldBytes = ALL_BYTES): Held {
  let used = 0
  const buffers = {
    takeLongLived: (bytes: number) => {
      used += bytes
      return Buffer.alloc(bytes)
    },
    give: ({ length }: Buffer) => {
      used -= length
    },
  }
  const receiveBudget = new ReceiveBudget(buffers as unknown as BufferSource, 1_000_000)
  receiveBudget.connection().hold(heldBytes)
  receiveBudget.gate.arrived(unreadBytes)
  let closedPeers = 0
  const count = (name: string): void => {
    if (name === 'closed_peers') closedPeers++
  }
  const log = { warn: () => {}, debug: () => {} }
  const connections = new Set<SenderConnection>()
  const host = {
    ctx: { clock: systemClock, counters: { add: count }, log } as unknown as InputContext,
    signal: new AbortController().signal,
    maxBytes: 1_000_000,
    receiveBudget,
    tagOf: (tag: string) => tag,
    isReserved: () => false,
    unsettled: 0,
    owedBytes: 0,
    closed: (connection: SenderConnection) => connections.delete(connection),
  } as unknown as ConnectionHost
  return { host, receiveBudget, closedPeers: () => closedPeers, usedBytes: () => used, connections }
}

function connectTo({ host, connections }: Held): FakeSocket {
  const socket = new FakeSocket()
  const connection = new SenderConnection(socket as unknown as Socket, 'a', host)
  connections.add(connection)
  connection.start()
  return socket
}

const message = (chunk: string, bytes: number): Buffer =>
  Buffer.from(encode(['t', 5, { text: 'x'.repeat(bytes) }, { chunk }]))

/** The bytes of a piece; none once it was freed. */
const pieceOf = (): Buffer => Buffer.from(new Uint8Array(message('c', 100_000)).buffer)

test('connections without memory are not closed, and leave no waiter and none of their bytes when their peers close them', async () => {
  const held = heldHost(ALL_BYTES)
  const pieces = Array.from({ length: 50 }, pieceOf)
  const sockets = pieces.map(() => connectTo(held))
  for (const [i, piece] of pieces.entries()) sockets[i]?.emit('data', piece)
  await turn()
  expect([held.closedPeers(), held.connections.size]).toEqual([0, 50])
  for (const socket of sockets) socket.emit('close')
  await turn()
  expect(held.connections.size).toBe(0)
  expect(held.receiveBudget.hasWaiters).toBe(false)
  expect(pieces.reduce((sum, piece) => sum + piece.buffer.byteLength, 0)).toBe(0)
  // Nothing of them counts as unread any more.
  expect(held.receiveBudget.gate.unread).toBe(ALL_BYTES)
})

test('a connection that its peer closes while it waits leaves nothing, what was read ahead included', async () => {
  const held = heldHost(0)
  const socket = connectTo(held)
  const [piece, next] = [pieceOf(), pieceOf()]
  socket.emit('data', piece)
  socket.emit('data', next)
  socket.readAhead.push(pieceOf())
  expect(held.receiveBudget.hasWaiters).toBe(true)
  socket.emit('close')
  await turn()
  expect([held.receiveBudget.hasWaiters, held.connections.size, socket.readableLength]).toEqual([false, 0, 0])
  expect([piece.buffer.byteLength, next.buffer.byteLength]).toEqual([0, 0])
})

test('a connection that its peer closes while it waits for memory for its records gives back its buffer', async () => {
  const held = heldHost(0, 0)
  const { host, usedBytes } = held
  let waits = 0
  Object.assign(host.ctx, {
    appender: () => ({ reserve: () => false }),
    room: () => 1000,
    sealAll: () => {},
    // As long as the output is down, only the signal ends it.
    waitForMemory: (signal: AbortSignal) => {
      waits++
      return new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()))
    },
  })
  const before = usedBytes()
  const sockets = Array.from({ length: 20 }, () => connectTo(held))
  for (const socket of sockets) socket.emit('data', message('c', 10_000))
  await until(() => waits === sockets.length)
  expect(usedBytes() - before).toBeGreaterThan(20 * 10_000)
  for (const socket of sockets) socket.emit('close')
  await until(() => usedBytes() === before)
  expect([held.connections.size, waits]).toEqual([0, 20])
})
