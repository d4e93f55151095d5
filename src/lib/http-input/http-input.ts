import type { TlsOptions } from 'node:tls'
import type { Input, InputContext, InputStatus } from '../../core/plugin.ts'
import type { TimerHandle } from '../../core/services.ts'
import { Inflaters } from '../compression/inflater.ts'
import { openFileLimit } from '../fs/open-file-limit.ts'
import { Connection, type Handler } from '../net/http-server/connection.ts'
import type { AnswerFrame, BodySink } from '../net/http-server/exchange.ts'
import type { BadRequest, RequestHead } from '../net/http-server/head.ts'
import type { ReadGate } from '../net/read-gate.ts'
import { ReceiveBudget } from '../net/receive-budget.ts'
import { CONNECTION_COUNTERS, StreamServer } from '../net/stream-server.ts'
import { checkTlsServer, readTlsServer } from '../net/tls-server.ts'
import { ReservedTags } from '../plugin/reserved-tags.ts'
import { newRunId } from '../plugin/run-id.ts'
import { TagsToSeal } from '../plugin/tags-to-seal.ts'
import { BUSY_FIELDS, type HttpAnswer, headOf, UsualAnswer } from './answers.ts'
import { BodyQueue } from './body-queue.ts'
import { compressionOf } from './content-coding.ts'
import { EntryBlocks, Scratch } from './entry-blocks.ts'
import { Http2Refusal } from './http2-refusal.ts'
import type { HttpInputOptions } from './options.ts'
import { PassedOverBody } from './passed-over-body.ts'
import { ReceivedRequest, type RequestHost, type Route } from './received-request.ts'
import { RefusalLog } from './refusal-log.ts'
import { busy, REFUSAL_REASONS, RefusedRequest, tooLarge } from './refused-request.ts'

/**
 * Limit for the records of a request, as a multiple of Buffer_Max_Size: far beyond a batch of small records with a large resource, which
 * is in each of them, and what protects outputs from a few bytes that become terabytes.
 */
const MAX_GROWTH = 256
/** Limit for a decompressed body, as a multiple of Buffer_Max_Size: gzip compresses logs to between a fifth and a twentieth. */
const MAX_DECOMPRESSED_RATIO = 4
const MAX_HEADER_BYTES = 16_384
const MAX_TARGET_CHARS = 8192
/** Time for a client to take an answer. */
const SEND_MS = 10_000
/** Time for all of a body; one that goes on is not slow because it is large. */
const MAX_BODY_MS = 600_000
const SWEEP_MS = 250
const DAY_MS = 86_400_000

/**
 * An input that is an HTTP server: it accepts connections, and answers a request when its records have settled. A subclass knows the
 * paths and bodies. While there is no memory, requests are answered with 503 and nothing of them is kept.
 */
export abstract class HttpInput implements Input, Handler<HttpAnswer>, RequestHost {
  readonly ctx: InputContext
  readonly options: HttpInputOptions
  readonly receiveBudget: ReceiveBudget
  readonly readBudget: ReceiveBudget
  readonly bodies = new BodyQueue()
  readonly inflaters = new Inflaters(Number.POSITIVE_INFINITY)
  readonly maxDecompressedBytes: number
  isStuck = false
  readonly #server: StreamServer<Connection<HttpAnswer>>
  readonly #reserved: ReservedTags
  readonly #toSeal: TagsToSeal
  readonly #refusals: RefusalLog
  readonly #usual = new UsualAnswer()
  readonly #scratch = new Scratch()
  /** Blocks that no request has: nearly every request is over before the next one begins. */
  #blocks: EntryBlocks | undefined
  readonly #limits
  readonly #identity = newRunId()
  #identities = 0
  #signal: AbortSignal | undefined
  #sweep: TimerHandle | undefined

