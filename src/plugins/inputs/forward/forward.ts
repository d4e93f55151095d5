import { chmodSync, lstatSync, unlinkSync } from 'node:fs'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { messageOf, ShipperError } from '../../../core/error.ts'
import type { Input, InputContext, InputStatus } from '../../../core/plugin.ts'
import { matchTag } from '../../../core/tag.ts'
import { openFileLimit } from '../../../lib/fs/open-file-limit.ts'
import { listening, listenOn } from '../../../lib/net/listen.ts'
import { longestIdle } from './admission.ts'
import { type ConnectionHost, SenderConnection } from './connection.ts'
import { Inflaters } from './inflater.ts'
import type { ForwardInputOptions } from './options.ts'
import { ReceiveBudget } from './receive-budget.ts'

/** Limit for a decompressed payload, as a multiple of Buffer_Max_Size: gzip compresses logs to between a fifth and a twentieth. */
const MAX_DECOMPRESSED_RATIO = 4
/** Part of the limit of open files that connections may take: files, outputs and the database need the rest. */
const MAX_DESCRIPTOR_SHARE = 0.25
/** Time for the peers to take the last acknowledgements. */
const CLOSE_MS = 500
/** What a socket may read ahead while it is paused, besides the piece that is read at once. */
const HIGH_WATER_BYTES = 1024

/** Accepts peers that use the forward protocol; none of them is read while memory is exhausted. */
export class ForwardInput implements Input {
  readonly #options: ForwardInputOptions
  readonly #ctx: InputContext
  readonly #connections = new Set<SenderConnection>()
  readonly #receiveBudget: ReceiveBudget
  /** Max_Connections, or less with few descriptors. */
  readonly #maxConnections: number
  /** Tags with a message that has to be acknowledged. */
  readonly #tagsToSeal = new Set<string>()
  #server: Server | undefined
  #accepted = 0
  #allClosed: (() => void) | undefined

