import type { Chunk } from '../../core/chunk.ts'
import { type ErrorCode, messageOf, ShipperError } from '../../core/error.ts'
import type { Output, OutputContext } from '../../core/plugin.ts'
import type { TimerHandle } from '../../core/services.ts'
import { HttpError } from '../http/http-error.ts'
import { stopped } from '../net/stopped.ts'
import type { Api, Failed, Judgement } from './api.ts'
import { type Batch, BatchBuilder, type Part } from './batch.ts'
import { Concurrency } from './concurrency.ts'
import { Delivery } from './delivery.ts'
import { Fates, putBack } from './fates.ts'
import { findRefused, RECENT_MS, type SearchHost } from './find-refused.ts'
import { KeyFailures } from './key-failures.ts'
import { KeyStates } from './key-states.ts'
import { LaterChunks } from './later-chunks.ts'
import type { HttpOutputOptions } from './output-options.ts'
import { Pace } from './pace.ts'
import type { RequestLane } from './request-lane.ts'
import { RequestLanes } from './request-lanes.ts'
import { Requester } from './requester.ts'
import { SizeLimit } from './size-limit.ts'
import { WitnessSearch } from './witness.ts'

export type { HttpOutputOptions } from './output-options.ts'

/** Number of requests under way at most, whatever the server bears: by default, and if the configuration allows more. */
const DEFAULT_REQUESTS = 8
const MAX_REQUESTS = 32
/** Size of all bodies at most, before compression: one more may be made when this is not reached. */
const MAX_BODY_BYTES = 6_000_000

/**
 * An output over HTTP: joins the records of chunks into requests within the limits of an API, and gives each record one fate.
 *
 * ```
 *   flush(chunk) -> lane of its tag -> batch (records of several lanes) -> request -> verdicts -> flush settles
 *                        ^                                                             |
 *                        +------ records without a fate, when the engine calls again --+
 * ```
 * A lane is in one request at a time, so that its records never overtake each other; requests are joined from all lanes that
 * are free. What is not delivered or refused makes the flush fail, and the engine waits and calls again: nothing is repeated
 * here, but for the search in `findRefused`. When a chunk fails, those behind it in its lane fail, too.
 */
export class HttpOutput implements Output {
  readonly later: LaterChunks
  readonly #ctx: OutputContext
  readonly #api: Api
  readonly #requester: Requester
  readonly #concurrency: Concurrency
  readonly #pace = new Pace()
  readonly #limit: SizeLimit
  readonly #builder: BatchBuilder
  readonly #fates: Fates
  readonly #peer: string
  readonly #servers: number
  readonly #deliveries = new Map<Chunk, Delivery>()
  readonly #lanes = new RequestLanes(({ chunk }) => this.#deliveries.delete(chunk))
  readonly #keys: KeyStates
  readonly #keyFailures: KeyFailures
  readonly #stop = new AbortController()
  /** Keys with a request under way, where there may be only one. */
  readonly #busyKeys = new Set<string>()
  #bodyBytes = 0
  #isScheduled = false
  #timer: TimerHandle | undefined