  /** `openFiles` is the limit of open files of the process. */
  constructor(options: HttpInputOptions, ctx: InputContext, openFiles = openFileLimit()) {
    this.options = options
    this.ctx = ctx
    checkTlsServer(options)
    this.#refusals = new RefusalLog(ctx.log)
    const idleMs = options.httpServerIdleTimeout === 0 ? DAY_MS : options.httpServerIdleTimeout
    this.#limits = {
      ...{ headerBytes: MAX_HEADER_BYTES, targetChars: MAX_TARGET_CHARS, sendMs: SEND_MS },
      ...{ headersMs: idleMs, keepAliveMs: idleMs, bodySilenceMs: idleMs, bodyMs: MAX_BODY_MS },
      askMs: Number.POSITIVE_INFINITY,
    }
    this.#server = new StreamServer({
      ctx,
      maxConnections: options.maxConnections,
      openFiles,
      tls: () => this.#tls(),
      create: (socket) => new Connection(socket, this.#limits, this),
    })
    this.#reserved = new ReservedTags(options.tagReserved, ctx.tag, ctx)
    this.#toSeal = new TagsToSeal(ctx)
    this.maxDecompressedBytes = MAX_DECOMPRESSED_RATIO * options.bufferMaxSize
    // Each has space for the largest body, and may exceed it for one request at a time.
    const largest = options.bufferMaxSize / 2
    this.receiveBudget = new ReceiveBudget(ctx.buffers, largest, ctx.clock)
    this.readBudget = new ReceiveBudget(ctx.buffers, largest)
  }

  /** HTTP/2 is negotiated only with a client that knows nothing else, so that it can be told. */
  #tls(): TlsOptions | undefined {
    const tls = readTlsServer(this.options)
    return tls === undefined ? undefined : { ...tls, ALPNProtocols: ['http/1.1', 'h2'] }
  }

  /** True when a client of HTTP/2 is most likely one of gRPC. */
  protected get isGrpc(): boolean {
    return false
  }

  /** Returns what a client of HTTP/2 is told, and what to do about it. */
  protected get noHttp2(): RefusedRequest {
    return new RefusedRequest(505, 'http2', 'HTTP/2 is not supported: use HTTP/1.1', undefined, HTTP2_HINT)
  }

  http2(connection: Connection<HttpAnswer>): BodySink {
    const { noHttp2: refused, isGrpc } = this
    const { status, body } = this.refused(refused, connection)
    // To a client of gRPC it says UNIMPLEMENTED.
    const grpc: [string, string][] = [
      ['content-type', 'application/grpc'],
      ['grpc-status', '12'],
      ['grpc-message', refused.message],
    ]
    return new Http2Refusal(connection, {
      status,
      fields: isGrpc ? grpc : [['content-type', 'text/plain']],
      body: isGrpc ? '' : String(body),
    })
  }

  /** Decides by its head what a request is; throws RefusedRequest. */
  protected abstract route(head: RequestHead, connection: Connection<HttpAnswer>): Route

  async run(signal: AbortSignal): Promise<void> {
    this.#signal = signal
    const { listen: host, port } = this.options
    await this.#server.listen({ host, port })
    if (!signal.aborted)
      await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
    this.#server.stop()
    for (const request of this.#waiting()) request.stop()
    for (const connection of this.#server.connections) {
      if (connection.state === 'receiving') connection.refuse(this.refused(this.stopping(), connection))
      else connection.close()
    }
  }

  async close(): Promise<void> {
    this.ctx.clock.cancel(this.#sweep)
    for (const request of this.#waiting()) request.giveUp()
    await this.#server.close()
  }

  status(): InputStatus {
    const { connections, waiting } = this.#server
    return {
      connections: connections.size,
      waitingConnections: waiting,
      waitingRequests: [...this.#waiting()].length,
    }
  }

  get isStopping(): boolean {
    return this.#signal?.aborted === true
  }

  stopping(): RefusedRequest {
    return new RefusedRequest(503, 'unsettled', 'error: the agent is stopping')
  }

  begin(head: RequestHead, connection: Connection<HttpAnswer>): BodySink | undefined {
    const { bufferMaxSize } = this.options
    const { framing } = head
    try {
      if (this.isStopping) throw this.stopping()
      // Only a client that asks reads an answer before it has sent all, such as curl.
      if (framing > bufferMaxSize) throw tooLarge(head.headers.has('expect') ? bufferMaxSize : undefined)
      const route = this.route(head, connection)
      const compression = compressionOf(head.headers.get('content-encoding'))
      this.checkTag(route.tag)
      if (this.isStuck && this.#hasNoRoom(route.tag, framing)) throw busy()
      return new ReceivedRequest(connection, route.reader, { compression, framing }, this)
    } catch (error) {
      if (!(error instanceof RefusedRequest)) throw error
      const answer = this.refused(error, connection)
      // A client that asks whether its body is wanted does not have to send it.
      const isLast = error.status === 413 || this.isStopping || head.headers.has('expect')
      if (!isLast || framing === 0) return new PassedOverBody(connection, answer, bufferMaxSize)
      connection.answer(answer, true)
      return undefined
    }
  }

  headOf(answer: HttpAnswer, frame: AnswerFrame): string {
    return headOf(answer, frame)
  }

  usual(answer: HttpAnswer): Buffer {
    return this.#usual.bytesOf(answer)
  }

  refusal({ status, error }: BadRequest, connection: Connection<HttpAnswer>): HttpAnswer {
    return this.refused(new RefusedRequest(status, 'malformed', `error: ${error}`), connection)
  }

  late(what: string, connection: Connection<HttpAnswer>): HttpAnswer {
    return this.refused(new RefusedRequest(408, 'late', `error: ${what}`), connection)
  }

  get gate(): ReadGate {
    return this.receiveBudget.gate
  }

  leftGarbage(bytes: number): void {
    this.ctx.leftGarbage?.(bytes)
  }

  closed(connection: Connection<HttpAnswer>): void {
    this.#server.closed(connection)
  }

  #hasNoRoom(tag: string, framing: number): boolean {
    return this.ctx.room !== undefined && this.ctx.room(tag, 0, Math.max(0, framing)) <= 0
  }

  /** Counts and logs a refusal; returns its answer. */
  refused(error: RefusedRequest, connection: Connection<HttpAnswer>): HttpAnswer {
    const { status, reason, message } = error
    this.ctx.counters.add('refused_requests', 1, reason)
    this.#refusals.write(error, connection)
    return { status, body: message === '' ? '' : `${message}\n`, fields: status === 503 ? BUSY_FIELDS : '' }
  }

  /** Throws RefusedRequest for a tag that clients may not use. */
  checkTag(tag: string): void {
    if (this.#reserved.has(tag))
      throw new RefusedRequest(403, 'tag', 'error: the tag is reserved, see Tag_Reserved of the agent')
  }

  takeBlocks(request: ReceivedRequest): EntryBlocks {
    const blocks = this.#blocks?.use(request)
    this.#blocks = undefined
    return blocks ?? new EntryBlocks(this.#scratch, MAX_GROWTH * this.options.bufferMaxSize, request)
  }

  giveBlocks(blocks: EntryBlocks): void {
    blocks.release()
    this.#blocks = blocks
  }

  nextIdentity(): string {
    return `${this.#identity}:${this.#identities++}`
  }

  sealSoon(tag: string): void {
    this.#toSeal.add(tag)
  }

  watchDeadlines(): void {
    this.#sweep ??= this.ctx.clock.after(SWEEP_MS, () => this.#giveUpLate())
  }

  #giveUpLate(): void {
    this.#sweep = undefined
    const nowMs = performance.now()
    let waiting = 0
    for (const request of this.#waiting()) {
      if (request.deadlineMs <= nowMs) request.giveUp()
      else waiting++
    }
    if (waiting > 0) this.watchDeadlines()
  }

  /** Requests that wait for memory or for their records. */
  *#waiting(): Iterable<ReceivedRequest> {
    for (const { sink } of this.#server.connections)
      if (sink instanceof ReceivedRequest && sink.deadlineMs !== Number.POSITIVE_INFINITY) yield sink
  }
}

const HTTP2_HINT = 'set the sender to HTTP/1.1: --http1.1 of curl, http2 off of an output of fluent-bit'

/** Counters of every input that is an HTTP server. */
export const HTTP_INPUT_COUNTERS = {
  ...CONNECTION_COUNTERS,
  requests: 'requests whose records were delivered',
  refused_requests: { help: 'requests answered with an error', reasons: REFUSAL_REASONS },
}
