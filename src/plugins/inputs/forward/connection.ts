import type { Socket } from 'node:net'
import type { ErrorCode } from '../../../core/error.ts'
import { truncate } from '../../../core/escape-controls.ts'
import { ENTRY_HEAD, writeEntryHead } from '../../../core/msgpack/encode.ts'
import type { Appender, InputContext, Outcome } from '../../../core/plugin.ts'
import type { Compression, Inflaters } from '../../../lib/compression/inflater.ts'
import type { PieceReader } from '../../../lib/compression/piece-reader.ts'
import { BUSY, type Standing } from '../../../lib/net/giving-way.ts'
import { MAX_SILENCE_MS, PeerReader, type PieceOwner } from '../../../lib/net/peer-reader.ts'
import type { ReceiveBudget } from '../../../lib/net/receive-budget.ts'
import { splitMs } from '../../../lib/time/split-ms.ts'
import { readTime, type Time } from '../../../protocol/forward/event-time.ts'
import { MessageReader, type MessageStep } from '../../../protocol/forward/message-reader.ts'
import { compressionOf } from '../../../protocol/forward/option.ts'
import { Malformed } from '../../../protocol/forward/value-scanner.ts'
import { Acknowledgements } from './acknowledgements.ts'
import { type AckBytes, ackBytesOf, type MessageOwner, MessageRange, SplitMessage } from './message.ts'

/** The part of the input that its connections share. */
export interface ConnectionHost {
  readonly ctx: InputContext
  readonly signal: AbortSignal
  readonly maxBytes: number
  tagOf(tag: string): string
  /** True for a tag that senders may not use. */
  isReserved(tag: string): boolean
  /** Source of the connections' receive buffers. */
  readonly receiveBudget: ReceiveBudget
  readonly inflaters: Inflaters
  /** Seals the chunk of this tag once the bytes received so far have been read. */
  sealSoon(tag: string): void
  /** Number of unsettled messages of all connections, those that are closed included, and bytes of the acknowledgements they wait for. */
  unsettled: number
  owedBytes: number
  closed(connection: SenderConnection): void
}

/** Unsettled messages of one peer. */
const MAX_UNSETTLED = 1024
/** Unsettled messages of all peers, at which each may have only a few: with a tag for each they take about 1 KB outside of the memory limit. */
const MAX_ALL_UNSETTLED = 16_384
const MIN_UNSETTLED = 16
/** Bytes of acknowledgements that one peer has requested and has not taken: at this limit it is not read. */
const MAX_OWED_BYTES = 32_768
/** The same of all peers, at which each may have only a few. */
const MAX_ALL_OWED_BYTES = 4_000_000
const MIN_OWED_BYTES = 2048
const MAX_SHOWN_TAG_CHARS = 100
/** Silence after connecting after which the log says what the peer may be waiting for. */
const MAX_QUIET_START_MS = 5000
/** Smallest piece of a decompressed payload, and the size after which other connections have their turn. */
const PIECE_BYTES = 32_768
const TURN_BYTES = 1_000_000
/** Bytes that are written between two questions whether the outputs take more. */
const UNCHECKED_BYTES = 16_384

/** Connection of one peer: turns its bytes into entries in chunks, and sends the acknowledgements. A handshake would precede `start`. */
export class SenderConnection implements MessageOwner, PieceOwner {
  readonly #id: string
  readonly #socket: Socket
  readonly #host: ConnectionHost
  readonly #pieces: PeerReader
  readonly #reader: MessageReader
  readonly #time: Time = { sec: 0, nsec: 0 }
  /** Tag of the message that is being read. */
  #tag = ''
  /** True when that message has options and so may request an acknowledgement. */
  #isTracked = false
  /** Range of the open chunk that has records of that message. */
  #range: MessageRange | undefined
  /** That message, when records of it are in sealed chunks. */
  #split: SplitMessage | undefined
  /** Ranges of open chunks. */
  readonly #open = new Map<Appender, MessageRange>()
  #closedRanges = 0
  /** Time at which it last completed a value, or was not being read. */
  #progressMs = 0
  /** True when it has completed a value since. */
  #hasProgressed = true
  /** Number of complete messages whose records have not settled. */
  #unsettled = 0
  /** Bytes of the acknowledgements that it has requested and not taken. */
  #owedBytes = 0
  readonly #acks: Acknowledgements
  /** Bytes that have not settled. */
  #unsettledBytes = 0
  /** Bytes that may be written for `#checkedTag` without asking for room again. */
  #credit = 0
  #checkedTag: string | undefined
  #onSettled: (() => void) | undefined
  /** Ends what it waits for when it is closed or the input ends; there is one only if it has waited. */
  #ending: AbortController | undefined
  #peerEnded = false
  #closed = false
  #hasOddTimes = false
  /** Time at which an acknowledgement was sent last. */
  #answeredMs = 0

