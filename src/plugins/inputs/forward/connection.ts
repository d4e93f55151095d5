import type { Socket } from 'node:net'
import { type ErrorCode, messageOf } from '../../../core/error.ts'
import { truncate } from '../../../core/escape-controls.ts'
import { freeMemory } from '../../../core/free-memory.ts'
import { ENTRY_HEAD, writeEntryHead } from '../../../core/msgpack/encode.ts'
import type { Appender, InputContext, Outcome } from '../../../core/plugin.ts'
import { splitMs } from '../../../lib/time/split-ms.ts'
import { readTime, type Time } from '../../../protocol/forward/event-time.ts'
import { MessageReader, type MessageStep } from '../../../protocol/forward/message-reader.ts'
import { compressionOf } from '../../../protocol/forward/option.ts'
import { Malformed } from '../../../protocol/forward/value-scanner.ts'
import { Acknowledgements } from './acknowledgements.ts'
import type { Compression, Inflater, Inflaters } from './inflater.ts'
import { type AckBytes, ackBytesOf, type MessageOwner, MessageRange, SplitMessage } from './message.ts'
import type { ConnectionBudget, ReceiveBudget } from './receive-budget.ts'

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

/**
 * Silence inside a message after which the connection is closed, because other peers wait for its memory. A peer that sends a byte
 * now and then is closed after the same time without a complete value, if others are waiting.
 */
const MAX_SILENCE_MS = 60_000
/** Time that a peer which has ended its side stays connected for its acknowledgements. */
const MAX_HALF_OPEN_MS = 10_000
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
/** Idle time after which the kernel asks a peer whether it still exists. */
const KEEP_ALIVE_MS = 30_000
/** Silence after connecting after which the log says what the peer may be waiting for. */
const MAX_QUIET_START_MS = 5000
/** Smallest piece of a decompressed payload, and the size after which other connections have their turn. */
const PIECE_BYTES = 32_768
const TURN_BYTES = 1_000_000
/** Received pieces of this size are freed at once; smaller ones are left to the garbage collector, which costs less. */
const MIN_FREED_BYTES = 16_384
/** A peer that has never sent more at once is small. */
const SMALL_PIECE_BYTES = 16_384
/** Bytes that are written between two questions whether the outputs take more. */
const UNCHECKED_BYTES = 16_384

/** Connection of one peer: turns its bytes into entries in chunks, and sends the acknowledgements. A handshake would precede `start`. */
export class SenderConnection implements MessageOwner {
  readonly #id: string
  readonly #socket: Socket
  readonly #host: ConnectionHost
  readonly #peer: string
  readonly #budget: ConnectionBudget
  readonly #reader: MessageReader
  readonly #time: Time = { sec: 0, nsec: 0 }
  readonly #pending: Buffer[] = []
  /** Bytes that have arrived and have no place in the reader. */
  #unread = 0
  #largestPiece = 0
  /** True while it is not read because of the memory that large peers use. */
  #isHeld = false
  #busy = false
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
  #hasReceived = false
  #hasOddTimes = false
  /** Time at which bytes arrived last, or an acknowledgement was sent. */
  #usedMs: number

  constructor(socket: Socket, id: string, host: ConnectionHost) {
    this.#socket = socket
    this.#id = id
    this.#host = host
    this.#usedMs = host.ctx.clock.nowMs()
    this.#peer =
      socket.remoteAddress === undefined ? 'a local peer' : `${socket.remoteAddress}:${socket.remotePort}`
    this.#acks = new Acknowledgements(socket, (bytes) => this.#taken(bytes))
    this.#budget = host.receiveBudget.connection()
    this.#reader = new MessageReader({ maxBytes: host.maxBytes, ...this.#budget })
  }

