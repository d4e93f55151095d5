import { messageOf } from '../../core/error.ts'
import { Malformed } from '../../core/malformed.ts'
import type { InputContext } from '../../core/plugin.ts'
import type { Compression, Inflaters } from '../compression/inflater.ts'
import type { Connection } from '../net/http-server/connection.ts'
import type { BodySink } from '../net/http-server/exchange.ts'
import type { Framing } from '../net/http-server/head.ts'
import type { PeerBudget, ReceiveBudget } from '../net/receive-budget.ts'
import type { HttpAnswer } from './answers.ts'
import { inflate } from './content-coding.ts'
import type { EntryBlocks, EntryRun } from './entry-blocks.ts'
import { MAX_WAITS } from './max-waits.ts'
import { PendingRequest, type RequestOwner } from './pending-request.ts'
import { type BodyHost, ReceivedBody } from './received-body.ts'
import { busy, RefusedRequest, tooLarge, tooSlow, unsettled } from './refused-request.ts'

/** Reads the records of one body. */
export interface RecordReader {
  /** Begins with the body buf[start, end), complete and decompressed; once more when it could not be read to its end. */
  begin(buf: Buffer, start: number, end: number): void
  /**
   * Reads on, for not much longer than a millisecond: `more` when there is more, `memory` when `out` has no memory. Throws
   * RefusedRequest or Malformed for a body that cannot be accepted.
   */
  read(out: EntryBlocks): 'done' | 'more' | 'memory'
  /** Answer when the records are delivered; to be asked for after `done`. */
  readonly answer: HttpAnswer
}

/** What a request is. */
export interface Route {
  /** Tag of its records, unless they name their own. */
  tag: string
  reader: RecordReader
}

/** The part of the input that its requests share. */
export interface RequestHost extends BodyHost {
  readonly ctx: InputContext
  readonly options: { readonly bufferMaxSize: number; readonly maxWait: number }
  /** Memory of what is made of bodies: decompressed ones, and their records until all were read. */
  readonly readBudget: ReceiveBudget
  readonly inflaters: Inflaters
  /** Returns blocks for the entries of a request, to be given back. */
  takeBlocks(request: ReceivedRequest): EntryBlocks
  giveBlocks(blocks: EntryBlocks): void
  readonly maxDecompressedBytes: number
  readonly isStopping: boolean
  /** True when a request has waited for memory in vain, and nothing has settled since: others need not wait. */
  isStuck: boolean
  refused(error: RefusedRequest, connection: Connection<HttpAnswer>): HttpAnswer
  stopping(): RefusedRequest
  nextIdentity(): string
  sealSoon(tag: string): void
  /** Calls `giveUp` of requests after their deadlines. */
  watchDeadlines(): void
}

/** Chunks of different tags that a request leaves open: each has memory, and a client may choose another tag for each record. */
const MAX_OPEN_TAGS = 256

/**
 * A request on its way from its body to its answer:
 *
 * ```
 *   body --complete--> entries in blocks --all read--> chunks --settled--> answer
 *     |                   |                              |
 *     +-- no memory: the connection is paused            +-- no memory: waits
 * ```
 * It waits as long as there is progress: at most Max_Wait for memory, and for the next part of its records to be written or to settle.
 * Entries that are too many to be kept at once are read twice: when all can be read, they are made again and go into chunks in parts.
 */
export class ReceivedRequest implements BodySink, RequestOwner {
  /** Time by which it has to be answered; Infinity while it waits for nothing but its body. */
  deadlineMs: number
  readonly #connection: Connection<HttpAnswer>
  /** Undefined when all records were read: it has the bytes that they were read from. */
  #reader: RecordReader | undefined
  #answer: HttpAnswer | undefined
  readonly #compression: Compression | undefined
  readonly #framing: Framing
  readonly #host: RequestHost
  #blocks: EntryBlocks | undefined
  #body: ReceivedBody | undefined
  #budget: PeerBudget | undefined
  #bytes = 0
  /** True when its records were read from the only part of its body. */
  #isRead = false
  #error: unknown
  /** Time by which it has to be answered whatever progress there is. */
  #lastMs = Number.POSITIVE_INFINITY
  #pending: PendingRequest | undefined
  /** Tags with records in chunks that are not sealed yet. */
  readonly #open = new Set<string>()
  /** The one that was written to last. */
  #lastTag: string | undefined
  /** True when all its records are in chunks. */
  #isWritten = false
  #isOver = false
  /** Ends what it waits for when it is over; there is one only if it has waited. */
  #ending: AbortController | undefined