  /** `openFiles` is the limit of open files of the process. */
  constructor(options: ForwardInputOptions, ctx: InputContext, openFiles = openFileLimit()) {
    this.#options = options
    this.#ctx = ctx
    this.#maxConnections = Math.min(
      options.maxConnections,
      Math.max(1, Math.floor(openFiles * MAX_DESCRIPTOR_SHARE)),
    )
    this.#receiveBudget = new ReceiveBudget(ctx.buffers, options.bufferMaxSize, (isCongested) => {
      for (const connection of this.#connections) connection.setCongested(isCongested)
    })
  }

  async run(signal: AbortSignal): Promise<void> {
    const host = this.#hostFor(signal)
    const server = createServer({ allowHalfOpen: true, highWaterMark: HIGH_WATER_BYTES }, (socket) =>
      this.#accept(socket, host),
    )
    this.#server = server
    await this.#listen(server)
    this.#ctx.log.info(`listening on ${addressText(server)}`)
    if (this.#maxConnections < this.#options.maxConnections)
      this.#ctx.log.warn(
        `at most ${this.#maxConnections} connections, and not Max_Connections (${this.#options.maxConnections}): they may take a quarter of the descriptors of the process`,
        { hint: 'raise the limit of open files (LimitNOFILE, ulimit -n), or lower Max_Connections' },
      )
    if (!signal.aborted)
      await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
    server.close()
    for (const connection of this.#connections) connection.stopReading()
    this.#receiveBudget.wake()
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

  #hostFor(signal: AbortSignal): ConnectionHost {
    const prefix = this.#options.tagPrefix ?? ''
    return {
      ctx: this.#ctx,
      signal,
      maxBytes: this.#options.bufferMaxSize,
      tagOf: (tag) => this.#ctx.configuredTag ?? prefix + tag,
      isReserved: (tag) => this.#isReserved(tag),
      receiveBudget: this.#receiveBudget,
      inflaters: new Inflaters(MAX_DECOMPRESSED_RATIO * this.#options.bufferMaxSize),
      sealSoon: (tag) => this.#sealSoon(tag),
      unsettled: 0,
      owedBytes: 0,
      closed: (connection) => {
        this.#connections.delete(connection)
        if (this.#connections.size === 0) this.#allClosed?.()
      },
    }
  }

  /** A tag that the configuration gives to all records is the operator's choice. */
  #isReserved(tag: string): boolean {
    if (this.#ctx.configuredTag !== undefined) return false
    const { tagReserved } = this.#options
    if (tagReserved === undefined) return this.#ctx.isIdentity(tag)
    return tagReserved.some((pattern) => pattern.toLowerCase() !== 'off' && matchTag(pattern, tag))
  }

  #accept(socket: Socket, host: ConnectionHost): void {
    if (host.signal.aborted || !this.#makeRoom()) {
      this.#ctx.counters.add('refused_connections')
      if (!host.signal.aborted)
        this.#ctx.log.warn(
          `closed a new connection: the maximum of ${this.#maxConnections} is reached, and every peer is sending or waits for an acknowledgement`,
        )
      socket.destroy()
      return
    }
    this.#ctx.counters.add('connections')
    const { agent, clock } = this.#ctx
    const id = `${agent.id}:${process.pid}:${clock.nowMs()}:${this.#accepted++}`
    const connection = new SenderConnection(socket, id, host)
    this.#connections.add(connection)
    connection.start()
  }

  /** Makes room for one more connection; false when the maximum is reached and no connection is idle. */
  #makeRoom(): boolean {
    if (this.#connections.size < this.#maxConnections) return true
    const idle = longestIdle(this.#connections)
    if (idle === undefined) return false
    this.#ctx.counters.add('evicted_connections')
    this.#ctx.log.warn(
      `closed the longest idle connection, of ${idle.address || 'a local peer'}, for a new one: the maximum of ${this.#maxConnections} is reached`,
    )
    this.#connections.delete(idle)
    idle.destroy()
    return true
  }

  /**
   * Seals the chunk of this tag at the end of this turn: a peer that waits for an acknowledgement must not wait for Flush. Not at
   * once, so that the messages of many small peers share a chunk under load.
   */
  #sealSoon(tag: string): void {
    if (this.#tagsToSeal.size === 0) setImmediate(() => this.#sealNow())
    this.#tagsToSeal.add(tag)
  }

  #sealNow(): void {
    for (const tag of this.#tagsToSeal) this.#ctx.appender(tag).seal()
    this.#tagsToSeal.clear()
  }

  async #listen(server: Server): Promise<void> {
    const { unixPath, unixPerm, listen, port } = this.#options
    try {
      if (unixPath === undefined) {
        await listenOn(server, listen, port)
        return
      }
      await removeStaleSocket(unixPath)
      await listening(server, { path: unixPath })
      if (unixPerm !== undefined) chmodSync(unixPath, Number.parseInt(unixPerm, 8))
    } catch (error) {
      const where = unixPath ?? `${listen}:${port}`
      throw new ShipperError('E_LISTEN', `cannot listen on ${where}: ${messageOf(error)}`, { cause: error })
    }
  }
}

/** Removes a socket that nobody listens on, as a killed process leaves it behind. */
async function removeStaleSocket(path: string): Promise<void> {
  if (!lstatSync(path, { throwIfNoEntry: false })?.isSocket()) return
  const inUse = await new Promise<boolean>((resolve) => {
    const socket = connect(path)
    socket.once('connect', () => resolve(true))
    socket.once('error', () => resolve(false))
    socket.once('close', () => resolve(false))
    socket.once('connect', () => socket.destroy())
  })
  if (!inUse) unlinkSync(path)
}

function addressText(server: Server): string {
  const at = server.address() as AddressInfo | string | null
  return typeof at === 'string' || at === null ? String(at) : `${at.address}:${at.port}`
}
