import type { Socket } from 'node:net'
import type { Appender, ClosedRange, Contributor, InputContext } from '../../core/plugin.ts'
import type { Sender } from '../lines/line-writer.ts'
import type { SenderFrame } from '../lines/sender-frame.ts'
import type { StreamReader } from '../lines/stream-reader.ts'
import { formatAddress } from './connect.ts'
import { BUSY, ENDED, type Standing } from './giving-way.ts'
import { MAX_SILENCE_MS, PeerReader, type PieceOwner } from './peer-reader.ts'
import type { ReceiveBudget } from './receive-budget.ts'
import { RestBuffer } from './rest-buffer.ts'
import type { ServerConnection } from './stream-server.ts'

/** Counters of an input whose senders stream. */
export const STREAM_COUNTERS = {
  cut_messages: 'connections that ended within a message, which is kept as far as it came',
  cut_connections:
    'connections that a stop of the agent has closed while the peer went on sending, or waited for memory',
  closed_peers: 'connections closed because the peer held memory that others waited for',
} as const

/** The part of the input that its connections share. */
export interface LineConnectionHost {
  readonly ctx: InputContext
  /** Aborted when what has arrived and still waits for memory is given up. */
  readonly signal: AbortSignal
  readonly receiveBudget: ReceiveBudget
  frameOf(address: string | undefined): SenderFrame
  readerFor(sender: Sender): StreamReader
  /** Called before bytes are read that have just arrived. */
  arrived(): void
  /** Called when bytes that had arrived become no record. */
  lost(bytes: number): void
  closed(connection: LineConnection): void
}

/** Least number of bytes that are offered to the reader at once. */
const MIN_SLICE_BYTES = 16_384

/** Bytes of one connection in one chunk. */
class ConnectionRange implements Contributor {
  bytes = 0
  /** Tag of the chunk. */
  readonly tag: string
  readonly #owner: LineConnection

  constructor(owner: LineConnection, tag: string) {
    this.#owner = owner
    this.tag = tag
  }

  closeRange(): ClosedRange {
    return { identity: this.#owner.rangeClosed(this), settle: () => this.#owner.rangeSettled(this.bytes) }
  }
}

/**
 * Connection of a peer that streams messages and gets no acknowledgements. What is incomplete of a message is kept in a buffer of the
 * receive budget; a peer without one is not read, nor one whose records have no room.
 */
export class LineConnection implements ServerConnection, Sender, PieceOwner {
  readonly frame: SenderFrame
  readonly #id: string
  readonly #socket: Socket
  readonly #host: LineConnectionHost
  readonly #pieces: PeerReader
  /** What is incomplete of a message. */
  readonly #rest: RestBuffer
  readonly #reader: StreamReader
  /** Offset in the piece that is being read. */
  #offset = 0
  /** True when bytes wait for memory, or for room. */
  #isBlocked = false
  #waitsForRoom = false
  /** Ranges in the chunks that are open, and the one that was written to last. */
  readonly #ranges: ConnectionRange[] = []
  #range: ConnectionRange | undefined
  #closedRanges = 0
  #unsettledBytes = 0
  #peerEnded = false
  /** True when what has arrived is not read any more. */
  #isDropped = false
  /** True when the socket is closed. */
  #isGone = false
  /** Time at which bytes arrived that completed a message, or began one. */
  #progressMs: number
  /** True for a peer that has not completed a message for long while others wait for memory. */
  #isExpiring = false
  #onIdle: (() => void) | undefined

  constructor(socket: Socket, id: string, host: LineConnectionHost) {
    this.#socket = socket
    this.#id = id
    this.#host = host
    const { remoteAddress, remotePort } = socket
    // As fluent-bit writes it; the name of a Unix socket's peer is empty.
    const from =
      remoteAddress === undefined ? 'unix://' : `tcp://${formatAddress(remoteAddress, remotePort ?? 0)}`
    this.frame = host.frameOf(from)
    this.#pieces = new PeerReader(socket, this, host.ctx, host.receiveBudget)
    this.#progressMs = this.#pieces.usedMs
    this.#rest = new RestBuffer(this.#pieces.budget)
    this.#reader = host.readerFor(this)
  }

  start(): void {
    this.#pieces.start()
  }

