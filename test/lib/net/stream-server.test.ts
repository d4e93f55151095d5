import { describe, expect, test } from 'bun:test'
import { spawnSync } from 'node:child_process'
import { connect, type Socket } from 'node:net'
import { systemClock } from '../../../src/engine/clock.ts'
import { CounterMap } from '../../../src/engine/counters.ts'
import { BUSY, ENDED, type Standing } from '../../../src/lib/net/giving-way.ts'
import {
  CONNECTION_COUNTERS,
  type ServerConnection,
  StreamServer,
} from '../../../src/lib/net/stream-server.ts'
import { StreamClient } from '../../support/server-run.ts'
import { atEnd } from '../../support/tmp.ts'
import { until } from '../../support/until.ts'

/** Keeps what it receives; `standing` is what the test says. */
class Keeper implements ServerConnection {
  static standing: (text: string, hasEnded: boolean) => Standing = () => BUSY
  text = ''
  hasEnded = false
  readonly socket: Socket
  readonly #closed: (connection: Keeper) => void

  constructor(socket: Socket, closed: (connection: Keeper) => void) {
    this.socket = socket
    this.#closed = closed
  }

  get standing(): Standing {
    return Keeper.standing(this.text, this.hasEnded)
  }

  start(): void {
    this.socket.on('data', (data: Buffer) => {
      this.text += data.toString('latin1')
    })
    this.socket.on('end', () => {
      this.hasEnded = true
    })
    this.socket.on('error', () => {})
    this.socket.on('close', () => this.#closed(this))
  }

  close(): void {
    this.socket.end()
  }

  destroy(): void {
    this.socket.destroy()
  }
}

async function server(options: { maxConnections: number; maxWaiting?: number; openFiles?: number }) {
  const counters = new CounterMap(CONNECTION_COUNTERS)
  const logged: string[] = []
  const log = (message: string): void => void logged.push(message)
  const all: Keeper[] = []
  const own: StreamServer<Keeper> = new StreamServer<Keeper>({
    ctx: {
      agent: { version: '1', id: 'a', hostname: 'h' },
      clock: systemClock,
      counters,
      log: { error: log, warn: log, info: log, debug() {} },
    },
    openFiles: 100_000,
    ...options,
    create: (socket) => {
      const keeper = new Keeper(socket, (connection) => own.closed(connection))
      all.push(keeper)
      return keeper
    },
  })
  await own.listen({ host: '127.0.0.1', port: 0 })
  atEnd(() => own.close())
  const port = Number(/:(\d+)$/.exec(logged[0] ?? '')?.[1])
  return { own, counters, logged, all, port }
}

/** Connects from an address of loopback. */
async function from(address: string, port: number, text: string): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1', localAddress: address })
  socket.on('error', () => {})
  socket.on('data', () => {})
  atEnd(() => void socket.destroy())
  await new Promise<void>((resolve) => socket.write(text, () => resolve()))
  return socket
}

describe('connections above the maximum', () => {
  test('wait and are not read, until one is closed; then they are read in their order', async () => {
    Keeper.standing = () => BUSY
    const { own, all, port, counters } = await server({ maxConnections: 2 })
    const clients = []
    for (const n of [0, 1, 2, 3]) {
      const client = new StreamClient(port)
      await client.send(`text ${n}`)
      clients.push(client)
    }
    await until(() => own.waiting === 2)
    await until(() => all.every(({ text }) => text !== ''))
    expect([own.connections.size, all.length, counters.get('refused_connections')]).toEqual([2, 2, 0])
    // Those that go away in the meantime are read all the same.
    clients[2]?.socket.end()
    clients[0]?.socket.resetAndDestroy()
    await until(() => all[2]?.text === 'text 2')
    expect([own.waiting, clients[3]?.closed]).toEqual([1, false])
  })

  test('do not have others closed that have sent something which is not read yet', async () => {
    // Idle for long is what a connection looks like that was accepted before a pause of the process.
    Keeper.standing = (text, hasEnded) =>
      text === '' ? { is: 'idle', forMs: 3_600_000 } : hasEnded ? ENDED : BUSY
    const { all, port, counters } = await server({ maxConnections: 3 })
    // This process stands still meanwhile: all that they send is in the kernel when the first is accepted.
    const script = `const { connect } = require('node:net')
      let sent = 0
      for (let n = 0; n < 200; n++)
        connect(${port}, '127.0.0.1').end('text ' + n, () => ++sent === 200 && process.exit())`
    expect(spawnSync(process.execPath, ['-e', script]).status).toBe(0)
    await until(() => all.length === 200 && all.every(({ text }) => text !== ''))
    const numbers = all.map(({ text }) => Number(text.slice('text '.length)))
    expect(numbers.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 200 }, (_, n) => n))
    expect([counters.get('refused_connections'), counters.get('evicted_connections')]).toEqual([0, 0])
  })

  test('are refused with a reset, counted and logged when too many wait', async () => {
    Keeper.standing = () => BUSY
    const { own, port, counters, logged } = await server({ maxConnections: 1, maxWaiting: 1 })
    const clients = [new StreamClient(port), new StreamClient(port)]
    await until(() => own.connections.size === 1 && own.waiting === 1)
    const refused = connect(port, '127.0.0.1')
    const error = await new Promise<NodeJS.ErrnoException>((resolve) => refused.on('error', resolve))
    expect([error.code, counters.get('refused_connections')]).toEqual(['ECONNRESET', 1])
    expect(logged.join('\n')).toContain(
      'refused a connection of 127.0.0.1: the maximum of 1 connections is reached, and 1 more wait',
    )
    expect(clients.some(({ closed }) => closed)).toBe(false)
  })

  test('of an address that has more than half of the places do not keep others from theirs', async () => {
    Keeper.standing = () => BUSY
    const { own, all, port } = await server({ maxConnections: 3, maxWaiting: 3 })
    const many: Socket[] = []
    let closed = 0
    for (let n = 0; n < 6; n++) {
      const one = await from('127.0.0.2', port, 'many')
      one.on('close', () => closed++)
      many.push(one)
    }
    await until(() => own.waiting === 3)
    await from('127.0.0.1', port, 'other')
    // The last one of those that wait has made room for it.
    await until(() => closed === 1)
    many[0]?.resetAndDestroy()
    await until(() => all[3]?.text === 'other')
    expect([own.waiting, closed]).toEqual([2, 2])
  })

  test('are as many as the descriptors allow', async () => {
    Keeper.standing = () => BUSY
    const { own, port, logged } = await server({ maxConnections: 1000, openFiles: 16 })
    expect(logged.join('\n')).toContain('at most 4 connections, and not Max_Connections (1000)')
    const clients = Array.from({ length: 7 }, () => new StreamClient(port))
    await until(() => own.waiting === 2 && clients.some(({ closed }) => closed))
    expect(own.connections.size).toBe(4)
  })
})

test('connections that wait are read before a stop', async () => {
  Keeper.standing = () => BUSY
  const { own, all, port } = await server({ maxConnections: 1 })
  for (const text of ['a', 'b', 'c']) await new StreamClient(port).send(text)
  await until(() => own.waiting === 2)
  own.stop()
  await until(() => all.map(({ text }) => text).join('') === 'abc')
})