  constructor(options: HttpOutputOptions, ctx: OutputContext) {
    const { api, connections } = options
    this.#ctx = ctx
    this.#api = api
    this.#peer = connections.origin
    this.#servers = connections.servers ?? 1
    this.later = new LaterChunks(ctx, this.#deliveries, (chunk) => this.#create(chunk))
    this.#keys = new KeyStates(ctx.clock)
    this.#keyFailures = new KeyFailures(this.#keys)
    this.#concurrency = new Concurrency(Math.min(connections.maxRequests ?? DEFAULT_REQUESTS, MAX_REQUESTS))
    this.#limit = new SizeLimit(api.limits.bytes)
    this.#requester = new Requester(options, ctx, this.#stop.signal)
    this.#fates = new Fates(
      ctx,
      this.#keys,
      (reason) => `${this.#peer} refuses the record: ${this.#requester.mask(reason)}`,
    )
    this.#builder = new BatchBuilder({
      api,
      buffers: ctx.buffers,
      limit: this.#limit,
      refuse: (delivery, start, end, reason) => this.#fates.refuse(delivery, start, end, reason),
    })
    // One listener for the life of the output, not one per chunk.
    if (ctx.signal.aborted) this.#end()
    else ctx.signal.addEventListener('abort', () => this.#end(), { once: true })
  }

  async start(): Promise<void> {
    await this.#requester.start()
  }

  flush(chunk: Chunk): Promise<void> {
    if (this.#stop.signal.aborted) return Promise.reject(stopped())
    const lane = this.#lanes.of(chunk.tag)
    if (lane.failure !== undefined) return Promise.reject(lane.failure)
    let delivery = this.#deliveries.get(chunk)
    if (delivery === undefined) {
      const created = this.#create(chunk)
      if (created instanceof ShipperError) {
        this.#lanes.holdBack(lane, created)
        return Promise.reject(created)
      }
      delivery = created
    }
    if (delivery.isDone) {
      this.#deliveries.delete(chunk)
      return Promise.resolve()
    }
    this.#deliveries.set(chunk, delivery)
    const settled = delivery.wait()
    this.#lanes.push(lane, delivery)
    this.#schedule()
    return settled
  }

  forget(chunk: Chunk): void {
    this.#deliveries.delete(chunk)
  }

  /** Returns true when records of a chunk whose flush was rejected are delivered or refused. */
  hasFates(chunk: Chunk): boolean {
    return this.#deliveries.get(chunk)?.isUntouched === false
  }

  async close(): Promise<void> {
    this.#end()
    await this.#requester.close()
  }

  /** Returns the state of a new chunk, or why a record of it that has no request cannot be kept. */
  #create(chunk: Chunk): Delivery | ShipperError {
    const delivery = new Delivery(chunk, this.#api.keyOfChunk?.(chunk) ?? '')
    if (this.#api.keyOf === undefined) return delivery
    this.#fates.takeUnkept()
    delivery.group(this.#api, (start, end, reason) => this.#fates.refuse(delivery, start, end, reason))
    return this.#fates.takeUnkept()?.error ?? delivery
  }

  /** Sends after this turn of the event loop, so that flushes of one turn share a request. */
  #schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    setImmediate(() => {
      this.#isScheduled = false
      this.#sendAll()
    })
  }

  #sendAll(): void {
    const untilMs = this.#pace.waitsUntilMs(this.#ctx.clock.nowMs())
    if (untilMs !== undefined) {
      this.#sendAt(untilMs)
      return
    }
    const { isSlow } = this.#pace
    while (
      !this.#stop.signal.aborted &&
      this.#lanes.ready.size > 0 &&
      this.#concurrency.hasRoom &&
      (!isSlow || this.#concurrency.inFlight === 0) &&
      this.#bodyBytes < MAX_BODY_BYTES
    ) {
      const batch = this.#nextBatch()
      if (batch === undefined) break
      void this.#deliver(batch)
    }
  }

  /** Returns the next request; its lanes are busy until `#finish`. Undefined: there is none to send now. */
  #nextBatch(): Batch | undefined {
    let batch: Batch | undefined
    let pausedUntilMs = Number.POSITIVE_INFINITY
    for (const lane of [...this.#lanes.ready]) {
      if (lane.next === undefined) {
        this.#lanes.settle(lane, undefined)
        this.#schedule()
        continue
      }
      const { key, untilMs } = this.#keyFor(lane, batch?.key)
      pausedUntilMs = Math.min(pausedUntilMs, untilMs)
      if (key === undefined) continue
      batch ??= this.#builder.create(key)
      if (!this.#fill(batch, lane)) break
    }
    if (batch === undefined || batch.records === 0) {
      if (batch === undefined) this.#sendAt(pausedUntilMs)
      else this.#schedule()
      return undefined
    }
    this.#builder.close(batch)
    if (this.#api.isSerial === true) this.#busyKeys.add(batch.key)
    return batch
  }

  /**
   * Returns the key of the records of a lane that may be sent now, the oldest first and those that fail last, or `wanted` if it is among
   * them; else when one that is paused may be. Where records have keys of their own, those with one key do not wait for those with another.
   */
  #keyFor(lane: RequestLane, wanted: string | undefined): { key?: string; untilMs: number } {
    const { next, queue } = lane
    const deliveries = this.#api.keyOf === undefined && next !== undefined ? [next] : queue
    const seen = new Set<string>()
    const nowMs = this.#ctx.clock.nowMs()
    let untilMs = Number.POSITIVE_INFINITY
    let best: string | undefined
    let bestRank = Number.POSITIVE_INFINITY
    for (const { pending } of deliveries)
      for (const { key } of pending) {
        if (seen.has(key)) continue
        seen.add(key)
        if (lane.failedKeys.has(key) || this.#busyKeys.has(key) || (wanted !== undefined && key !== wanted))
          continue
        const pausedUntilMs = this.#keys.pausedUntilMs(key)
        if (pausedUntilMs > nowMs) {
          untilMs = Math.min(untilMs, pausedUntilMs)
          continue
        }
        const rank = this.#keyFailures.rank(key)
        if (rank === 0) return { key, untilMs }
        if (rank >= bestRank) continue
        best = key
        bestRank = rank
      }
    return best === undefined ? { untilMs } : { key: best, untilMs }
  }

  /** Moves records of a lane into a batch; false when there is no room for others. */
  #fill(batch: Batch, lane: RequestLane): boolean {
    const before = batch.records
    let hasRoom = true
    let broken: Failed | undefined
    this.#fates.takeUnkept()
    try {
      for (const delivery of lane.queue) {
        if (this.#api.keyOf !== undefined && !delivery.hasLeft(batch.key)) continue
        hasRoom = this.#builder.fill(batch, delivery)
        // What follows a chunk that is not taken as a whole waits for it.
        if (!hasRoom || delivery.hasLeft(batch.key)) break
      }
    } catch (error) {
      broken = defect(error)
    }
    const unkept = this.#fates.takeUnkept()
    const failure = broken ?? unkept
    if (batch.records > before) {
      this.#lanes.begin(lane, failure)
    } else if (failure !== undefined || lane.queue.some(({ isDone }) => isDone))
      this.#lanes.settle(lane, failure)
    return hasRoom || failure !== undefined
  }

  async #deliver(batch: Batch): Promise<void> {
    const { bodyBytes } = batch
    for (const delivery of deliveriesOf(batch)) delivery.open++
    this.#concurrency.inFlight++
    this.#bodyBytes += bodyBytes
    let isUnderWay = true
    let hasOutcome = false
    batch.onHandOver = () => {
      if (!isUnderWay) return
      isUnderWay = false
      this.#concurrency.inFlight--
      this.#bodyBytes -= bodyBytes
      if (!hasOutcome) this.#handOver(batch)
      this.#schedule()
    }
    let end: BatchEnd
    try {
      end = await this.#settleBatch(batch)
    } catch (error) {
      putBack(batch.parts)
      end = { failure: defect(error), isAlone: false }
    }
    hasOutcome = true
    const isHandedOver = !isUnderWay
    batch.handOver()
    this.#finish(batch, end, isHandedOver)
  }

  /** Frees the lanes of a batch that the API has, so that they send what follows while its outcome is not known. */
  #handOver(batch: Batch): void {
    const deliveries = deliveriesOf(batch)
    for (const { pending, chunk } of deliveries) if (pending.length === 0) this.#ctx.accepted?.(chunk)
    for (const lane of this.#lanes.ofAll(deliveries)) this.#lanes.free(lane)
  }

  /** Sends a batch and gives its records their fates; returns why some are left. */
  async #settleBatch(batch: Batch): Promise<BatchEnd> {
    const judgement = await this.#attempt(batch)
    if (judgement.kind !== 'bad' && judgement.kind !== 'too large')
      return { failure: this.#fates.settle(batch, judgement), isAlone: false }
    const state = this.#keys.of(batch.key)
    if (batch.records > 1 && state.isFruitless(this.#ctx.clock.nowMs())) {
      putBack(batch.parts)
      return { failure: state.fruitless, isAlone: false }
    }
    const end = await findRefused(batch, judgement, this.#searchHost(batch))
    if (end.isFruitless && end.failure !== undefined)
      state.searchedInVain(end.failure, this.#ctx.clock.nowMs())
    return end
  }

  #searchHost(batch: Batch): SearchHost {
    const { key } = batch
    const state = this.#keys.of(key)
    const witnesses = this.#witnessesOf(batch)
    const { clock } = this.#ctx
    this.#fates.takeUnkept()
    let unkept: Failed | undefined
    return {
      peer: this.#peer,
      nowMs: () => this.#ctx.clock.nowMs(),
      encode: (parts) => this.#builder.encode(key, parts),
      attempt: (batch) => this.#attempt(batch),
      settle: (batch, judgement) => this.#fates.settle(batch, judgement),
      refuse: (delivery, start, end, reason) => {
        const isKept = this.#fates.refuse(delivery, start, end, this.#fates.refusal(reason))
        unkept ??= this.#fates.takeUnkept()
        return isKept
      },
      get failure() {
        return unkept
      },
      putBack,
      findWitness: (groups) => witnesses.find(groups),
      get accepted() {
        return state.accepted
      },
      acceptedBy: (node) => state.acceptedBy(node),
      servers: this.#servers,
      get refusedChunks() {
        return state.refusedChunks
      },
      get isUnsteady() {
        return state.isUnsteady(clock.nowMs())
      },
      recordRefused: (delivery) => state.recordRefused(delivery),
      recordChange: () => state.recordChange(clock.nowMs()),
      wait: (ms) => this.#wait(ms),
    }
  }

  /** Returns what finds records to be accepted behind those of a batch. */
  #witnessesOf(batch: Batch): WitnessSearch {
    const { key } = batch
    const state = this.#keys.of(key)
    const lanes = this.#lanes.ofAll(deliveriesOf(batch))
    const { clock } = this.#ctx
    const { limits, isSerial = false } = this.#api
    const host = {
      deliveries: () => [...lanes].flatMap(({ queue }) => queue),
      later: () => this.later.of(lanes, key),
      isLater: (delivery: Delivery) => this.later.isLater(delivery),
      leave: (later: readonly Delivery[]) => this.later.leave(later),
      encode: (parts: readonly Part[]) => this.#builder.encode(key, parts),
      attempt: (one: Batch) => this.#attempt(one),
      settle: (one: Batch, judgement: Judgement) => this.#fates.settle(one, judgement),
      putBack,
      maxBytes: Math.max(limits.bytes, limits.recordBytes ?? 0),
      isOrdered: isSerial,
      triesLast: () => state.unwellSearches++ % 2 === 1,
      get accepted() {
        return state.accepted
      },
      get isWell() {
        return clock.nowMs() - state.acceptedMs <= RECENT_MS
      },
    }
    return new WitnessSearch(host, key)
  }

  /** Resolves after a time with true, or with false when the output ends before. */
  #wait(ms: number): Promise<boolean> {
    const { signal } = this.#stop
    if (signal.aborted) return Promise.resolve(false)
    const { clock } = this.#ctx
    return new Promise((resolve) => {
      const onAbort = (): void => {
        clock.cancel(timer)
        resolve(false)
      }
      const timer = clock.after(ms, () => {
        signal.removeEventListener('abort', onAbort)
        resolve(true)
      })
      signal.addEventListener('abort', onAbort, { once: true })
    })
  }

  async #attempt(batch: Batch): Promise<Judgement> {
    const { bodyBytes, onHandOver } = batch
    const wasFull = !this.#concurrency.hasRoom
    const { clock } = this.#ctx
    let answeredMs = -1
    // The wait for an outcome that follows the answer says nothing about how busy the server is.
    batch.onHandOver = () => {
      answeredMs = clock.nowMs()
      onHandOver?.()
    }
    const { judgement: said, sentMs } = await this.#requester.send(batch)
    const judgement = this.#ofKeyOrServer(batch, said)
    batch.onHandOver = onHandOver
    batch.release()
    const nowMs = clock.nowMs()
    if (answeredMs < 0) answeredMs = nowMs
    const failure = judgement.kind === 'failed' ? judgement : undefined
    const partial = judgement.kind === 'records' ? judgement.verdicts.failure : undefined
    if (failure?.isOverload === true || partial?.isOverload === true)
      this.#concurrency.overloaded(sentMs, answeredMs)
    else if (failure === undefined) this.#concurrency.answered(sentMs, answeredMs, wasFull)
    const afterMs = failure?.afterMs ?? partial?.afterMs
    if (afterMs !== undefined) this.#keys.pause(batch.key, nowMs + afterMs)
    const state = this.#keys.of(batch.key)
    if (failure === undefined && hasFates(judgement)) {
      this.#pace.progressed()
      state.pace.progressed()
    }
    state.tooLarge = failure?.isTooLarge === true ? state.tooLarge + 1 : 0
    if (state.tooLarge > 1) this.#limit.reduce(bodyBytes)
    if (judgement.kind === 'too large') this.#limit.refused(bodyBytes)
    else if (failure !== undefined && isCutOff(failure)) this.#limit.closed(bodyBytes)
    else if (failure === undefined && judgement.kind !== 'bad') this.#limit.accepted(bodyBytes)
    return judgement
  }

  #ofKeyOrServer({ key }: Batch, judgement: Judgement): Judgement {
    if (this.#api.keyOf === undefined) return judgement
    if (judgement.kind === 'failed') return this.#keyFailures.failed(key, judgement)
    this.#keyFailures.answered(key)
    return judgement
  }

  /** Settles the flushes of a batch, after its records have their fates or were put back. */
  #finish(batch: Batch, { failure, isAlone }: BatchEnd, isHandedOver: boolean): void {
    this.#busyKeys.delete(batch.key)
    if (failure !== undefined) this.#slowDown(batch.key, failure)
    const deliveries = deliveriesOf(batch)
    for (const delivery of deliveries) delivery.open--
    for (const lane of this.#lanes.ofAll(deliveries)) {
      const isLeft = lane.queue.some((delivery) => deliveries.has(delivery) && delivery.hasLeft(batch.key))
      const own = isLeft ? failure : undefined
      const hasKeys =
        this.#api.keyOf !== undefined && own !== undefined && !isAlone && !this.#keyFailures.isOfServer(own)
      if (hasKeys) lane.failedKeys.set(batch.key, own)
      const rest = hasKeys ? undefined : own
      const aloneKey = isAlone ? batch.key : undefined
      if (isHandedOver) this.#lanes.settle(lane, rest, aloneKey)
      else this.#lanes.free(lane, rest, aloneKey)
    }
    this.#schedule()
  }

  /** Counts a failed request of the server, or of a key of records, which holds up no other key. */
  #slowDown(key: string, { error: { scope, hasProgress } }: Failed): void {
    if (scope === 'peer' || hasProgress) return
    const nowMs = this.#ctx.clock.nowMs()
    if (this.#api.keyOf === undefined) {
      this.#pace.failed(nowMs)
      return
    }
    const { pace } = this.#keys.of(key)
    pace.failed(nowMs)
    this.#keys.pause(key, pace.waitsUntilMs(nowMs) ?? nowMs)
  }

  #sendAt(ms: number): void {
    const { clock } = this.#ctx
    clock.cancel(this.#timer)
    this.#timer = undefined
    if (ms === Number.POSITIVE_INFINITY) return
    this.#timer = clock.after(Math.max(1, ms - clock.nowMs()), () => this.#sendAll())
  }

  /** Ends what is under way, and rejects every flush. */
  #end(): void {
    if (this.#stop.signal.aborted) return
    this.#stop.abort()
    this.#ctx.clock.cancel(this.#timer)
    this.#lanes.end()
    this.#deliveries.clear()
  }
}

/** True when an answer says of some record that it is delivered or refused. */
function hasFates(judgement: Judgement): boolean {
  if (judgement.kind !== 'records') return judgement.kind === 'delivered'
  const { verdicts } = judgement
  return verdicts.againCount < verdicts.records
}

function deliveriesOf({ parts }: Batch): Set<Delivery> {
  return new Set(parts.map(({ delivery }) => delivery))
}

interface BatchEnd {
  readonly failure: Failed | undefined
  readonly isAlone: boolean
}

/** True for a connection that was closed, or on which no answer came in time, after bytes of the request were sent. */
function isCutOff({ error }: Failed): boolean {
  return error instanceof HttpError && CUT_OFF.has(error.code) && error.wasSent
}

const CUT_OFF: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['E_PEER_CLOSED', 'E_PEER_TIMEOUT'])

/** Returns the failure for what was thrown by mistake. */
function defect(error: unknown): Failed {
  if (error instanceof ShipperError) return { kind: 'failed', error }
  return {
    kind: 'failed',
    error: new ShipperError('E_INTERNAL', messageOf(error), { retryable: true, cause: error }),
  }
}
