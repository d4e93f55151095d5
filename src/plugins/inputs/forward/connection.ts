import type { Socket } from 'node:net'
import { type ErrorCode, messageOf } from '../../../core/error.ts'
import { truncate } from '../../../core/escape-controls.ts'
import { ENTRY_HEAD, writeEntryHead } from '../../../core/msgpack/encode.ts'
import type { Appender, InputContext } from '../../../core/plugin.ts'
import { splitMs } from '../../../lib/time/split-ms.ts'
import { readTime, type Time } from '../../../protocol/forward/event-time.ts'
import { MessageReader, type MessageStep } from '../../../protocol/forward/message-reader.ts'
import { compressionOf } from '../../../protocol/forward/option.ts'
import { Malformed } from '../../../protocol/forward/value-scanner.ts'
import { Acknowledgements } from './acknowledgements.ts'
import { LooseRecords } from './loose-records.ts'
import { Message, type MessageOwner } from './message.ts'
import type { ReceiveBudget } from './receive-budget.ts'

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
  /** Decompresses a payload and waits for `use` before the next payload is decompressed. */
  decompress(bytes: Buffer, how: 'gzip' | 'zstd', use: (out: Buffer) => Promise<void>): Promise<void>
  /** Seals the chunk of this tag once the bytes received so far have been read. */
  sealSoon(tag: string): void
  /** Number of unsettled messages of all connections, those that are closed included. */
  unsettled: number
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
/** Unsettled messages of all peers, at which each may have only a few: they take about 1 KB outside of the memory limit. */
const MAX_ALL_UNSETTLED = 16_384
const MIN_UNSETTLED = 16
/** Bytes of acknowledgements that one peer has requested and has not taken: at this limit it is not read. */
const MAX_OWED_BYTES = 32_768
/** Bytes of an acknowledgement besides the chunk id. */
const ACK_HEAD_BYTES = 5
const MAX_SHOWN_TAG_CHARS = 100
/** Idle time after which the kernel asks a peer whether it still exists. */
const KEEP_ALIVE_MS = 30_000
/** Silence after connecting after which the log says what the peer may be waiting for. */
const MAX_QUIET_START_MS = 5000
/** Bytes that are written between two questions whether the outputs take more. */
const UNCHECKED_BYTES = 16_384

