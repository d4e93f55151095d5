import type { Chunk } from '../core/chunk.ts'
import { messageOf, ShipperError } from '../core/error.ts'
import type { Output } from '../core/plugin.ts'
import type { Clock, Logger, TimerHandle } from '../core/services.ts'
import type { OutputDown } from '../core/snapshot.ts'
import { Lane, type Route } from './lane.ts'
import { Outage } from './outage.ts'
import { OutputWindow } from './output-window.ts'
import type { Receipt } from './receipt.ts'
import { isNameFailure, nameWaitMs, type RetryPolicy, retryWaitMs } from './retry.ts'

/** Time without an answer after which an output with chunks in flight counts as down. */
const MAX_SILENCE_MS = 10_000

interface QueueOptions {
  name: string
  output: Output
  inFlight: number
  retry: RetryPolicy
  clock: Clock
  log: Logger
  /** Called when the output, or a lane of it, begins to fail. */
  onFailing?: () => void
}

/**
 * The queue of one output: waiting chunks, and at most `inFlight` concurrent flushes, in order within a lane.
 *
 * The gate closes when the peer is unreachable. Every lane then waits, and after a pause one chunk at a time is sent as a
 * probe; its ack opens the gate for all lanes. A failure of a single chunk blocks only its own lane.
 *
 * ```
 *   open --peer error--> closed --wait--> probing --ack--> open
 *                          ^                 |
 *                          +---peer error----+
 * ```
 */
export class OutputQueue {
  readonly stats = {
    procRecords: 0,
    procBytes: 0,
    errors: 0,
    retries: 0,
    retriesFailed: 0,
    retriedRecords: 0,
    droppedRecords: 0,
  }
  /** What is on its way to the output, without the chunks of failing lanes: these do not delay others. */
  readonly window = new OutputWindow()
  lastError: string | undefined
  /** Time of the last delivery. */
  lastDeliveryMs: number | undefined
  readonly outage: Outage
  inFlight = 0
  /** Time of the last answer, or of the first flush after all were answered. */
  #answerMs = 0
  readonly #output: Output
  readonly #maxInFlight: number
  readonly #retry: RetryPolicy
  readonly #clock: Clock
  readonly #log: Logger
  readonly #onFailing: (() => void) | undefined
  #failingLanes = 0
  readonly #lanes = new Map<string, Lane>()
  /** Lanes that may send, served round robin. */
  #sendable: Lane[] = []
  #gate: 'open' | 'closed' | 'probing' = 'open'
  /** Number of times the gate has closed since it was open. */
  #gateFailures = 0
  #gateTimer: TimerHandle | undefined
  #gateAtMs = Number.POSITIVE_INFINITY
  #pumping = false
  #stopped = false
  #drainWaiters: (() => void)[] = []

  constructor(options: QueueOptions) {
    this.#output = options.output
    this.#maxInFlight = options.inFlight
    this.#retry = options.retry
    this.#clock = options.clock
    this.#log = options.log
    this.outage = new Outage(options.clock, options.log, options.retry.limit !== Number.POSITIVE_INFINITY)
    this.#onFailing = options.onFailing
  }

