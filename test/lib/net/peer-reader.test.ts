import { expect, test } from 'bun:test'
import { connect, type Socket } from 'node:net'
import type { BufferSource } from '../../../src/core/buffer-source.ts'
import type { InputContext } from '../../../src/core/plugin.ts'
import { systemClock } from '../../../src/engine/clock.ts'
import { PeerReader, type PieceOwner } from '../../../src/lib/net/peer-reader.ts'
import { ReceiveBudget } from '../../../src/lib/net/receive-budget.ts'
import { turn } from '../../support/engine/chunks.ts'
import { listenWith } from '../../support/socket-server.ts'
import { atEnd } from '../../support/tmp.ts'
import { until } from '../../support/until.ts'

const STOP_BYTES = 4_000_000

/** An owner that takes pieces while it may, and waits with them otherwise. */
class Owner implements PieceOwner {
  readonly isInsideMessage = false
  readonly taken: number[] = []
  mayTake = true
  lostBytes = 0
  isGone = false
  #go: (() => void) | undefined

  take(data: Buffer): boolean {
    if (this.mayTake) this.taken.push(data.length)
    return this.mayTake
  }

  async takeLater(data: Buffer): Promise<boolean> {
    await new Promise<void>((resolve) => {
      this.#go = resolve
    })
    return this.take(data)
  }

  go(): void {
    this.mayTake = true
    this.#go?.()
  }

  get bytes(): number {
    return this.taken.reduce((sum, length) => sum + length, 0)
  }

  readonly readOn = (): undefined => undefined
  readonly readEnd = (): undefined => undefined
  readonly arrived = (): void => {}
  readonly idle = (): void => {}
  readonly failed = (): void => {}
  lost(bytes: number): void {
    this.lostBytes += bytes
  }
  readonly ended = (): void => {}
  readonly endSide = (): void => {}
  gone(): void {
    this.isGone = true
  }
  readonly silent = (): void => {}
  readonly expire = (): void => {}
}

interface Served {
  receiveBudget: ReceiveBudget
  owners: Owner[]
  readers: PeerReader[]
  clients: Socket[]
  /** Connects, and sends so many bytes at once. */
  send(bytes: number): Promise<void>
}

async function served({ mayTake } = { mayTake: true }): Promise<Served> {
  const receiveBudget = new ReceiveBudget({} as BufferSource, 1_000_000)
  const log = { debug: () => {}, warn: () => {} }
  const ctx = { clock: systemClock, log, counters: { add: () => {} } } as unknown as InputContext
  const owners: Owner[] = []
  const readers: PeerReader[] = []
  const clients: Socket[] = []
  const port = await listenWith((socket) => {
    const owner = new Owner()
    owner.mayTake = mayTake
    const reader = new PeerReader(socket, owner, ctx, receiveBudget)
    owners.push(owner)
    readers.push(reader)
    reader.start()
  })
  const send = (bytes: number): Promise<void> => {
    const client = connect(port, '127.0.0.1')
    clients.push(client)
    client.on('error', () => {})
    atEnd(() => void client.destroy())
    return new Promise((resolve) => client.write(Buffer.alloc(bytes), () => resolve()))
  }
  return { receiveBudget, owners, readers, clients, send }
}

async function turns(): Promise<void> {
  for (let i = 0; i < 50; i++) await turn()
}

test('a peer that connects while all are held is not read, and is when there is room again', async () => {
  const { receiveBudget, owners, send } = await served()
  const { gate } = receiveBudget
  gate.arrived(STOP_BYTES + 1)
  // Another one is held already: the new one comes after it.
  gate.add({ largestPiece: 0, hold: () => {}, admit: () => {} })
  await Promise.all([send(50_000), send(50_000)])
  await until(() => owners.length === 2)
  await turns()
  expect(owners.map(({ bytes }) => bytes)).toEqual([0, 0])
  gate.placed(STOP_BYTES + 1)
  await until(() => owners.every(({ bytes }) => bytes === 50_000))
})

test('a peer whose owner waits has one piece in memory, and everything is read in the end', async () => {
  const { receiveBudget, owners, send } = await served({ mayTake: false })
  const { gate } = receiveBudget
  void send(2_000_000)
  await until(() => gate.unread > 0)
  const { unread } = gate
  await turns()
  expect(gate.unread).toBe(unread)
  expect(unread).toBeLessThan(1_000_000)
  const [owner] = owners
  owner?.go()
  await until(() => owner?.bytes === 2_000_000)
  expect(gate.unread).toBe(0)
})

test('a connection that is cut is closed with the piece that arrives next, which is read', async () => {
  const { owners, readers, clients, send } = await served()
  void send(100)
  await until(() => owners[0]?.bytes === 100)
  readers[0]?.cut()
  const sending = send(10)
  await until(() => owners.length === 2)
  await sending
  await until(() => owners[1]?.bytes === 10)
  expect(owners.map(({ isGone }) => isGone)).toEqual([false, false])
  clients[0]?.write('more')
  await until(() => owners[0]?.isGone)
  expect(owners[0]?.bytes).toBe(104)
})