  get standing(): Standing {
    const { quietSinceMs } = this.#pieces
    if (quietSinceMs === undefined) return BUSY
    if (this.#peerEnded) return ENDED
    const nowMs = this.#host.ctx.clock.nowMs()
    const silentMs = nowMs - quietSinceMs
    if (this.#rest.length === 0) return { is: 'idle', forMs: silentMs }
    return { is: 'within', silentMs, slowMs: nowMs - this.#progressMs }
  }

  /** Time since which nothing has arrived; undefined when something waits, or may wait in the kernel. */
  get quietSinceMs(): number | undefined {
    return this.#pieces.quietSinceMs
  }

  get peer(): string | undefined {
    const { remoteAddress, remotePort } = this.#socket
    return remoteAddress === undefined ? undefined : formatAddress(remoteAddress, remotePort ?? 0)
  }

  /** True when the peer will send nothing more. */
  get hasEnded(): boolean {
    return this.#peerEnded || this.#isGone
  }

  /** Closes the connection at the next moment at which nothing of it is lost that the kernel has taken before. */
  cut(): void {
    this.#pieces.cut()
  }

  /** Writes what is left of a message as a record, after what has arrived; resolves when that is done, or cannot be done. */
  async finish(): Promise<void> {
    this.#pieces.end()
    while (this.#pieces.isBusy)
      await new Promise<void>((resolve) => {
        this.#onIdle = resolve
      })
  }

  /** Ends the own side. */
  close(): void {
    this.#socket.end()
  }

  endSide(): void {
    this.#socket.end()
  }

  destroy(): void {
    this.#socket.destroy()
  }

  /**
   * Ends it with a reset, if it has a plain TCP socket: a sender that reads no answers would not see an orderly end, and what it writes next
   * would be lost without its knowledge.
   */
  evict(): void {
    const isPlain = this.#socket.remoteAddress !== undefined && !('encrypted' in this.#socket)
    if (isPlain && !this.#peerEnded) this.#socket.resetAndDestroy()
    else this.#socket.destroy()
  }

  wrote(out: Appender, bytes: number): void {
    const range = this.#range?.tag === out.tag ? this.#range : this.#rangeIn(out)
    range.bytes += bytes
    this.#unsettledBytes += bytes
  }

  #rangeIn(out: Appender): ConnectionRange {
    let range = this.#ranges.find(({ tag }) => tag === out.tag)
    if (range === undefined) {
      range = new ConnectionRange(this, out.tag)
      this.#ranges.push(range)
      out.addContributor(range)
    }
    this.#range = range
    return range
  }

  rangeClosed(range: ConnectionRange): string {
    this.#ranges.splice(this.#ranges.indexOf(range), 1)
    if (this.#range === range) this.#range = undefined
    return `${this.#id}:${this.#closedRanges++}`
  }

  rangeSettled(bytes: number): void {
    this.#unsettledBytes -= bytes
    this.#endIfDone()
  }

  arrived(): void {
    this.#host.arrived()
    const { receiveBudget, ctx } = this.#host
    if (this.#rest.length === 0) this.#progressMs = this.#pieces.usedMs
    else if (receiveBudget.hasWaiters && !this.#pieces.isBusy)
      this.#isExpiring = ctx.clock.nowMs() - this.#progressMs >= MAX_SILENCE_MS
  }

  take(data: Buffer): boolean {
    this.#isBlocked = false
    this.#offset = 0
    const rest = this.#rest
    if (rest.length === 0) {
      this.#offset = this.#offer(data, 0, data.length, false)
      return !this.#isBlocked && (this.#offset === data.length || rest.append(data, this.#offset))
    }
    if (!rest.append(data, 0)) return false
    rest.drop(this.#offer(rest.buf, 0, rest.length, false))
    return true
  }

  async takeLater(data: Buffer): Promise<boolean> {
    const hasRest = this.#rest.length > 0
    while (!hasRest && this.#isBlocked) {
      if (!(await this.#unblocked())) return this.#lose(data)
      this.#offset = this.#offer(data, this.#offset, data.length, false)
    }
    if (this.#offset === data.length) return true
    while (!this.#rest.append(data, this.#offset)) {
      if (this.#isOver) return this.#lose(data)
      await this.#pieces.budget.untilFree()
    }
    this.#isBlocked = hasRest
    return true
  }

  /** Counts the part of a piece that was not read. */
  #lose(data: Buffer): false {
    this.lost(data.length - this.#offset)
    return false
  }

  readOn(): Promise<void> | undefined {
    return this.#isBlocked && this.#rest.length > 0 ? this.#readOn(false) : undefined
  }

  /** Offers bytes to the reader as far as there is room; returns the offset up to which they are consumed. */
  #offer(buf: Buffer, start: number, end: number, isLast: boolean): number {
    this.#isBlocked = false
    const reader = this.#reader
    let pos = start
    let least = MIN_SLICE_BYTES
    while (pos < end) {
      const room = this.#roomFor(Math.min(end - pos, MIN_SLICE_BYTES))
      if (room <= 0) {
        this.#isBlocked = this.#waitsForRoom = true
        return pos
      }
      const to = Math.min(end, pos + Math.max(room, least))
      const next = reader.read(buf, pos, to, isLast && to === end)
      if (next > pos) this.#progressMs = this.#pieces.usedMs
      if (reader.isFull) {
        this.#isBlocked = true
        this.#waitsForRoom = false
        return next
      }
      if (next === pos && to === end) return pos
      // A message that is longer than the slice.
      least = next === pos ? 2 * (to - pos) : MIN_SLICE_BYTES
      pos = next
    }
    return pos
  }

  #roomFor(wantedBytes: number): number {
    const { room, tag } = this.#host.ctx
    return room === undefined ? Number.POSITIVE_INFINITY : room(tag, this.#unsettledBytes, wantedBytes)
  }

  get #isOver(): boolean {
    return this.#host.signal.aborted || this.#isDropped
  }

  /** Resolves when bytes may be offered again; false when the input has ended. */
  async #unblocked(): Promise<boolean> {
    const { ctx, signal } = this.#host
    if (this.#isOver) return false
    if (this.#waitsForRoom && ctx.waitForRoom !== undefined) await ctx.waitForRoom()
    else {
      // Open chunks wait for Flush: the memory that is needed may be theirs.
      ctx.sealAll()
      await ctx.waitForMemory(signal)
    }
    return !this.#isOver
  }

  /** Reads the rest; what is still there when the input ends is lost. */
  async #readOn(isLast: boolean): Promise<void> {
    for (;;) {
      this.#rest.drop(this.#offer(this.#rest.buf, 0, this.#rest.length, isLast))
      if (!this.#isBlocked || this.#rest.length === 0) return
      if (await this.#unblocked()) continue
      this.#dropRest()
      return
    }
  }

  /** Writes what came of a message whose end is missing. */
  async readEnd(): Promise<void> {
    // Complete messages may have waited for memory.
    if (this.#rest.length > 0) await this.#readOn(false)
    if (this.#rest.length === 0) return
    this.#host.ctx.counters.add('cut_messages')
    await this.#readOn(true)
  }

  #dropRest(): void {
    this.lost(this.#rest.length)
    this.#rest.drop(this.#rest.length)
  }

  lost(bytes: number): void {
    this.#host.lost(bytes)
  }

  idle(): void {
    if (this.#isExpiring) this.#expire(`did not complete a message within ${MAX_SILENCE_MS / 1000} s`)
    this.#onIdle?.()
    this.#endIfDone()
  }

  failed(error: unknown): void {
    this.#isDropped = true
    this.#dropRest()
    this.#pieces.failInternally(error)
  }

  get isInsideMessage(): boolean {
    return this.#rest.length > 0
  }

  expire(): void {
    this.#expire('has sent nothing for the message it is in')
  }

  silent(): void {}

  /** Closes the connection of a peer that holds memory for a message which does not end; what came of it becomes a record. */
  #expire(what: string): void {
    this.#isExpiring = false
    this.#pieces.close(`${what} while others waited for memory`, 'E_PEER_TIMEOUT')
    this.#pieces.end()
  }

  ended(): void {
    this.#peerEnded = true
    this.#pieces.end()
  }

  gone(): void {
    this.#isGone = true
    this.#pieces.end()
  }

  #endIfDone(): void {
    if (this.#pieces.isBusy) return
    if (this.#isGone) this.#host.closed(this)
    else if (this.#peerEnded && this.#unsettledBytes === 0) this.#socket.end()
  }
}