  start(): void {
    const { clock } = this.#host.ctx
    // A peer whose network is gone never closes: without probes its connection would stay forever.
    this.#socket.setKeepAlive(true, KEEP_ALIVE_MS)
    this.#socket.setTimeout(MAX_SILENCE_MS, () => this.#onSilence())
    const quiet = clock.after(MAX_QUIET_START_MS, () => this.#onQuietStart())
    this.#socket.once('close', () => clock.cancel(quiet))
    this.#socket.on('data', (data: Buffer) => this.#onData(data))
    this.#socket.on('end', () => this.#onEnd())
    this.#socket.on('error', (error) => this.#host.ctx.log.debug(`${this.#peer}: ${error.message}`))
    this.#socket.on('close', () => this.#onClose())
  }

  /** Address of the peer, without the port. */
  get address(): string {
    return this.#socket.remoteAddress ?? ''
  }

  /** Time since which the peer has neither sent anything nor waited for anything; undefined when it has. */
  get idleSinceMs(): number | undefined {
    const isIdle = !this.#busy && !this.#reader.isInsideMessage && this.#unsettled === 0
    return isIdle && this.#pending.length === 0 ? this.#usedMs : undefined
  }

  /** Stops reading; acknowledgements are still sent. */
  stopReading(): void {
    this.#socket.pause()
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
    this.#end()
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
    if (isLost && range.isTracked) this.#end()
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
      this.#usedMs = this.#host.ctx.clock.nowMs()
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
  #end(): void {
    this.#acks.flush()
    this.#socket.end()
  }

  #onData(data: Buffer): void {
    if (this.#closed || this.#host.signal.aborted) return
    this.#hasReceived = true
    this.#usedMs = this.#host.ctx.clock.nowMs()
    this.#largestPiece = Math.max(this.#largestPiece, data.length)
    this.#unread += data.length
    const fits = this.#host.receiveBudget.arrived(data.length)
    this.#pending.push(data)
    if (this.#busy) this.#socket.pause()
    else void this.#work()
    if (!fits && this.#unread > 0 && !this.#budget.isPrivileged)
      this.#fail('sent large messages while the memory for those of others was used up')
  }

  /** While the memory for messages is used up, only small peers are read, and the one whose message has to be completed. */
  setCongested(isCongested: boolean): void {
    this.#isHeld = isCongested && this.#largestPiece > SMALL_PIECE_BYTES
    if (this.#isHeld && !this.#budget.isPrivileged) this.#socket.pause()
    else if (!this.#busy) this.#socket.resume()
  }

  /** The first piece of these bytes has a place in a buffer, or is dropped. */
  #placed(bytes: number): void {
    this.#unread -= bytes
    this.#host.receiveBudget.placed(bytes)
  }

  /** Reads all pending data, however long it takes; runs once at a time. Never rejects. */
  async #work(): Promise<void> {
    this.#busy = true
    try {
      for (let data = this.#pending.shift(); data !== undefined; data = this.#pending.shift()) {
        this.#hasProgressed ||= !this.#reader.isInsideMessage
        if (!this.#reader.push(data)) {
          const piece = data
          if (!(await this.#untilGranted(() => this.#reader.push(piece)))) {
            freePiece(piece)
            return
          }
        }
        this.#placed(data.length)
        // It was copied.
        freePiece(data)
        await this.#read(this.#reader)
        if (this.#isOver) return
        this.#checkProgress()
      }
      if (this.#isHeld && !this.#budget.isPrivileged) this.#socket.pause()
      else this.#socket.resume()
    } catch (error) {
      if (error instanceof Malformed) this.#fail(`sent ${error.message}`)
      else this.#fail(`caused an internal error: ${messageOf(error)}`, 'E_INTERNAL')
    } finally {
      this.#busy = false
      if (this.#closed) this.#reader.release()
      this.#endIfDone()
    }
  }

  get #isOver(): boolean {
    return this.#closed || this.#host.signal.aborted
  }

  /** Handles every available step; ends early when the connection or the input ends. */
  async #read(reader: MessageReader): Promise<void> {
    for (let step = reader.next(); step !== 'more'; step = reader.next()) {
      const wait = this.#handle(step, reader)
      if (wait !== undefined) await wait
      if (this.#isOver) return
      this.#hasProgressed = true
    }
  }

  #checkProgress(): void {
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
      this.#socket.pause()
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
    this.#socket.pause()
    // Those that nobody waits for would otherwise wait for Flush.
    this.#host.sealSoon(this.#tag)
    while (!this.#isOver && !this.#mayHaveMore)
      await new Promise<void>((resolve) => {
        this.#onSettled = resolve
      })
  }

  /** Decompresses a payload into one buffer, whose entries are read before the next piece. */
  async #decompress({ buf, start, end }: MessageReader): Promise<void> {
    this.#socket.pause()
    const how = compressionOf(buf, start) as Compression
    const payload = buf.subarray(start, end)
    const bytes = this.#host.inflaters.bytesFor(payload, how)
    if (!(await this.#untilGranted(() => this.#budget.hold(bytes)))) return
    const entries = MessageReader.ofEntries({ maxBytes: this.#host.maxBytes, ...this.#budget })
    let inflater: Inflater | undefined
    try {
      inflater = await this.#host.inflaters.begin(payload, how, bytes)
      await this.#inflate(inflater, entries)
    } finally {
      inflater?.close()
      entries.release()
      this.#budget.release(bytes)
    }
  }

  async #inflate(inflater: Inflater, entries: MessageReader): Promise<void> {
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
      this.#socket.pause()
      await this.#host.receiveBudget.waitForMemory(this.#ended)
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
      `${this.#peer} sends times that are not seconds or EventTime: ${taken}; the records are kept`,
      undefined,
      'odd times',
    )
    return true
  }

  #onQuietStart(): void {
    if (this.#hasReceived || this.#closed || this.#peerEnded || this.#host.signal.aborted) return
    this.#host.ctx.log.warn(
      `${this.#peer} is connected and has sent nothing for ${MAX_QUIET_START_MS / 1000} s: it may be waiting for a handshake with a shared key, which is not supported yet`,
    )
  }

  #onSilence(): void {
    if (this.#acks.bytes > 0) this.#fail(`has not read its acknowledgements for ${MAX_SILENCE_MS / 1000} s`)
    else if (!this.#busy && !this.#isHeld && this.#reader.isInsideMessage)
      this.#fail(`sent nothing for ${MAX_SILENCE_MS / 1000} s within a message`)
  }

  #onEnd(): void {
    this.#peerEnded = true
    const { clock } = this.#host.ctx
    // A peer that has gone away looks the same as one that waits for its acknowledgements.
    const timer = clock.after(MAX_HALF_OPEN_MS, () => this.#end())
    this.#socket.once('close', () => clock.cancel(timer))
    this.#endIfDone()
  }

  #endIfDone(): void {
    if (this.#peerEnded && !this.#busy && this.#unsettled === 0) this.#end()
  }

  #fail(what: string, code: ErrorCode = 'E_PEER_PROTOCOL'): void {
    if (this.#closed) return
    this.#closed = true
    this.#host.ctx.counters.add('closed_peers')
    this.#host.ctx.log.warn(`${this.#peer} ${what}: connection closed`, { code })
    this.#socket.destroy()
    this.#stopWaiting()
  }

  /** A paused socket has read ahead; its records that have not settled keep it. */
  #dropReadAhead(): void {
    if (this.#socket.readableLength === 0) return
    const piece = this.#socket.read() as Buffer | null
    if (piece !== null) freePiece(piece)
  }

  #onClose(): void {
    if (!this.#closed && this.#reader.isInsideMessage) this.#host.ctx.counters.add('cut_messages')
    this.#closed = true
    for (const piece of this.#pending.splice(0)) freePiece(piece)
    this.#dropReadAhead()
    this.#stopWaiting()
    this.#placed(this.#unread)
    this.#taken(this.#acks.discard())
    if (!this.#busy) this.#reader.release()
    this.#host.closed(this)
  }
}

function freePiece(piece: Buffer): void {
  if (piece.length >= MIN_FREED_BYTES) freeMemory(piece)
}