/** Connection of one peer: turns its bytes into entries in chunks, and sends the acknowledgements. A handshake would precede `start`. */
export class SenderConnection implements MessageOwner {
  readonly #id: string
  readonly #socket: Socket
  readonly #host: ConnectionHost
  readonly #peer: string
  readonly #reader: MessageReader
  readonly #time: Time = { sec: 0, nsec: 0 }
  #pending: Buffer[] = []
  #busy = false
  /** Tag of the message that is being read. */
  #tag = ''
  #message: Message | undefined
  #messages = 0
  /** Time at which it last completed a value, or was not being read. */
  #progressMs = 0
  /** True when it has completed a value since. */
  #hasProgressed = true
  /** Number of complete messages whose records have not settled, and bytes of their acknowledgements. */
  #unsettled = 0
  #owedBytes = 0
  readonly #acks: Acknowledgements
  /** Bytes that have not settled. */
  #unsettledBytes = 0
  /** Records without options in chunks that are not sealed, by tag. */
  readonly #loose = new Map<string, LooseRecords>()
  /** Bytes that may be written for `#checkedTag` without asking for room again. */
  #credit = 0
  #checkedTag: string | undefined
  #onSettled: (() => void) | undefined
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
    this.#acks = new Acknowledgements(socket, () => this.#onSettled?.())
    this.#reader = new MessageReader({
      maxBytes: host.maxBytes,
      ...host.receiveBudget.connection(),
    })
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
    this.#onSettled?.()
  }

  /** Ends the connection; called after the last acknowledgement. */
  close(): void {
    this.#end()
  }

  destroy(): void {
    this.#socket.destroy()
  }

  settled(message: Message): void {
    this.#unsettledBytes -= message.bytes
    this.#isSettled(message)
    if (message.chunk === undefined) return
    this.#usedMs = this.#host.ctx.clock.nowMs()
    if (this.#closed) return
    this.#host.ctx.counters.add('acks')
    this.#acks.add(message.chunk)
    this.#endIfDone()
  }

  aborted(message: Message): void {
    this.#isSettled(message)
    this.#end()
  }

  #isSettled(message: Message): void {
    // A message that broke off was not counted.
    if (!message.isComplete) return
    this.#unsettled--
    this.#host.unsettled--
    this.#owedBytes -= owedFor(message.chunk)
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
    this.#pending.push(data)
    if (this.#busy) this.#socket.pause()
    else void this.#work()
  }

  /** Reads all pending data, however long it takes; runs once at a time. Never rejects. */
  async #work(): Promise<void> {
    this.#busy = true
    try {
      for (let data = this.#pending.shift(); data !== undefined; data = this.#pending.shift()) {
        this.#hasProgressed ||= !this.#reader.isInsideMessage
        while (!this.#reader.push(data)) {
          this.#socket.pause()
          await this.#host.receiveBudget.waitForMemory()
          if (this.#isOver) return
          this.#hasProgressed = true
        }
        await this.#read(this.#reader)
        if (this.#isOver) return
        this.#checkProgress()
      }
      this.#socket.resume()
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
        return reader === this.#reader ? this.#finish(reader.chunk) : undefined
      default:
        return this.#write(reader, step) ? undefined : this.#writeLater(reader, step)
    }
  }

  async #writeLater(reader: MessageReader, step: MessageStep): Promise<void> {
    do {
      this.#socket.pause()
      const { ctx, signal } = this.#host
      if (this.#roomFor(reader.end - reader.start) > 0) {
        // Open chunks wait for Flush: the memory that is needed may be theirs.
        ctx.sealAll()
        await ctx.waitForMemory(signal)
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
    // Without options nobody waits for an ack: no object per record of a peer that sends single records.
    this.#message = mayAsk ? new Message(this, `${this.#id}:${this.#messages++}`) : undefined
  }

  #useTag(tag: string): void {
    if (tag === this.#tag) return
    if (this.#host.isReserved(tag)) {
      this.#host.ctx.counters.add('reserved_tags')
      throw new Malformed(
        `records with the reserved tag "${truncate(tag, MAX_SHOWN_TAG_CHARS)}", with which it could forge the records of a pod; if it is an agent of yours that may send them, set Tag_Reserved to off`,
      )
    }
    this.#tag = tag
  }

  #finish(chunk: Buffer | undefined): Promise<void> | undefined {
    const message = this.#message
    this.#message = undefined
    this.#host.ctx.counters.add('messages')
    if (message === undefined || message.isAborted) return undefined
    this.#unsettled++
    this.#host.unsettled++
    this.#owedBytes += owedFor(chunk)
    if (chunk !== undefined) this.#host.sealSoon(this.#tag)
    message.end(chunk)
    return this.#mayHaveMore ? undefined : this.#waitForSettled()
  }

  /** False for a peer with too many unsettled messages, or one that does not read its acknowledgements. */
  get #mayHaveMore(): boolean {
    if (this.#owedBytes + this.#acks.bytes > MAX_OWED_BYTES) return false
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

  async #decompress({ buf, start, end }: MessageReader): Promise<void> {
    this.#socket.pause()
    const how = compressionOf(buf, start) as 'gzip' | 'zstd'
    await this.#host.decompress(buf.subarray(start, end), how, (out) =>
      this.#isOver ? Promise.resolve() : this.#read(MessageReader.ofEntries(out, this.#host.maxBytes)),
    )
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
    this.#count(end - start, out)
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
  #count(bytes: number, out: Appender): void {
    this.#unsettledBytes += bytes
    const message = this.#message
    if (message === undefined) {
      const loose = this.#loose.get(out.tag) ?? this.#addLoose(out)
      loose.bytes += bytes
      return
    }
    message.bytes += bytes
    if (message.inOpenChunk) return
    message.inOpenChunk = true
    out.addContributor(message)
  }

  #addLoose(out: Appender): LooseRecords {
    const { tag } = out
    const sealed = (): boolean => this.#loose.delete(tag)
    const loose = new LooseRecords(`${this.#id}:${this.#messages++}`, sealed, (bytes) => {
      this.#unsettledBytes -= bytes
    })
    this.#loose.set(tag, loose)
    out.addContributor(loose)
    return loose
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
    else if (!this.#busy && this.#reader.isInsideMessage)
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
  }

  #onClose(): void {
    if (!this.#closed && this.#reader.isInsideMessage) this.#host.ctx.counters.add('cut_messages')
    this.#closed = true
    this.#pending = []
    this.#onSettled?.()
    if (!this.#busy) this.#reader.release()
    this.#host.closed(this)
  }
}

function owedFor(chunk: Buffer | undefined): number {
  return chunk === undefined ? 0 : chunk.length + ACK_HEAD_BYTES
}
