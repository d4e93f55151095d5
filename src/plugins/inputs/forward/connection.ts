import type { Socket } from 'node:net'
import { type ErrorCode, messageOf } from '../../../core/error.ts'
import { ENTRY_HEAD, writeEntryHead } from '../../../core/msgpack/encode.ts'
import type { InputContext } from '../../../core/plugin.ts'
import { splitMs } from '../../../lib/plugin/interval-input.ts'
import { readTime, type Time } from '../../../protocol/forward/event-time.ts'
import { MessageReader, type Step } from '../../../protocol/forward/message-reader.ts'
import { compressionOf, encodeAck } from '../../../protocol/forward/option.ts'
import { Malformed } from '../../../protocol/forward/value-scanner.ts'
import { Message, type MessageOwner } from './message.ts'
import type { ReceiveBudget } from './receive-budget.ts'

/** What the connections of one input share. */
export interface ConnectionHost {
  readonly ctx: InputContext
  readonly signal: AbortSignal
  readonly maxBytes: number
  tagOf(tag: string): string
  /** Where connections have their buffers from. */
  readonly holds: ReceiveBudget
  /** Unpacks, and uses what comes out before the next one is unpacked. */
  unpacked(bytes: Buffer, how: 'gzip' | 'zstd', use: (out: Buffer) => Promise<void>): Promise<void>
  /** Seals the chunk of this tag when what has come by now has been read. */
  sealSoon(tag: string): void
  closed(connection: SenderConnection): void
}

/**
 * Silence in the midst of a message after which a peer is given up: what it holds others wait for. One that says a byte
 * now and then is given up after as long without a whole value, if others do wait.
 */
const SILENCE_MS = 60_000
/** How long a peer that has said all is kept for its acknowledgements. */
const HALF_OPEN_MS = 10_000
/** Messages of one peer that are not answered. */
const MAX_UNSETTLED = 1024
/** Acknowledgements that a peer does not read. */
const MAX_UNREAD_BYTES = 1_000_000

/** One peer: its bytes to entries to chunks, and the acknowledgements back. A handshake would come before `start`. */
export class SenderConnection implements MessageOwner {
  readonly #id: string
  readonly #socket: Socket
  readonly #s: ConnectionHost
  readonly #peer: string
  readonly #reader: MessageReader
  readonly #time: Time = { sec: 0, nsec: 0 }
  #pending: Buffer[] = []
  #busy = false
  /** Of the message that is being read. */
  #tag = ''
  #message: Message | undefined
  #messages = 0
  /** When it last brought a value to its end, or was not read. */
  #progressMs = 0
  /** It has brought one to its end since. */
  #moved = true
  /** Messages that wait for their records to be settled, to be acknowledged. */
  #unsettled = 0
  #onSettled: (() => void) | undefined
  #peerEnded = false
  #closed = false

