import type { Socket } from 'node:net'
import { freeMemory } from '../../../core/free-memory.ts'
import { Malformed } from '../../../core/malformed.ts'
import { formatAddress, plainAddress } from '../connect.ts'
import { BUSY, type Standing } from '../giving-way.ts'
import { pauseSocket } from '../paused-socket.ts'
import type { GatedPeer, ReadGate } from '../read-gate.ts'
import { AnswerWriter } from './answer-writer.ts'
import { BodyParts } from './body-parts.ts'
import { BodyReader } from './body-reader.ts'
import { Deadline } from './deadline.ts'
import type { AnswerBody, AnswerFrame, BodySink, ConnectionLimits } from './exchange.ts'
import { type BadRequest, HTTP2_PREFACE, type RequestHead } from './head.ts'
import { HeadReader } from './head-reader.ts'

/** Decides about requests and how they are answered. */
export interface Handler<A extends AnswerBody> {
  /**
   * Called with the head of each request. Returns where its body goes, `end` is called for a request without one as well;
   * undefined: it has no body that is read, and the connection ends with its answer if it has one.
   */
  begin(head: RequestHead, connection: Connection<A>): BodySink | undefined
  /** Returns the head of an answer, up to its empty line. */
  headOf(answer: A, frame: AnswerFrame): string
  /**
   * Returns all bytes of an answer that is often the same, for a client of HTTP/1.1 whose connection goes on; undefined for another
   * one.
   */
  usual?(answer: A): Buffer | undefined
  /** Returns the answer to what is not a request, or to one that is not read to its end. */
  refusal(refused: BadRequest, connection: Connection<A>): A
  /** Called after the first two lines of HTTP/2 instead of `refusal`; returns where the rest goes. */
  http2?(connection: Connection<A>): BodySink
  /** Called when a client is too slow; undefined: the connection is closed without an answer. */
  late?(what: string, connection: Connection<A>): A | undefined
  /** Does work that may take long when it is its turn; undefined: at once. */
  inTurn?(work: () => void): void
  /** Decides which connections are read while much has arrived that has no place. */
  readonly gate?: ReadGate
  /** Counts bytes that requests have left to the garbage collector. */
  leftGarbage?(bytes: number): void
  closed(connection: Connection<A>): void
}

const EMPTY = Buffer.alloc(0)
/** Size of further requests that have arrived with the first one, above which the connection ends. */
const MAX_RECEIVED_BYTES = 256_000
/** Received pieces of this size are freed at once; smaller ones are left to the garbage collector, which costs less. */
const MIN_FREED_BYTES = 16_384
/** Time for a client to close after the last answer. */
const CLOSE_MS = 1000
const DEFAULT_BODY_SILENCE_MS = 10_000
const DEFAULT_BODY_MS = 300_000
/** What a small piece leaves besides its bytes. */
const PIECE_GARBAGE_BYTES = 2048
/** Largest piece of a client that sends small requests. */
const MAX_QUICK_BYTES = 16_384
const CONTINUE = Buffer.from('HTTP/1.1 100 Continue\r\n\r\n')

/**
 * One client. Requests are read one at a time: while an answer waits, at most what has arrived with the request is kept, so a
 * client that sends without reading holds one answer, whatever it has sent.
 *
 * ```
 *   reading --head--> receiving --body--> asking --answer--> sending --taken--> reading (or closed)
 *      |                  |                                     |
 *      +--too slow, too long, not HTTP--> refusal, closed       +--too slow--> closed
 * ```
 */