  /** Queues a chunk; `receipt` is settled once, with the outcome of this output. */
  push(chunk: Chunk, receipt: Receipt): void {
    if (this.#stopped) {
      receipt.settle('aborted')
      return
    }
    let lane = this.#lanes.get(chunk.tag)
    if (lane === undefined) {
      lane = new Lane(chunk.tag)
      this.#lanes.set(chunk.tag, lane)
    }
    const passage = this.window.enter(lane.failing ? 0 : chunk.size, this.#clock.nowMs())
    lane.push({ chunk, receipt, passage, attempts: 0, chunkFailures: 0, failed: false })
    if (lane.waitingCount === 1) this.#sendable.push(lane)
    this.#pump()
  }

  /** Number of chunks that are not in flight. */
  get waiting(): number {
    let n = 0
    for (const lane of this.#lanes.values()) n += lane.waitingCount
    return n
  }

  /** Number of those chunks that wait because of a failure. */
  get retrying(): number {
    let n = 0
    for (const lane of this.#lanes.values()) if (lane.blocked || this.#gate !== 'open') n += lane.waitingCount
    return n
  }

  /** Time of the earliest retry, or undefined when none is scheduled. */
  get retryAtMs(): number | undefined {
    let at = this.#gateAtMs
    for (const lane of this.#lanes.values()) at = Math.min(at, lane.retryAtMs)
    return at === Number.POSITIVE_INFINITY ? undefined : at
  }

  /** Why the output does not deliver: its outage, or a peer that does not answer. */
  get down(): OutputDown | undefined {
    const { down } = this.outage
    if (down !== undefined || this.inFlight === 0) return down
    const sinceMs = this.#answerMs
    if (this.#clock.nowMs() - sinceMs < MAX_SILENCE_MS) return undefined
    return { sinceMs, attempts: this.inFlight, reason: 'what was sent is not answered' }
  }

  /** Tags of the chunks that wait or are in flight. */
  tags(): Iterable<string> {
    return this.#lanes.keys()
  }

  get isReachable(): boolean {
    return this.#gate === 'open'
  }

  /** True when the peer is unreachable or some lane fails. */
  get hasFailing(): boolean {
    return this.#gate !== 'open' || this.#failingLanes > 0
  }

  /** True when chunks of this tag cannot be delivered now: the peer is unreachable or the lane fails. */
  isFailing(tag: string): boolean {
    return this.#gate !== 'open' || (this.#failingLanes > 0 && this.#lanes.get(tag)?.failing === true)
  }

  get empty(): boolean {
    return this.#lanes.size === 0
  }

  /** Resolves when no chunk waits or is in flight, or when the queue is stopped. */
  drained(): Promise<void> {
    if (this.empty || this.#stopped) return Promise.resolve()
    return new Promise((resolve) => this.#drainWaiters.push(resolve))
  }

  /** Aborts all waiting chunks, after the signal was aborted; a chunk in flight settles when its flush rejects. */
  stop(): void {
    this.#stopped = true
    this.outage.stop()
    this.#clock.cancel(this.#gateTimer)
    this.#gateAtMs = Number.POSITIVE_INFINITY
    for (const lane of this.#lanes.values()) {
      this.#clock.cancel(lane.timer)
      lane.retryAtMs = Number.POSITIVE_INFINITY
      for (const route of lane.drain()) {
        this.window.leave(route.passage)
        route.receipt.settle('aborted')
      }
      if (lane.empty) this.#lanes.delete(lane.key)
    }
    this.#sendable = []
    this.#resolveDrained()
  }

  #pump(): void {
    // An output that throws synchronously answers within this loop, which then continues with what is left.
    if (this.#pumping) return
    this.#pumping = true
    while (this.inFlight < this.#flushesAllowed && this.#sendable.length > 0) {
      const lane = this.#sendable.shift() as Lane
      if (!lane.ready) continue
      const route = lane.startNext() as Route
      if (lane.ready) this.#sendable.push(lane)
      if (this.inFlight === 0) this.#answerMs = this.#clock.nowMs()
      this.inFlight++
      // `#flush` settles every outcome itself and never rejects.
      void this.#flush(lane, route)
    }
    this.#pumping = false
  }

  get #flushesAllowed(): number {
    if (this.#gate === 'closed') return 0
    return this.#gate === 'probing' ? 1 : this.#maxInFlight
  }

  async #flush(lane: Lane, route: Route): Promise<void> {
    const { chunk } = route
    const records = chunk.count
    const bytes = chunk.size
    const startMs = this.#clock.nowMs()
    try {
      await this.#output.flush(chunk)
    } catch (error) {
      this.inFlight--
      this.#answerMs = this.#clock.nowMs()
      this.#onFailure(lane, route, error, Math.max(startMs, this.lastDeliveryMs ?? 0))
      this.#afterAnswer(lane)
      return
    }
    this.inFlight--
    this.stats.procRecords += records
    this.stats.procBytes += bytes
    this.lastDeliveryMs = this.#answerMs = this.#clock.nowMs()
    const ms = Math.round(this.lastDeliveryMs - startMs)
    this.#log.debug('chunk delivered', { tag: chunk.tag, chunk: chunk.id, records, bytes, ms })
    lane.complete(route)
    if (route.attempts === 0) this.window.acknowledge(route.passage, this.#clock.nowMs())
    else this.window.leave(route.passage)
    this.#endFailing(lane)
    route.receipt.settle('delivered')
    if (this.#gate === 'probing') this.#openGate()
    // An ack that was on its way when the gate closed says nothing about the peer now.
    if (this.#gate === 'open') this.outage.delivered()
    this.#afterAnswer(lane)
  }

  #onFailure(lane: Lane, route: Route, thrown: unknown, startMs: number): void {
    if (this.#stopped) {
      lane.complete(route)
      this.window.leave(route.passage)
      route.receipt.settle('aborted')
      return
    }
    const error = asFlushError(thrown)
    this.lastError = error.message
    route.attempts++
    // With the gate closed it is the answer to a flush that began before: not another attempt.
    if (error.retryable && this.#gate !== 'closed') this.outage.failed(error, startMs)
    if (!error.retryable || route.attempts > this.#retry.limit) {
      this.#drop(lane, route, error)
      return
    }
    route.failed = true
    lane.blocked = true
    this.stats.retries++
    this.stats.retriedRecords += route.chunk.count
    if (error.scope === 'peer') {
      this.#closeGate(error)
      return
    }
    route.chunkFailures++
    this.#beginFailing(lane, route)
    const { code, hint, message } = error
    this.#log.warn(`retrying chunk: ${message}`, { code, tag: route.chunk.tag, chunk: route.chunk.id, hint })
  }

  #drop(lane: Lane, route: Route, error: ShipperError): void {
    lane.complete(route)
    this.window.leave(route.passage)
    this.#endFailing(lane)
    const { chunk } = route
    this.#output.forget?.(chunk)
    this.stats.droppedRecords += chunk.count
    // As in fluent-bit: `errors` counts what cannot be retried, `retriesFailed` what has used up its retries.
    if (error.retryable) this.stats.retriesFailed++
    else this.stats.errors++
    this.#log.error(`${chunk.count} records dropped: ${error.message}`, {
      code: error.code,
      tag: chunk.tag,
      chunk: chunk.id,
      attempts: route.attempts,
      // The hint of an error that may be retried says that delivery goes on, which is not true of these records.
      hint: error.retryable ? 'Retry_Limit gave them up; with no_limits they wait for the peer' : error.hint,
    })
    route.receipt.settle('dropped')
  }

  /** Takes the chunks of a lane that fails out of the window. */
  #beginFailing(lane: Lane, route: Route): void {
    if (route.receipt.isOnlyRoute) route.chunk.compact()
    if (lane.failing) return
    lane.failing = true
    this.#failingLanes++
    for (const { passage } of lane.routes) this.window.leave(passage)
    this.#onFailing?.()
  }

  #endFailing(lane: Lane): void {
    if (!lane.failing) return
    lane.failing = false
    this.#failingLanes--
  }

  /** Runs after every answer: retries a blocked lane when the last of its flushes has answered, then sends more. */
  #afterAnswer(lane: Lane): void {
    if (lane.blocked && !this.#stopped && lane.timer === undefined && lane.inFlight.every((r) => r.failed))
      this.#scheduleRetry(lane)
    if (lane.empty) this.#lanes.delete(lane.key)
    this.#pump()
    if (this.empty) this.#resolveDrained()
  }

  #scheduleRetry(lane: Lane): void {
    const failures = Math.max(0, ...lane.inFlight.map((r) => r.chunkFailures))
    lane.requeueFailed()
    if (this.#gate === 'closed' || failures === 0) {
      // The gate determines when to send, or has opened in the meantime: the lane needs no wait of its own.
      lane.blocked = false
      this.#addSendable(lane)
      return
    }
    const waitMs = retryWaitMs(this.#retry, failures)
    lane.retryAtMs = this.#clock.nowMs() + waitMs
    lane.timer = this.#clock.after(waitMs, () => {
      lane.timer = undefined
      lane.blocked = false
      lane.retryAtMs = Number.POSITIVE_INFINITY
      this.#addSendable(lane)
      this.#pump()
    })
  }

  #addSendable(lane: Lane): void {
    if (lane.ready && !this.#sendable.includes(lane)) this.#sendable.push(lane)
  }

  #closeGate(error: ShipperError): void {
    if (this.#gate === 'closed') return
    this.#gate = 'closed'
    this.#gateFailures++
    const waitMs = isNameFailure(error)
      ? nameWaitMs(this.#retry)
      : retryWaitMs(this.#retry, this.#gateFailures)
    this.#gateAtMs = this.#clock.nowMs() + waitMs
    this.#onFailing?.()
    this.#gateTimer = this.#clock.after(waitMs, () => {
      this.#gateTimer = undefined
      this.#gateAtMs = Number.POSITIVE_INFINITY
      this.#gate = 'probing'
      this.#pump()
    })
  }

  #openGate(): void {
    this.#gate = 'open'
    this.#gateFailures = 0
    this.window.restart(this.#clock.nowMs())
    for (const lane of this.#lanes.values()) this.#addSendable(lane)
  }

  #resolveDrained(): void {
    const waiters = this.#drainWaiters
    this.#drainWaiters = []
    for (const resolve of waiters) resolve()
  }
}

function asFlushError(thrown: unknown): ShipperError {
  if (thrown instanceof ShipperError) return thrown
  return new ShipperError('E_INTERNAL', messageOf(thrown), { retryable: true, cause: thrown })
}