  constructor(socket: Socket, id: string, shared: ConnectionHost) {
    this.#socket = socket
    this.#id = id
    this.#s = shared
    this.#peer =
      socket.remoteAddress === undefined ? 'a local peer' : `${socket.remoteAddress}:${socket.remotePort}`
    this.#reader = new MessageReader({
      maxBytes: shared.maxBytes,
      ...shared.holds.connection(),
    })
  }

  start(): void {
    this.#socket.setTimeout(SILENCE_MS, () => this.#silent())
    this.#socket.on('data', (data: Buffer) => this.#take(data))
    this.#socket.on('end', () => this.#ended())
    this.#socket.on('error', (error) => this.#s.ctx.log.debug(`${this.#peer}: ${error.message}`))
    this.#socket.on('close', () => this.#gone())
  }

  /** Nothing more is read; acknowledgements still go out. */
  stopReading(): void {
    this.#socket.pause()
    this.#onSettled?.()
  }

  /** After the last acknowledgement. */
  close(): void {
    this.#socket.end()
  }

  destroy(): void {
    this.#socket.destroy()
  }

  settled(message: Message): void {
    if (message.chunk === undefined) return
    this.#unsettled--
    this.#onSettled?.()
    if (this.#closed) return
    this.#s.ctx.counters.add('acks')
    this.#socket.write(encodeAck(message.chunk))
    if (this.#socket.writableLength > MAX_UNREAD_BYTES) this.#fail('does not read its acknowledgements')
    this.#endIfDone()
  }

  aborted(): void {
    this.#socket.end()
  }

  #take(data: Buffer): void {
    if (this.#closed || this.#s.signal.aborted) return
    this.#pending.push(data)
    if (this.#busy) this.#socket.pause()
    else void this.#work()
  }

  /** Reads what is pending, however long it takes; one at a time. Never rejects. */
  async #work(): Promise<void> {
    this.#busy = true
    try {
      for (let data = this.#pending.shift(); data !== undefined; data = this.#pending.shift()) {
        this.#moved ||= !this.#reader.within
        while (!this.#reader.push(data)) {
          this.#socket.pause()
          await this.#s.holds.room()
          if (this.#over) return
          this.#moved = true
        }
        await this.#read(this.#reader)
        if (this.#over) return
        this.#noteSlow()
      }
      this.#socket.resume()
    } catch (error) {
      if (error instanceof Malformed) this.#fail(`sent ${error.message}`)
      else this.#fail(`met a defect: ${messageOf(error)}`, 'E_INTERNAL')
    } finally {
      this.#busy = false
      if (this.#closed) this.#reader.release()
      this.#endIfDone()
    }
  }

  get #over(): boolean {
    return this.#closed || this.#s.signal.aborted
  }

  /** Every step that is there; ends early when the connection or the input does. */
  async #read(reader: MessageReader): Promise<void> {
    for (let step = reader.next(); step !== 'more'; step = reader.next()) {
      const wait = this.#handle(step, reader)
      if (wait !== undefined) await wait
      if (this.#over) return
      this.#moved = true
    }
  }

  #noteSlow(): void {
    const now = this.#s.ctx.clock.nowMs()
    if (this.#moved) this.#progressMs = now
    else if (this.#s.holds.wanted && now - this.#progressMs > SILENCE_MS)
      this.#fail(`took more than ${SILENCE_MS / 1000} s for one value while others waited`)
    this.#moved = false
  }

  /** A promise only where there is something to wait for. */
  #handle(step: Step, reader: MessageReader): Promise<void> | undefined {
    switch (step) {
      case 'begin':
        return this.#begin(reader)
      case 'compressed':
        return this.#unpack(reader)
      case 'end':
        // Of what was unpacked: its message goes on.
        return reader === this.#reader ? this.#finish(reader.chunk) : undefined
      default:
        return this.#write(reader, step) ? undefined : this.#writeLater(reader, step)
    }
  }

  async #writeLater(reader: MessageReader, step: Step): Promise<void> {
    do {
      this.#socket.pause()
      // What is held waits for Flush: the room that is needed may be its own.
      this.#s.ctx.sealAll()
      await this.#s.ctx.waitForMemory(this.#s.signal)
    } while (!this.#over && !this.#write(reader, step))
  }

  #begin({ tag, mayAsk }: MessageReader): undefined {
    this.#tag = this.#s.tagOf(tag)
    // Nobody waits for the others: no object for each record of a peer that sends them singly.
    this.#message = mayAsk ? new Message(this, `${this.#id}:${this.#messages++}`) : undefined
  }

  #finish(chunk: Buffer | undefined): Promise<void> | undefined {
    const message = this.#message
    this.#message = undefined
    this.#s.ctx.counters.add('messages')
    if (chunk !== undefined) {
      this.#unsettled++
      this.#s.sealSoon(this.#tag)
    }
    message?.end(chunk)
    return this.#unsettled < MAX_UNSETTLED ? undefined : this.#fewer()
  }

  /** A peer that sends on and on before it is answered waits for answers. */
  #fewer(): Promise<void> {
    this.#socket.pause()
    return new Promise((resolve) => {
      this.#onSettled = resolve
    })
  }

  async #unpack({ buf, start, end }: MessageReader): Promise<void> {
    this.#socket.pause()
    const how = compressionOf(buf, start) as 'gzip' | 'zstd'
    await this.#s.unpacked(buf.subarray(start, end), how, (out) =>
      this.#over ? Promise.resolve() : this.#read(MessageReader.ofEntries(out, this.#s.maxBytes)),
    )
  }

  /** False: there is no room now, nothing was written. */
  #write(reader: MessageReader, step: Step): boolean {
    const { buf, start, end } = reader
    if (step === 'entry' && !this.#timed(reader)) return true
    const message = this.#message
    const out = this.#s.ctx.appender(this.#tag)
    if (!out.reserve(end - start + ENTRY_HEAD)) return false
    if (message?.joined === false) {
      message.joined = true
      out.addContributor(message)
    }
    if (step === 'entries') {
      out.end += buf.copy(out.buf, out.end, start, end)
      out.commit(reader.count, end - start)
      return true
    }
    const at = writeEntryHead(out.buf, out.end, this.#time.sec, this.#time.nsec)
    out.end = at + buf.copy(out.buf, at, reader.map, end)
    out.commit(1, end - start)
    return true
  }

  /** Reads the time of an entry; false: it is no record. */
  #timed({ buf, time, map }: MessageReader): boolean {
    const kind = map < 0 ? 'none' : readTime(buf, time, this.#time)
    if (kind === 'time') return true
    if (kind === 'now') {
      Object.assign(this.#time, splitMs(this.#s.ctx.clock.nowMs()))
      return true
    }
    if (kind === 'none') {
      this.#s.ctx.counters.add('skipped_entries')
      this.#s.ctx.log.warn(`${this.#peer} sent entries that are not [time, record]: they are left out`)
    }
    return false
  }

  #silent(): void {
    if (!this.#busy && this.#reader.within)
      this.#fail(`sent nothing for ${SILENCE_MS / 1000} s within a message`)
  }

  #ended(): void {
    this.#peerEnded = true
    const { clock } = this.#s.ctx
    // A peer that is gone looks the same as one that waits for its acknowledgements.
    const timer = clock.after(HALF_OPEN_MS, () => this.#socket.end())
    this.#socket.once('close', () => clock.cancel(timer))
    this.#endIfDone()
  }

  #endIfDone(): void {
    if (this.#peerEnded && !this.#busy && this.#unsettled === 0) this.#socket.end()
  }

  #fail(what: string, code: ErrorCode = 'E_PEER_PROTOCOL'): void {
    if (this.#closed) return
    this.#closed = true
    this.#s.ctx.counters.add('closed_peers')
    this.#s.ctx.log.warn(`${this.#peer} ${what}: connection closed`, { code })
    this.#socket.destroy()
  }

  #gone(): void {
    if (!this.#closed && this.#reader.within) this.#s.ctx.counters.add('cut_messages')
    this.#closed = true
    this.#pending = []
    this.#onSettled?.()
    if (!this.#busy) this.#reader.release()
    this.#s.closed(this)
  }
}
