import { chmodSync, lstatSync, unlinkSync } from 'node:fs'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { messageOf, ShipperError } from '../../../core/error.ts'
import type { Input, InputContext, InputStatus } from '../../../core/plugin.ts'
import { type ConnectionHost, SenderConnection } from './connection.ts'
import { unpack } from './decompress.ts'
import type { ForwardOptions } from './options.ts'
import { ReceiveBudget } from './receive-budget.ts'

/** Four times the size of the message: what gzip makes of logs is between a fifth and a twentieth. */
const UNPACKED = 4
/** For the last acknowledgements to be taken by the peers. */
const CLOSE_MS = 500

/** Listens for peers that speak the forward protocol; while memory is full none of them is read. */
export class ForwardInput implements Input {
  readonly #o: ForwardOptions
  readonly #ctx: InputContext
  readonly #connections = new Set<SenderConnection>()
  readonly #holds: ReceiveBudget
  /** Tags of which a message has to be acknowledged. */
  readonly #toSeal = new Set<string>()
  #server: Server | undefined
  #accepted = 0
  #unpacking: Promise<void> = Promise.resolve()
  #allClosed: (() => void) | undefined

  constructor(options: ForwardOptions, ctx: InputContext) {
    this.#o = options
    this.#ctx = ctx
    this.#holds = new ReceiveBudget(ctx.buffers, options.bufferMaxSize)
  }

  async run(signal: AbortSignal): Promise<void> {
    const shared = this.#shared(signal)
    const server = createServer({ allowHalfOpen: true }, (socket) => this.#accept(socket, shared))
    this.#server = server
    await this.#listen(server)
    this.#ctx.log.info(`listening on ${addressText(server)}`)
    if (!signal.aborted)
      await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
    server.close()
    for (const connection of this.#connections) connection.stopReading()
    this.#holds.wake()
  }

  async close(): Promise<void> {
    this.#server?.close()
    if (this.#connections.size === 0) return
    const closed = new Promise<void>((resolve) => {
      this.#allClosed = resolve
    })
    for (const connection of this.#connections) connection.close()
    const timer = this.#ctx.clock.after(CLOSE_MS, () => {
      for (const connection of this.#connections) connection.destroy()
    })
    await closed
    this.#ctx.clock.cancel(timer)
  }

  status(): InputStatus {
    return { connections: this.#connections.size }
  }

  #shared(signal: AbortSignal): ConnectionHost {
    const prefix = this.#o.tagPrefix ?? ''
    return {
      ctx: this.#ctx,
      signal,
      maxBytes: this.#o.bufferMaxSize,
      tagOf: (tag) => this.#ctx.configuredTag ?? prefix + tag,
      holds: this.#holds,
      unpacked: (bytes, how, use) => this.#unpack(bytes, how, use),
      sealSoon: (tag) => this.#sealSoon(tag),
      closed: (connection) => {
        this.#connections.delete(connection)
        if (this.#connections.size === 0) this.#allClosed?.()
      },
    }
  }

  #accept(socket: Socket, shared: ConnectionHost): void {
    if (this.#connections.size >= this.#o.maxConnections || shared.signal.aborted) {
      this.#ctx.counters.add('refused_connections')
      this.#ctx.log.warn(`more than ${this.#o.maxConnections} connections: a further one is closed`)
      socket.destroy()
      return
    }
    this.#ctx.counters.add('connections')
    const { agent, clock } = this.#ctx
    const id = `${agent.id}:${process.pid}:${clock.nowMs()}:${this.#accepted++}`
    const connection = new SenderConnection(socket, id, shared)
    this.#connections.add(connection)
    connection.start()
  }

  /**
   * A peer that waits for an acknowledgement must not wait for Flush. At the end of this turn rather than at once, so
   * that the messages of many small peers share a chunk when there is much to do.
   */
  #sealSoon(tag: string): void {
    if (this.#toSeal.size === 0) setImmediate(() => this.#sealNow())
    this.#toSeal.add(tag)
  }

  #sealNow(): void {
    for (const tag of this.#toSeal) this.#ctx.appender(tag).seal()
    this.#toSeal.clear()
  }

  /** One payload at a time: what is unpacked is outside the budget. */
  #unpack(bytes: Buffer, how: 'gzip' | 'zstd', use: (out: Buffer) => Promise<void>): Promise<void> {
    const mine = this.#unpacking.then(async () =>
      use(await unpack(bytes, how, UNPACKED * this.#o.bufferMaxSize)),
    )
    this.#unpacking = mine.catch(() => {})
    return mine
  }

  async #listen(server: Server): Promise<void> {
    const { unixPath, unixPerm, listen, port } = this.#o
    try {
      if (unixPath === undefined) return await listening(server, { host: listen, port })
      await removeLeftOver(unixPath)
      await listening(server, { path: unixPath })
      if (unixPerm !== undefined) chmodSync(unixPath, Number.parseInt(unixPerm, 8))
    } catch (error) {
      const where = unixPath ?? `${listen}:${port}`
      throw new ShipperError('E_LISTEN', `cannot listen on ${where}: ${messageOf(error)}`, { cause: error })
    }
  }
}

function listening(server: Server, at: { host: string; port: number } | { path: string }): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(at, resolve)
  })
}

/** A socket that nobody listens on is what a process that was killed has left. */
async function removeLeftOver(path: string): Promise<void> {
  if (!lstatSync(path, { throwIfNoEntry: false })?.isSocket()) return
  const used = await new Promise<boolean>((resolve) => {
    const socket = connect(path)
    socket.once('connect', () => resolve(true))
    socket.once('error', () => resolve(false))
    socket.once('close', () => resolve(false))
    socket.once('connect', () => socket.destroy())
  })
  if (!used) unlinkSync(path)
}

function addressText(server: Server): string {
  const at = server.address() as AddressInfo | string | null
  return typeof at === 'string' || at === null ? String(at) : `${at.address}:${at.port}`
}