  constructor(
    connection: Connection<HttpAnswer>,
    reader: RecordReader,
    body: { compression: Compression | undefined; framing: Framing },
    host: RequestHost,
  ) {
    this.#connection = connection
    this.#reader = reader
    this.#compression = body.compression
    this.#framing = body.framing
    this.#host = host
    this.deadlineMs = Number.POSITIVE_INFINITY
  }

  get hasPlace(): boolean {
    return this.#body?.hasPlace === true
  }

  push(buf: Buffer, start: number, end: number, isLast: boolean): boolean {
    if (this.#bytes + end - start > this.#host.options.bufferMaxSize) {
      this.#refuse(tooLarge(), true)
      return true
    }
    const isOnly = isLast && this.#bytes === 0 && this.#compression === undefined
    if (isOnly && this.#readOnly(buf, start, end)) return true
    const body = this.#ownBody()
    if (!body.push(buf, start, end)) return false
    this.#bytes += end - start
    if (!isLast && body.isSlow) this.#refuse(tooSlow(), true)
    return true
  }

  end(): void {
    this.#body?.complete()
    if (this.#error !== undefined) this.#fail(this.#error)
    else if (this.#isRead) this.#writeSoon()
    else void this.#process()
  }

  abort(): void {
    // Records that are in chunks settle without a client, too.
    if (!this.#isWritten) this.#over()
  }

  /** Its deadline has passed: the client is told to send it again. */
  giveUp(): void {
    if (this.#isOver) return
    const isReceived = this.#body?.isWaiting !== true
    const isKept = this.#pending?.hasWritten === true
    this.#host.isStuck ||= this.#pending?.hasWritten === false
    const late = isKept ? unsettled(this.#isWritten) : busy()
    this.#refuse(isReceived && this.#host.isStopping ? this.#host.stopping() : late, !isReceived)
  }

  /** The agent stops: what is not in chunks by now is refused. */
  stop(): void {
    if (!this.#isOver && !this.#isWritten) this.#refuse(this.#host.stopping(), true)
  }

  nextIdentity(): string {
    return this.#host.nextIdentity()
  }

  settled(_request: PendingRequest, isLost: boolean): void {
    if (this.#isOver) return
    if (isLost) {
      const text = 'error: records were not delivered'
      this.#refuse(this.#host.isStopping ? this.#host.stopping() : new RefusedRequest(503, 'unsettled', text))
      return
    }
    this.#over()
    this.#host.isStuck = false
    this.#host.ctx.counters.add('requests')
    this.#connection.answer(this.#answer as HttpAnswer)
  }

  progressed(): void {
    this.#host.isStuck = false
    if (this.deadlineMs !== Number.POSITIVE_INFINITY)
      this.deadlineMs = Math.min(this.#lastMs, performance.now() + this.#host.options.maxWait)
  }

  /** Source of memory for what is made of its body. */
  memory(): PeerBudget {
    this.#budget ??= this.#host.readBudget.connection()
    return this.#budget
  }

  #ownBody(): ReceivedBody {
    this.#body ??= new ReceivedBody(this.#framing, this.#host, {
      waits: () => this.#startWaiting(),
      readOn: () => {
        // Its body may take longer than Max_Wait, which is about the time without memory.
        this.deadlineMs = this.#lastMs = Number.POSITIVE_INFINITY
        this.#connection.resume()
      },
      giveWay: () => this.#isOver || this.#refuse(tooSlow(), true),
    })
    return this.#body
  }

  get #entries(): EntryBlocks {
    this.#blocks ??= this.#host.takeBlocks(this)
    return this.#blocks
  }

  /** Reads the records of a body that has arrived in one part, without a copy; false when they do not fit in memory. */
  #readOnly(buf: Buffer, start: number, end: number): boolean {
    const reader = this.#reader as RecordReader
    try {
      reader.begin(buf, start, end)
      const entries = this.#entries
      let state = reader.read(entries)
      while (state === 'more' && !entries.isTrial) state = reader.read(entries)
      if (state === 'done' && !entries.isTrial) {
        this.#isRead = true
        return true
      }
      entries.release()
      return false
    } catch (error) {
      this.#error = error
      return true
    }
  }

  async #process(): Promise<void> {
    try {
      if (await this.#readBody()) this.#writeSoon()
    } catch (error) {
      this.#fail(error)
    }
  }

  /** Reads the records of a body that was collected; false when they are written already, or the request is over. */
  async #readBody(): Promise<boolean> {
    const reader = this.#reader as RecordReader
    const body = this.#body
    let buf = body?.bytes ?? EMPTY
    let { length } = buf
    let inflated: Buffer | undefined
    try {
      if (this.#compression !== undefined && length > 0) {
        const { inflaters, maxDecompressedBytes: maxBytes } = this.#host
        const waits = {
          ...{ inflaters, maxBytes, budget: this.memory() },
          ...{ forMemory: () => this.#forMemory(), isOver: () => this.#isOver },
        }
        const found = await inflate(buf, this.#compression, waits)
        if (found === undefined) return false
        inflated = buf = found.buf
        length = found.length
        body?.release()
      }
      reader.begin(buf, 0, length)
      const entries = this.#entries
      for (let state = reader.read(entries); state !== 'done'; state = reader.read(entries)) {
        if (state === 'more') await new Promise(setImmediate)
        else if (!(await this.#forMemory())) return false
        if (this.#isOver) return false
      }
      if (this.#isOver) return false
      if (!entries.isTrial) return true
      entries.restart()
      reader.begin(buf, 0, length)
      await this.#writeInParts(reader, entries)
      return false
    } finally {
      if (inflated !== undefined) this.memory().give(inflated)
      body?.release()
    }
  }

  async #forMemory(): Promise<boolean> {
    this.#startWaiting()
    await this.#host.readBudget.waitForMemory(this.#ended)
    return !this.#isOver
  }

  /** Aborted when the request is over. Memory may never come, and what waits for it keeps the request and its bytes. */
  get #ended(): AbortSignal {
    this.#ending ??= new AbortController()
    return this.#ending.signal
  }

  #startWaiting(): void {
    if (this.deadlineMs !== Number.POSITIVE_INFINITY) return
    const { maxWait } = this.#host.options
    const nowMs = performance.now()
    this.deadlineMs = nowMs + maxWait
    this.#lastMs = nowMs + MAX_WAITS * maxWait
    this.#host.watchDeadlines()
  }

  /** Writes what was read, at once as far as there is memory for it. */
  #writeSoon(): void {
    this.#answer = this.#reader?.answer
    this.#reader = undefined
    this.#startWaiting()
    const pending = this.#beginWriting()
    const { runs } = this.#entries
    const written = this.#writeFrom(runs, 0, pending)
    if (written === runs.length) this.#written(pending)
    else
      void this.#writeRest(runs, written, pending)
        .then((isDone) => (isDone ? this.#written(pending) : undefined))
        .catch((error: unknown) => this.#fail(error))
  }

  #beginWriting(): PendingRequest {
    this.#pending = new PendingRequest(this)
    return this.#pending
  }

  /** Reads a body again of which all records could be read, and writes them as memory allows. */
  async #writeInParts(reader: RecordReader, entries: EntryBlocks): Promise<void> {
    this.#startWaiting()
    const pending = this.#beginWriting()
    const { runs } = entries
    for (;;) {
      const state = reader.read(entries)
      if (runs.length > 0) {
        const written = this.#writeFrom(runs, 0, pending)
        if (!(await this.#writeRest(runs, written, pending))) return
        entries.taken()
      } else if (state === 'memory') await this.#forMemory()
      if (state === 'done') break
      await new Promise(setImmediate)
      if (this.#isOver) {
        pending.complete(true)
        return
      }
    }
    this.#answer = reader.answer
    this.#reader = undefined
    this.#written(pending)
  }

  /** Writes the runs from this one on when there is memory; false when the request is over. */
  async #writeRest(runs: readonly EntryRun[], first: number, pending: PendingRequest): Promise<boolean> {
    const { ctx } = this.#host
    let next = first
    while (next < runs.length) {
      // Open chunks wait for Flush: the memory that is needed may be theirs.
      ctx.sealAll()
      if (this.#roomFor(runs[next] as EntryRun, pending) > 0) await ctx.waitForMemory(this.#ended)
      else await ctx.waitForRoom?.()
      if (this.#isOver) {
        pending.complete(true)
        return false
      }
      const written = this.#writeFrom(runs, next, pending)
      if (written > next) this.progressed()
      next = written
    }
    return true
  }

  #written(pending: PendingRequest): void {
    this.#isWritten = true
    for (const tag of this.#open) this.#host.sealSoon(tag)
    this.#giveBlocks()
    pending.complete()
  }

  /** Writes runs from this one on; returns the first that there is no memory for. */
  #writeFrom(runs: readonly EntryRun[], first: number, pending: PendingRequest): number {
    let next = first
    while (next < runs.length && this.#write(runs[next] as EntryRun, pending)) next++
    return next
  }

  #write(run: EntryRun, pending: PendingRequest): boolean {
    const { buf, start, end, tag, count, hasMetadata } = run
    if (this.#roomFor(run, pending) <= 0) return false
    const out = this.#host.ctx.appender(tag)
    if (!out.reserve(end - start)) return false
    out.end += buf.copy(out.buf, out.end, start, end)
    if (hasMetadata) out.hasMetadata = true
    out.addRecords(count, end - start)
    pending.wrote(out, end - start)
    if (tag !== this.#lastTag) this.#opened(tag)
    return true
  }

  #opened(tag: string): void {
    this.#lastTag = tag
    this.#open.add(tag)
    if (this.#open.size < MAX_OPEN_TAGS) return
    for (const open of this.#open) this.#host.ctx.appender(open).seal()
    this.#open.clear()
    this.#lastTag = undefined
  }

  #roomFor({ tag, start, end }: EntryRun, { unsettledBytes }: PendingRequest): number {
    return this.#host.ctx.room?.(tag, unsettledBytes, end - start) ?? 1
  }

  /** Answers with the error that ended the request. */
  #fail(error: unknown): void {
    if (this.#isOver) {
      this.#release()
      return
    }
    if (error instanceof RefusedRequest) this.#refuse(error)
    else if (error instanceof Malformed)
      this.#refuse(new RefusedRequest(400, 'malformed', `error: the request has ${error.message}`))
    else {
      this.#host.ctx.log.error(`cannot read a request: ${messageOf(error)}`, { code: 'E_INTERNAL' })
      this.#refuse(new RefusedRequest(500, 'malformed', 'error: internal error'))
    }
  }

  #refuse(error: RefusedRequest, isLast = false): void {
    this.#over()
    this.#connection.answer(this.#host.refused(error, this.#connection), isLast)
  }

  #over(): void {
    this.#isOver = true
    this.#ending?.abort()
    this.#release()
  }

  #release(): void {
    this.#body?.release()
    this.#giveBlocks()
  }

  #giveBlocks(): void {
    const blocks = this.#blocks
    this.#blocks = undefined
    if (blocks !== undefined) this.#host.giveBlocks(blocks)
  }
}

const EMPTY = Buffer.alloc(0)