export class Connection<A extends AnswerBody> implements GatedPeer {
  state: 'reading' | 'receiving' | 'asking' | 'sending' | 'closed' = 'reading'
  /** Time at which the state began, by `performance.now`. */
  sinceMs = performance.now()
  readonly openedMs = this.sinceMs
  /** Address of the client, without the port, and with it. */
  readonly address: string
  readonly peer: string
  /** Most bytes that have arrived at once. */
  largestPiece = 0
  readonly #socket: Socket
  readonly #limits: ConnectionLimits
  readonly #handler: Handler<A>
  readonly #heads: HeadReader
  readonly #writer: AnswerWriter
  /** What has arrived, of which the bytes before `#at` have been read. */
  #received: Buffer = EMPTY
  #at = 0
  #head: RequestHead | undefined
  #body: BodyReader | undefined
  #sink: BodySink | undefined
  /** True while the sink has no memory. */
  #isBlocked = false
  /** True while requests that have arrived are read: an answer that comes at once must not begin it again. */
  #isDraining = false
  #isPaused = false
  /** True while nothing more is read of the request, and while it is not read because of what all clients have sent. */
  #isWaiting = false
  #isHeld = false
  #isHttp2 = false
  #hasEnded = false
  #hasAnswered = false
  #isLast = false
  /** Time limit of the state. */
  readonly #deadline = new Deadline(() => this.#onTimer())
  /** Time at which the first bytes of an incomplete head arrived, 0 if there is none, and the last ones. */
  #headMs = 0
  #headUsedMs = 0

  constructor(socket: Socket, limits: ConnectionLimits, handler: Handler<A>) {
    this.#socket = socket
    this.#limits = limits
    this.#handler = handler
    this.#heads = new HeadReader(limits)
    this.address = plainAddress(socket.remoteAddress ?? '')
    this.peer = formatAddress(this.address, socket.remotePort ?? 0)
    this.#writer = this.#newWriter()
  }