  constructor(socket: Socket, id: string, host: ConnectionHost) {
    this.#socket = socket
    this.#id = id
    this.#host = host
    this.#acks = new Acknowledgements(socket, (bytes) => this.#taken(bytes))
    this.#pieces = new PeerReader(socket, this, host.ctx, host.receiveBudget)
    this.#reader = new MessageReader({ maxBytes: host.maxBytes, ...this.#pieces.budget })
  }

  start(): void {
    const { clock } = this.#host.ctx
    const quiet = clock.after(MAX_QUIET_START_MS, () => this.#onQuietStart())
    this.#socket.once('close', () => clock.cancel(quiet))
    this.#pieces.start()
  }

  get standing(): Standing {
    const { quietSinceMs } = this.#pieces
    if (quietSinceMs === undefined || this.#unsettled > 0 || this.#owedBytes > 0) return BUSY
    const nowMs = this.#host.ctx.clock.nowMs()
    const silentMs = nowMs - Math.max(quietSinceMs, this.#answeredMs)
    if (!this.#reader.isInsideMessage) return { is: 'idle', forMs: silentMs }
    return { is: 'within', silentMs, slowMs: nowMs - this.#progressMs }
  }

  /** Stops reading; acknowledgements are still sent. */
  stopReading(): void {
    this.#pieces.stop()
    this.#stopWaiting()
  }

  /** Those that wait see that it is over. Memory and room may never come, and what waits keeps the connection and its bytes. */
  #stopWaiting(): void {
    this.#onSettled?.()
    this.#ending?.abort()
  }

  /** Aborted when the connection or the input ends. */
  get #ended(): AbortSignal {
    this.#ending ??= new AbortController()
    if (this.#isOver) this.#ending.abort()
    return this.#ending.signal
  }

  /** Ends the connection; called after the last acknowledgement. */
  close(): void {
    this.endSide()
  }

  destroy(): void {
    this.#socket.destroy()
  }

  closed(range: MessageRange): string {
    this.#open.delete(range.appender)
    if (this.#range === range) {
      this.#range = undefined
      if (this.#isTracked) {
        this.#split ??= new SplitMessage()
        range.addPartOf(this.#split)
      }
    }
    return `${this.#id}:${this.#closedRanges++}`
  }

  settled(range: MessageRange, outcome: Outcome): void {
    this.#unsettledBytes -= range.bytes
    // What is kept nowhere is not acknowledged, also where the configuration says to drop it: the sender has it still.
    const isLost = outcome === 'aborted' || outcome === 'dropped'
    if (range.messages > 0) this.#settle(range.messages, range.requested, range.acks, isLost)
    for (const message of range.split) {
      message.open--
      if (isLost) this.#abort(message)
      else if (message.isSettled) this.#settleSplit(message)
    }
    if (isLost && range.isTracked) this.endSide()
    else this.#endIfDone()
  }

  #settleSplit({ ack }: SplitMessage): void {
    this.#settle(1, ack.length > 0 ? 1 : 0, ack, false)
  }

  #abort(message: SplitMessage): void {
    if (message.isComplete && !message.isAborted) this.#settle(1, 0, message.ack, true)
    message.isAborted = true
  }

  /** Settles messages that wait for these acknowledgements, and sends them unless they are lost. */
  #settle(messages: number, requested: number, acks: AckBytes, isLost: boolean): void {
    this.#unsettled -= messages
    this.#host.unsettled -= messages
    if (this.#closed || isLost) this.#taken(acks.length)
    else if (requested > 0) {
      this.#answeredMs = this.#host.ctx.clock.nowMs()
      this.#host.ctx.counters.add('acks', requested)
      this.#acks.add(acks)
    }
    this.#onSettled?.()
  }

  /** The peer has taken acknowledgements, or will not get them. */
  #taken(bytes: number): void {
    this.#owedBytes -= bytes
    this.#host.owedBytes -= bytes
    this.#onSettled?.()
  }

  /** Ends the connection after what is to be acknowledged by now. */
  endSide(): void {
    this.#acks.flush()
    this.#socket.end()
  }

  arrived(): void {}

  take(data: Buffer): boolean {
    this.#hasProgressed ||= !this.#reader.isInsideMessage
    return !this.#isOver && this.#reader.push(data)
  }

  async takeLater(data: Buffer): Promise<boolean> {
    return !this.#isOver && (await this.#untilGranted(() => this.#reader.push(data)))
  }

  readOn(): Promise<void> | undefined {
    const wait = this.#read(this.#reader)
    if (wait !== undefined) return wait.then(() => this.#checkProgress())
    this.#checkProgress()
    return undefined
  }

  readEnd(): undefined {}

  lost(): void {}

  idle(): void {
    if (this.#closed) this.#reader.release()
    this.#endIfDone()
  }

  failed(error: unknown): void {
    if (error instanceof Malformed) this.#fail(`sent ${error.message}`)
    else if (!this.#closed) {
      this.#closed = true
      this.#pieces.failInternally(error)
      this.#stopWaiting()
    }
  }

  get #isOver(): boolean {
    return this.#closed || this.#host.signal.aborted
  }

  /** Handles every available step; ends early when the connection or the input ends. Returns a promise only if there is something to wait for. */
  #read(reader: MessageReader): Promise<void> | undefined {
    if (this.#isOver) return undefined
    for (let step = reader.next(); step !== 'more'; step = reader.next()) {
      const wait = this.#handle(step, reader)
      if (wait !== undefined) return this.#readAfter(wait, reader)
      this.#hasProgressed = true
    }
    return undefined
  }

  async #readAfter(first: Promise<void>, reader: MessageReader): Promise<void> {
    await first
    while (!this.#isOver) {
      this.#hasProgressed = true
      const step = reader.next()
      if (step === 'more') return
      await this.#handle(step, reader)
    }
  }

  #checkProgress(): void {
    if (this.#isOver) return
    const now = this.#host.ctx.clock.nowMs()
    if (this.#hasProgressed) this.#progressMs = now
    else if (this.#host.receiveBudget.hasWaiters && now - this.#progressMs > MAX_SILENCE_MS)
      this.#fail(`took more than ${MAX_SILENCE_MS / 1000} s for one value while others waited`)
    this.#hasProgressed = false
  }

  /** Handles one step; returns a promise only if there is something to wait for. */
  #handle(step: MessageStep, reader: MessageReader): Promise<void> | undefined {
    switch (step) {
      case 'begin':
        return this.#begin(reader)
      case 'compressed':
        return this.#decompress(reader)
      case 'end':
        // The end of a decompressed payload is not the end of its message.
        return reader === this.#reader ? this.#finish(reader) : undefined
      default:
        return this.#write(reader, step) ? undefined : this.#writeLater(reader, step)
    }
  }

  async #writeLater(reader: MessageReader, step: MessageStep): Promise<void> {
    do {
      const { ctx } = this.#host
      if (this.#roomFor(reader.end - reader.start) > 0) {
        // Open chunks wait for Flush: the memory that is needed may be theirs.
        ctx.sealAll()
        await ctx.waitForMemory(this.#ended)
      } else await ctx.waitForRoom?.()
    } while (!this.#isOver && !this.#write(reader, step))
  }

  /** Returns how many bytes of the current tag may be written, `wantedBytes` first. */
  #roomFor(wantedBytes: number): number {
    const { room } = this.#host.ctx
    return room === undefined ? UNCHECKED_BYTES : room(this.#tag, this.#unsettledBytes, wantedBytes)
  }

  #begin({ tag, hasOptions: mayAsk }: MessageReader): undefined {
    this.#useTag(this.#host.tagOf(tag))
    // Without options nobody waits for an ack: nothing to remember of a peer that sends single records.
    this.#isTracked = mayAsk
    this.#range = this.#split = undefined
  }

  #useTag(tag: string): void {
    if (tag === this.#tag) return
    if (this.#host.isReserved(tag)) {
      this.#host.ctx.counters.add('reserved_tags')
      throw new Malformed(
        `records with the reserved tag "${truncate(tag, MAX_SHOWN_TAG_CHARS)}", with which it could forge the records of a pod (of your own agents, Tag_Reserved off accepts them)`,
      )
    }
    this.#tag = tag
  }

  #finish({ buf, chunk, chunkEnd }: MessageReader): Promise<void> | undefined {
    this.#host.ctx.counters.add('messages')
    const range = this.#range
    const split = this.#split
    this.#range = this.#split = undefined
    if (!this.#isTracked || split?.isAborted) return undefined
    const hasId = chunk >= 0
    this.#unsettled++
    this.#host.unsettled++
    if (hasId) {
      const bytes = ackBytesOf(chunk, chunkEnd)
      this.#owedBytes += bytes
      this.#host.owedBytes += bytes
      this.#host.sealSoon(this.#tag)
    }
    if (split === undefined && range !== undefined) {
      range.messages++
      if (hasId) range.requested++
      if (hasId) range.acks.addId(buf, chunk, chunkEnd)
    } else {
      // Split, or without records.
      const message = split ?? new SplitMessage()
      message.isComplete = true
      if (hasId) message.ack.addId(buf, chunk, chunkEnd)
      if (message.isSettled) this.#settleSplit(message)
    }
    return this.#mayHaveMore ? undefined : this.#waitForSettled()
  }

  /** False for a peer with too many unsettled messages, or one that does not read its acknowledgements. */
  get #mayHaveMore(): boolean {
    const { owedBytes } = this.#host
    if (this.#owedBytes > (owedBytes < MAX_ALL_OWED_BYTES ? MAX_OWED_BYTES : MIN_OWED_BYTES)) return false
    return this.#unsettled < (this.#host.unsettled < MAX_ALL_UNSETTLED ? MAX_UNSETTLED : MIN_UNSETTLED)
  }

  async #waitForSettled(): Promise<void> {
    // Those that nobody waits for would otherwise wait for Flush.
    this.#host.sealSoon(this.#tag)
    while (!this.#isOver && !this.#mayHaveMore)
      await new Promise<void>((resolve) => {
        this.#onSettled = resolve
      })
  }

  /** Decompresses a payload into one buffer, whose entries are read before the next piece. */
  async #decompress({ buf, start, end }: MessageReader): Promise<void> {
    const how = compressionOf(buf, start) as Compression
    const payload = buf.subarray(start, end)
    const bytes = this.#host.inflaters.bytesFor(payload, how)
    if (!(await this.#untilGranted(() => this.#pieces.budget.hold(bytes)))) return
    const entries = MessageReader.ofEntries({ maxBytes: this.#host.maxBytes, ...this.#pieces.budget })
    let inflater: PieceReader | undefined
    try {
      inflater = await this.#host.inflaters.begin(payload, how, bytes)
      await this.#inflate(inflater, entries)
    } finally {
      inflater?.close()
      entries.release()
      this.#pieces.budget.release(bytes)
    }
  }

  async #inflate(inflater: PieceReader, entries: MessageReader): Promise<void> {
    let turnBytes = 0
    const write = (buf: Buffer, start: number, end: number): number => {
      const made = inflater.read(buf, start, end)
      turnBytes += made
      return made
    }
    while (!inflater.isAtEnd) {
      if (!(await this.#untilGranted(() => entries.fill(PIECE_BYTES, write)))) return
      if (inflater.isAtEnd) entries.finish()
      await this.#read(entries)
      if (this.#isOver) return
      if (turnBytes < TURN_BYTES) continue
      turnBytes = 0
      await new Promise(setImmediate)
    }
  }

  /** Waits until there is memory for it; false when the connection or the input has ended. */
  async #untilGranted(take: () => boolean): Promise<boolean> {
    while (!take()) {
      await this.#pieces.budget.untilFree(this.#ended)
      if (this.#isOver) return false
      this.#hasProgressed = true
    }
    return true
  }

  /** Writes the entries of a step; false when there is no memory now, and nothing was written. */
  #write(reader: MessageReader, step: MessageStep): boolean {
    const { buf, start, end } = reader
    if (step === 'entry' && !this.#readTime(reader)) return true
    if (this.#checkedTag !== this.#tag || this.#credit <= 0) {
      const room = this.#roomFor(end - start)
      if (room <= 0) return false
      this.#checkedTag = this.#tag
      this.#credit = Math.min(room, UNCHECKED_BYTES)
    }
    const out = this.#host.ctx.appender(this.#tag)
    if (!out.reserve(end - start + ENTRY_HEAD)) return false
    this.#credit -= end - start
    this.#count(out, end - start)
    if (step === 'entries') {
      out.end += buf.copy(out.buf, out.end, start, end)
      out.addRecords(reader.count, end - start)
      return true
    }
    const at = writeEntryHead(out.buf, out.end, this.#time.sec, this.#time.nsec)
    out.end = at + buf.copy(out.buf, at, reader.map, end)
    out.addRecords(1, end - start)
    return true
  }

  /** Counts bytes as unsettled until the chunk has settled to which they are added. */
  #count(out: Appender, bytes: number): void {
    this.#unsettledBytes += bytes
    let range = this.#range
    if (range === undefined) {
      range = this.#open.get(out) ?? this.#openRange(out)
      this.#range = range
      if (this.#split !== undefined) range.addPartOf(this.#split)
    }
    range.bytes += bytes
  }

  #openRange(out: Appender): MessageRange {
    const range = new MessageRange(this, out)
    this.#open.set(out, range)
    out.addContributor(range)
    return range
  }

  /**
   * Reads the time of an entry; false for a mark of fluent-bit, which is no record. A record is kept whatever its time is: one
   * that cannot be read becomes the time of arrival.
   */
  #readTime({ buf, time }: MessageReader): boolean {
    const kind = readTime(buf, time, this.#time)
    if (kind === 'time') return true
    if (kind === 'marker') return false
    const { clock, counters } = this.#host.ctx
    if (kind !== 'repaired') Object.assign(this.#time, splitMs(clock.nowMs()))
    if (kind === 'now') return true
    counters.add('odd_times', 1, kind)
    if (this.#hasOddTimes) return true
    this.#hasOddTimes = true
    const taken = kind === 'repaired' ? 'read as milliseconds or finer' : 'replaced by the time of arrival'
    this.#host.ctx.log.warn(
      `${this.#pieces.peer} sends times that are not seconds or EventTime: ${taken}; the records are kept`,
      undefined,
      'odd times',
    )
    return true
  }

  #onQuietStart(): void {
    if (this.#pieces.hasReceived || this.#closed || this.#peerEnded || this.#host.signal.aborted) return
    this.#host.ctx.log.warn(
      `${this.#pieces.peer} is connected and has sent nothing for ${MAX_QUIET_START_MS / 1000} s: it may be waiting for a handshake with a shared key, which is not supported yet`,
    )
  }

  silent(): void {
    if (this.#acks.bytes > 0) this.#fail(`has not read its acknowledgements for ${MAX_SILENCE_MS / 1000} s`)
    else if (this.#pieces.silentSinceMs !== undefined && !this.#pieces.isHeld)
      this.#fail(`sent nothing for ${MAX_SILENCE_MS / 1000} s within a message`)
  }

  get isInsideMessage(): boolean {
    return this.#reader.isInsideMessage
  }

  expire(): void {
    this.#fail('sent nothing for the message it is in while others waited for memory', 'E_PEER_TIMEOUT')
  }

  ended(): void {
    this.#peerEnded = true
    this.#endIfDone()
  }

  #endIfDone(): void {
    if (this.#peerEnded && !this.#pieces.isBusy && this.#unsettled === 0) this.endSide()
  }

  #fail(what: string, code?: ErrorCode): void {
    if (this.#closed) return
    this.#closed = true
    this.#pieces.fail(what, code)
    this.#stopWaiting()
  }

  gone(): void {
    if (!this.#closed && this.#reader.isInsideMessage) this.#host.ctx.counters.add('cut_messages')
    this.#closed = true
    this.#pieces.drop()
    this.#stopWaiting()
    this.#taken(this.#acks.discard())
    if (!this.#pieces.isBusy) this.#reader.release()
    this.#host.closed(this)
  }
}