  #newWriter(): AnswerWriter {
    const isSending = (): boolean => this.state === 'sending'
    return new AnswerWriter(this.#socket, {
      get isSending() {
        return isSending()
      },
      inTurn: (work) => this.#handler.inTurn?.(work),
      sent: () => this.#sent(),
      destroy: () => this.destroy(),
    })
  }

  /** Bytes of the answer that the client has not taken. */
  get pendingBytes(): number {
    return this.#writer.pendingBytes
  }

  /** Begins to read. */
  start(): void {
    const socket = this.#socket
    socket.on('data', (bytes: Buffer) => this.#read(bytes))
    socket.on('end', () => this.#onEnd())
    // A client that goes away has no answer to lose.
    socket.on('error', () => this.destroy())
    socket.once('close', () => {
      this.destroy()
      this.#handler.closed(this)
    })
    this.#enter('reading', this.#limits.headersMs)
    this.#handler.gate?.add(this)
    // The runtime begins to read when it has passed on the connection.
    if (this.#isHeld) process.nextTick(() => this.#isPaused && pauseSocket(socket))
  }

  /** True for a client whose requests so far were small: they are read and answered without memory of their own. */
  get isQuick(): boolean {
    return this.#hasAnswered && this.largestPiece <= MAX_QUICK_BYTES
  }

  hold(): void {
    this.#isHeld = true
    this.#updateFlow()
  }

  admit(): void {
    this.#isHeld = false
    // What it sends from here on is not late.
    this.#deadline.renew()
    this.#updateFlow()
  }

  get standing(): Standing {
    const nowMs = performance.now()
    // Held back, it may have sent a request that is not read yet.
    if (this.#isHeldBack) return BUSY
    if (this.state === 'reading') {
      if (this.#left === 0) return { is: 'idle', forMs: nowMs - this.sinceMs }
      return { is: 'within', silentMs: nowMs - this.#headUsedMs, slowMs: nowMs - this.#headMs }
    }
    if (this.state !== 'receiving' || this.#isBlocked) return BUSY
    // The limit of a body begins again with each part of it.
    return { is: 'within', silentMs: this.#deadline.sinceRenewedMs(nowMs), slowMs: nowMs - this.sinceMs }
  }

  /** Ends in favor of another connection: what is incomplete of a request is answered as too slow. */
  evict(): void {
    if (this.state === 'reading' && this.#left === 0) this.destroy()
    else this.#endLate()
  }

  /** Head of the request; undefined before it was read. */
  get head(): RequestHead | undefined {
    return this.#head
  }

  /** Where the body of the request goes that has no answer yet. */
  get sink(): BodySink | undefined {
    return this.#sink
  }

  /** Sends the answer and then reads the next request, if there may be one. */
  answer(answer: A, isLast = false): void {
    if (this.state === 'closed' || this.state === 'sending') return
    const head = this.#head
    // What is not read of a body must not be taken for the next request.
    const mayGoOn = !isLast && !this.#hasEnded && head?.keepAlive === true && this.#body?.isDone !== false
    const usual =
      mayGoOn && head.isCurrent && head.method !== 'HEAD' ? this.#handler.usual?.(answer) : undefined
    this.#sink = undefined
    if (usual === undefined) {
      this.#answerWith(answer, head, mayGoOn)
      return
    }
    this.#isLast = false
    this.#enter('sending', this.#limits.sendMs)
    this.#writer.send(usual)
  }

  #answerWith(answer: A, head: RequestHead | undefined, mayGoOn: boolean): void {
    const parts = new BodyParts(answer.body)
    const first = parts.next()
    const isChunked = !parts.isDone && head?.isCurrent === true
    // For a client of HTTP/1.0, the end of the connection is that of the body.
    this.#isLast = !mayGoOn || (!parts.isDone && !isChunked)
    this.#enter('sending', this.#limits.sendMs)
    const length = parts.isDone ? first.length : undefined
    const isUsual = (head?.isCurrent ?? true) !== this.#isLast
    const connection = isUsual ? undefined : this.#isLast ? 'close' : 'keep-alive'
    const text = this.#handler.headOf(answer, { length, isChunked, isLast: this.#isLast, connection })
    if (head?.method === 'HEAD') this.#writer.send(Buffer.from(text, 'latin1'))
    else this.#writer.sendParts(Buffer.from(text, 'latin1'), first, parts, isChunked)
  }

  /** Gives up the request whose body is arriving, and ends after this answer. */
  refuse(answer: A): void {
    this.#abort()
    this.answer(answer, true)
  }

  /** Sends bytes as they are. */
  write(bytes: Buffer): void {
    this.#socket.write(bytes)
  }

  /** Sends bytes that are no answer of HTTP/1.1, and ends the connection. */
  endWith(bytes: Buffer): void {
    if (this.state === 'closed' || this.state === 'sending') return
    this.#sink = undefined
    this.#isLast = true
    this.#enter('sending', this.#limits.sendMs)
    this.#writer.send(bytes)
  }

  /** Offers the body again, as there may be memory for it. */
  resume(): void {
    if (!this.#isBlocked || this.state !== 'receiving') return
    this.#isBlocked = false
    // What the client could not send in the meantime is not late.
    this.sinceMs = performance.now()
    this.#deadline.renew(this.sinceMs)
    this.#drain()
  }

  destroy(): void {
    if (this.state === 'closed') return
    this.state = 'closed'
    this.#deadline.cancel()
    this.#writer.pendingBytes = 0
    this.#handler.gate?.delete(this)
    this.#forget()
    this.#abort()
    this.#socket.destroy()
  }

  /** Ends the connection after what it is sending, or at once when it waits for a request. */
  close(): void {
    this.#isLast = true
    this.#hasEnded = true
    if (this.state === 'reading') this.destroy()
  }

  #sent(): void {
    if (this.state !== 'sending') return
    if (this.#isLast || this.#hasEnded) this.#end()
    else this.#next()
  }

  #read(bytes: Buffer): void {
    if (this.state === 'closed') return
    const left = this.#left
    const isTooMuch = left > MAX_RECEIVED_BYTES
    if (left === 0) this.#received = bytes
    else this.#append(bytes)
    if (bytes.length > this.largestPiece) this.largestPiece = bytes.length
    this.#handler.gate?.arrived(bytes.length, this)
    if (isTooMuch) {
      this.destroy()
      return
    }
    if (this.state === 'receiving') this.#deadline.renew()
    if ((this.state === 'reading' || this.state === 'receiving') && !this.#isBlocked) this.#drain()
    else this.#pause()
  }

  /** Joins them in memory of their own: a small buffer of the pool would keep the others of its slab. */
  #append(bytes: Buffer): void {
    const before = this.#received
    const both = Buffer.allocUnsafeSlow(this.#left + bytes.length)
    const end = before.copy(both, 0, this.#at)
    bytes.copy(both, end)
    this.#received = both
    this.#at = 0
    this.#dispose(before)
    this.#dispose(bytes)
  }

  /** Nothing of a received piece is used any more. */
  #dispose(piece: Buffer): void {
    if (piece.length >= MIN_FREED_BYTES) freeMemory(piece)
    else this.#handler.leftGarbage?.(piece.length + PIECE_GARBAGE_BYTES)
  }

  /** Reads what has arrived, request after request, as far as it is complete and the answers come at once. */
  #drain(): void {
    if (this.#isDraining) return
    this.#isDraining = true
    try {
      for (let before = -1; this.#left !== before; ) {
        before = this.#left
        if (this.state === 'reading') this.#readHead()
        if (this.state === 'receiving') this.#readBody()
        if (this.state !== 'reading' || this.#left === 0) break
      }
    } finally {
      this.#isDraining = false
    }
    if (this.state === 'closed') return
    // Most clients send nothing before they have their answer: they need not be paused until they do.
    if (this.#left === 0 || this.state === 'reading' || (this.state === 'receiving' && !this.#isBlocked))
      this.#unpause()
    else this.#pause()
  }

  #readHead(): void {
    if (this.#at > 0) this.#received = this.#received.subarray(this.#at)
    this.#at = 0
    const head = this.#heads.read(this.#received)
    if (head === undefined) {
      if (this.#left > 0) this.#noteHead()
      return
    }
    this.#headMs = 0
    if ('status' in head) {
      this.#refuse(head)
      return
    }
    this.#head = head
    this.#isLast = false
    this.#consume(head.end)
    this.#body = new BodyReader(head.framing)
    this.#enter('receiving', this.#limits.bodySilenceMs ?? DEFAULT_BODY_SILENCE_MS)
    this.#sink = this.#handler.begin(head, this)
    if (this.state !== 'receiving') return
    if (this.#sink === undefined) {
      this.#enter('asking', this.#askMs)
      return
    }
    if (!this.#body.isDone && head.headers.has('expect')) this.#answerExpectation(head)
  }

  #noteHead(): void {
    this.#headUsedMs = performance.now()
    if (this.#headMs === 0) this.#headMs = this.#headUsedMs
  }

  /** Tells a client that waits for it that its body is wanted, unless it has sent it already. */
  #answerExpectation({ headers, isCurrent }: RequestHead): void {
    if (headers.get('expect')?.toLowerCase() !== '100-continue')
      this.#refuse({ status: 417, error: 'the only expectation that is understood is 100-continue' })
    else if (isCurrent && this.#left === 0) this.write(CONTINUE)
  }

  get #askMs(): number {
    return this.#limits.askMs ?? this.#limits.sendMs
  }

  #readBody(): void {
    const body = this.#body
    const sink = this.#sink
    if (body === undefined || sink === undefined) return
    try {
      const bytes = this.#received
      const at = body.read(
        bytes,
        this.#at,
        bytes.length,
        (buf, start, end, isLast) =>
          // An answer or an end that `push` has led to ends the reading, too.
          this.state === 'receiving' && sink.push(buf, start, end, isLast),
      )
      if (this.state !== 'receiving') return
      this.#isBlocked = at < bytes.length && !body.isDone
      this.#consume(at - this.#at)
    } catch (error) {
      if (!(error instanceof Malformed)) throw error
      this.#refuse({ status: 400, error: error.message })
      return
    }
    if (body.isDone) {
      this.#enter('asking', this.#askMs)
      sink.end()
    } else if (performance.now() - this.sinceMs > (this.#limits.bodyMs ?? DEFAULT_BODY_MS)) this.#onLate()
  }

  #onEnd(): void {
    this.#hasEnded = true
    if (this.state === 'reading' || this.#isHttp2) this.destroy()
    else if (this.state === 'receiving' && !this.#isBlocked)
      this.#refuse({ status: 400, error: 'the body ends before its length' })
  }

  /** Answers with an error, after which the connection ends. */
  #refuse(refused: BadRequest): void {
    const http2 = refused.isHttp2 === true ? this.#handler.http2?.(this) : undefined
    if (http2 === undefined) this.refuse(this.#handler.refusal(refused, this))
    else this.#beginHttp2(http2)
  }

  #beginHttp2(sink: BodySink): void {
    this.#consume(HTTP2_PREFACE.length)
    this.#body = new BodyReader(Number.POSITIVE_INFINITY)
    this.#sink = sink
    this.#isHttp2 = true
    this.#enter('receiving', this.#limits.headersMs)
  }

  /** Gives up a request. */
  #abort(): void {
    const sink = this.#sink
    this.#sink = undefined
    this.#isBlocked = false
    sink?.abort()
  }

  #next(): void {
    this.#hasAnswered = true
    this.#head = this.#body = undefined
    this.#enter('reading', this.#left > 0 ? this.#limits.headersMs : this.#limits.keepAliveMs)
    this.#drain()
  }

  /** Closes after the client has read the answer: closing with unread bytes would reset the connection and lose it. */
  #end(): void {
    this.#handler.gate?.delete(this)
    this.#isHeld = false
    this.#forget()
    this.#socket.removeAllListeners('data')
    this.#socket.on('data', (bytes: Buffer) => this.#dispose(bytes))
    this.#unpause()
    this.#enter('sending', CLOSE_MS)
    this.#socket.end()
  }

  /** Number of bytes that have arrived and have not been read. */
  get #left(): number {
    return this.#received.length - this.#at
  }

  #consume(bytes: number): void {
    this.#handler.gate?.placed(bytes)
    this.#at += bytes
    if (this.#left > 0 || this.#received.length === 0) return
    const piece = this.#received
    this.#received = EMPTY
    this.#at = 0
    this.#dispose(piece)
  }

  #forget(): void {
    this.#consume(this.#left)
  }

  #pause(): void {
    this.#isWaiting = true
    this.#updateFlow()
  }

  #unpause(): void {
    this.#isWaiting = false
    this.#updateFlow()
  }

  /** True while it is not read because of what others have sent. */
  get #isHeldBack(): boolean {
    return this.#isHeld && !(this.state === 'receiving' && this.#sink?.hasPlace === true)
  }

  /** Pauses or resumes the socket, as it has to be now. */
  #updateFlow(): void {
    const isPaused = this.#isWaiting || this.#isHeldBack
    if (isPaused === this.#isPaused) return
    this.#isPaused = isPaused
    if (isPaused) pauseSocket(this.#socket)
    else this.#socket.resume()
  }

  #onLate(): void {
    if (this.#isBlocked || this.#isHeldBack) {
      // The sink limits how long it is without memory, and so how long others are not read.
      this.#deadline.renew()
      return
    }
    this.#endLate()
  }

  #endLate(): void {
    const what = this.state === 'receiving' ? 'the body' : this.#left > 0 ? 'the header' : undefined
    const answer =
      what === undefined || this.#isHttp2
        ? undefined
        : this.#handler.late?.(`${what} did not arrive in time`, this)
    this.#abort()
    if (answer === undefined || this.state === 'sending') this.destroy()
    else this.answer(answer, true)
  }

  #enter(state: 'reading' | 'receiving' | 'asking' | 'sending', limitMs: number): void {
    this.state = state
    this.sinceMs = performance.now()
    this.#deadline.begin(limitMs, this.sinceMs)
  }

  #onTimer(): void {
    if (this.state === 'sending') this.destroy()
    else this.#onLate()
  }
}
