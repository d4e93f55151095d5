import type { Chunk } from '../core/chunk.ts'
import { messageOf, ShipperError } from '../core/error.ts'
import type { Ack, Outcome, Output } from '../core/plugin.ts'
import type { Clock, Logger, TimerHandle } from '../core/services.ts'
import type { OutputDown, Unkept } from '../core/snapshot.ts'
import type { OutputCause } from '../lib/dead-letters/row.ts'
import type { Keeper } from './dead-letters/dead-letters.ts'
import { GivingUp } from './giving-up.ts'
import { Lane, type Route } from './lane.ts'
import { LaneTurns } from './lane-turns.ts'
import { type Buffered, Outage } from './outage.ts'
import { OutputWindow } from './output-window.ts'
import { Patience } from './patience.ts'
import type { RouteReceipt } from './receipt.ts'
import { RefusalLog } from './refusal-log.ts'
import { isNameFailure, nameWaitMs, type RetryPolicy, retryWaitMs } from './retry.ts'
import { TakenOver } from './taken-over.ts'

/** Time without an answer after which an output with chunks in flight counts as down. */
const MAX_SILENCE_MS = 10_000
/** Number of waiting chunks of a tag up to which the queue asks for others. */
const ENOUGH_WAITING = 1000

interface QueueOptions {
  name: string
  output: Output
  inFlight: number
  retry: RetryPolicy
  deadLetters: Keeper
  /** `Dead_Letter_After` in milliseconds. */
  deadLetterAfterMs: number
  clock: Clock
  log: Logger
  /** Inputs whose records are kept on disk. */
  buffered?: Buffered
  /** True when records in doubt leave no memory in the input of a chunk: what is refused is then not kept there longer. */
  isCrowded?: (chunk: Chunk) => boolean
  /** Called when the output begins to fail, or the lane of a tag. */
  onFailing?: (tag?: string) => void
  /** Called with the input of records that are dropped, and their number. */
  onDropped?: (input: string, records: number) => void
  /** Called with a chunk in memory that the peer has, and that waits for nothing but its acknowledgement. */
  onAccepted?: ((chunk: Chunk) => void) | undefined
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
  /** Called after every answer: the window may have room, and the peer may be reachable again. */
  onAnswer: (() => void) | undefined
  /** Called once between two attempts when the output looks for waiting chunks of a tag that fails: others may be added to the queue. */
  onWanted: ((tag: string) => void) | undefined
  inFlight = 0
  /** Number of chunks that the output has taken over and not settled. */
  openTakenOver = 0
  /** Time of the last answer, or of the first flush after all were answered. */
  #answerMs = 0
  readonly #output: Output
  readonly #maxInFlight: number
  readonly #policy: RetryPolicy
  readonly #clock: Clock
  readonly #log: Logger
  readonly #isCrowded: ((chunk: Chunk) => boolean) | undefined
  readonly #onFailing: ((tag?: string) => void) | undefined
  readonly #onAccepted: ((chunk: Chunk) => void) | undefined
  #failingLanes = 0
  /** Time since which at least one lane fails. */
  #failingSinceMs = 0
  readonly #givingUp: GivingUp
  readonly #patience: Patience
  readonly #refusals: RefusalLog
  readonly #lanes = new Map<string, Lane>()
  readonly #sendable = new LaneTurns()
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
    this.#policy = options.retry
    this.#clock = options.clock
    this.#log = options.log
    const hasLimit = options.retry.limit !== Number.POSITIVE_INFINITY
    this.outage = new Outage(options.clock, options.log, hasLimit, options.buffered)
    this.#isCrowded = options.isCrowded
    this.#onFailing = options.onFailing
    this.#onAccepted = options.onAccepted
    this.#patience = new Patience(options.deadLetterAfterMs, options.clock)
    this.#refusals = new RefusalLog({
      log: options.log,
      deadLetters: options.deadLetters,
      deadLetterAfterMs: options.deadLetterAfterMs,
      retryLimit: options.retry.limit,
    })
    this.#givingUp = new GivingUp(options.deadLetters, options.log, ({ input }, records) => {
      this.stats.droppedRecords += records
      options.onDropped?.(input, records)
    })
  }

  /** Implements `OutputContext.reject`. */
  reject(chunk: Chunk, start: number, end: number, reason: ShipperError): void {
    const route = this.#lanes.get(chunk.tag)?.find(chunk)
    if (route === undefined) {
      const message = `a record of chunk ${chunk.id} was rejected after the chunk had settled`
      throw new ShipperError('E_INTERNAL', message, { retryable: true })
    }
    const cause = route.isOverdue && reason.scope === 'records' ? 'destination' : 'rejected'
    this.#givingUp.record(route, start, end, reason, cause)
  }

  /** Implements `OutputContext.accepted`. */
  accepted(chunk: Chunk): void {
    const route = this.#lanes.get(chunk.tag)?.find(chunk)
    if (route === undefined) return
    this.#answerMs = this.#clock.nowMs()
    if (route.attempts === 0) this.window.acknowledge(route.passage, this.#answerMs)
    else this.window.leave(route.passage)
    // What can be loaded again is not what fills the memory.
    if (route.receipt.isOnlyRoute && route.receipt.load === undefined) this.#onAccepted?.(chunk)
    this.onAnswer?.()
  }

  /** Implements `OutputContext.waitingChunks`. */
  waitingChunks(tag: string, count: number, isWanted: (chunk: Chunk) => boolean): Chunk[] {
    const lane = this.#lanes.get(tag)
    if (lane === undefined) return []
    if (!lane.hasAsked && lane.waitingCount < ENOUGH_WAITING) {
      lane.hasAsked = true
      this.onWanted?.(tag)
    }
    return lane
      .sample(count, isWanted)
      .filter(({ receipt }) => (receipt.load?.() ?? 'loaded') === 'loaded')
      .map(({ chunk }) => chunk)
  }

  /** Implements `LateDelivery.takeOver`. */
  takeOver(chunk: Chunk): Ack {
    const route = this.#lanes.get(chunk.tag)?.find(chunk)
    if (route === undefined) {
      const message = `chunk ${chunk.id} was taken over after it had settled`
      throw new ShipperError('E_INTERNAL', message, { retryable: true })
    }
    route.takenOver ??= new TakenOver(this, route.receipt, chunk.count, chunk.size)
    const { takenOver } = route
    return (outcome) => takenOver.settle(outcome)
  }

  /** Implements `LateDelivery.peerFailed`. */
  peerFailed(error: ShipperError): void {
    if (this.#stopped) return
    this.lastError = error.message
    this.stats.retries++
    this.outage.failed(error)
  }

  /** @internal */
  takenOver(): void {
    this.openTakenOver++
  }

  /** @internal */
  settling({ records, bytes }: TakenOver, outcome: Outcome, wasOpen: boolean): void {
    if (wasOpen) this.openTakenOver--
    if (outcome !== 'delivered') return
    this.#countDelivered(records, bytes)
    if (this.#gate === 'open') this.outage.delivered()
  }

  #countDelivered(records: number, bytes: number): void {
    this.stats.procRecords += records
    this.stats.procBytes += bytes
    this.lastDeliveryMs = this.#clock.nowMs()
  }

  /** Implements `OutputContext.isOverdue`. */
  isOverdue(chunk: Chunk): boolean {
    return this.#lanes.get(chunk.tag)?.find(chunk)?.isOverdue === true
  }

  /** Queues a chunk; `receipt` is settled once, with the outcome of this output. */
  push(chunk: Chunk, receipt: RouteReceipt): void {
    if (this.#stopped) {
      receipt.settle('aborted')
      return
    }
    let lane = this.#lanes.get(chunk.tag)
    if (lane === undefined) {
      lane = new Lane(chunk.tag, chunk.input)
      this.#lanes.set(chunk.tag, lane)
    }
    // It waits long, and those behind it may be what ends that.
    if (lane.failing && receipt.isOnlyRoute) chunk.compact()
    const passage = this.window.enter(lane.failing ? 0 : chunk.size, this.#clock.nowMs())
    lane.push({
      chunk,
      receipt,
      passage,
      attempts: 0,
      chunkFailures: 0,
      failed: false,
      isOverdue: false,
      givenUp: undefined,
      isGivingUp: false,
    })
    if (lane.waitingCount === 1) this.#sendable.add(lane)
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

  /** Why records that were given up wait for a place in the dead letters, for the longest time. */
  get unkept(): Unkept | undefined {
    let longest: Unkept | undefined
    for (const { unkept } of this.#lanes.values())
      if (unkept !== undefined && unkept.sinceMs < (longest?.sinceMs ?? Number.POSITIVE_INFINITY))
        longest = unkept
    return longest
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
      this.#forget(lane)
    }
    this.#sendable.clear()
    this.#resolveDrained()
  }

  #pump(): void {
    // An output that throws synchronously answers within this loop, which then continues with what is left.
    if (this.#pumping) return
    this.#pumping = true
    while (this.inFlight < this.#flushesAllowed) {
      const lane = this.#sendable.take()
      if (lane === undefined) break
      if (!lane.ready || !this.#load(lane)) continue
      const route = lane.startNext() as Route
      this.#addSendable(lane)
      if (this.inFlight === 0) this.#answerMs = this.#clock.nowMs()
      this.inFlight++
      // `#flush` settles every outcome itself and never rejects.
      void this.#flush(lane, route)
    }
    this.#pumping = false
  }

  /** Makes the entries of the lane's next chunk available. False when it waits for that, or they are lost. */
  #load(lane: Lane): boolean {
    const route = lane.next as Route
    const loaded = route.receipt.load?.() ?? 'loaded'
    if (loaded === 'loaded') return true
    if (loaded === 'lost') {
      this.#settleLost(lane, lane.startNext() as Route)
      return false
    }
    // An answer to one of its flushes determines what is sent next.
    if (lane.inFlight.length > 0) lane.waitsForAnswer = true
    else this.#wait(lane, retryWaitMs(this.#policy, 1))
    return false
  }

  /** Takes out the first chunk of its tag, which waits, and settles it as dropped. False when that is not possible. */
  withdraw(chunk: Chunk): boolean {
    const lane = this.#lanes.get(chunk.tag)
    if (lane === undefined || lane.next?.chunk !== chunk || lane.inFlight.length > 0) return false
    this.#settleLost(lane, lane.startNext() as Route)
    return true
  }

  #settleLost(lane: Lane, route: Route): void {
    lane.complete(route)
    this.window.leave(route.passage)
    // The next chunk shows whether its destination still fails.
    if (lane.empty) {
      this.#endFailing(lane, 'dropped')
      this.#clock.cancel(lane.timer)
    }
    this.#output.forget?.(route.chunk)
    this.#addSendable(lane)
    this.#forget(lane)
    route.receipt.settle('dropped')
    if (this.empty) this.#resolveDrained()
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
    let outcome: Outcome = 'delivered'
    route.isOverdue = this.#patience.isOverdue(chunk.tag) || this.#isCrowdedOut(route)
    try {
      try {
        await this.#output.flush(chunk)
      } finally {
        this.inFlight--
      }
      if (route.givenUp !== undefined) {
        this.#beginGivingUp(lane, route)
        outcome = await this.#givingUp.settle(route)
      }
    } catch (error) {
      route.takenOver?.cancel()
      route.takenOver = undefined
      await this.#onFailure(lane, route, asFlushError(error), Math.max(startMs, this.lastDeliveryMs ?? 0))
      this.#afterAnswer(lane, route)
      return
    }
    this.#patience.delivered(chunk.tag)
    const { takenOver } = route
    this.#answerMs = this.#clock.nowMs()
    const ms = Math.round(this.#answerMs - startMs)
    if (takenOver === undefined) this.#countDelivered(records - (route.givenUp?.starts.size ?? 0), bytes)
    const what = takenOver === undefined ? 'chunk delivered' : 'chunk taken over'
    this.#log.debug(what, { tag: chunk.tag, chunk: chunk.id, records, bytes, ms })
    lane.complete(route)
    if (route.attempts === 0) this.window.acknowledge(route.passage, this.#clock.nowMs())
    else this.window.leave(route.passage)
    this.#endFailing(lane, route.givenUp?.starts.size === records ? outcome : 'delivered')
    if (takenOver === undefined) route.receipt.settle(outcome)
    else takenOver.flushed(outcome)
    if (this.#gate === 'probing') this.#openGate()
    // An ack that was on its way when the gate closed says nothing about the peer now.
    if (this.#gate === 'open') this.outage.delivered()
    this.#afterAnswer(lane, route)
  }

  /** Lets the other lanes send while records of a route get to the disk: the disk of the dead letters delays no other tag. */
  #beginGivingUp(lane: Lane, route: Route): void {
    if (!route.isGivingUp) lane.givingUp++
    route.isGivingUp = true
    this.#pump()
  }

  /** True when the route failed before, and gives way to others. */
  #isCrowdedOut({ attempts, chunk }: Route): boolean {
    return attempts > 0 && this.#givingUp.hasFile && this.#isCrowded?.(chunk) === true
  }

  /** Gives the chunk up, or lets its lane wait for a retry. Settles or requeues the route in every case. */
  async #onFailure(lane: Lane, route: Route, thrown: ShipperError, startMs: number): Promise<void> {
    this.#answerMs = this.#clock.nowMs()
    let error = thrown
    const cause = this.#stopped ? undefined : this.#causeToGiveUp(route, error, startMs)
    if (cause !== undefined) {
      try {
        const givenUp = this.#givingUp.chunk(route, error, cause)
        this.#beginGivingUp(lane, route)
        const outcome = await givenUp
        this.#settleGivenUp(lane, route, error, outcome)
        // A destination that a tag or a record has chosen says nothing about the output, once no chunk waits for it.
        if (cause === 'destination' && !this.hasFailing) this.outage.stop()
        return
      } catch (failure) {
        // It cannot be kept now: the chunk waits, and each retry gives the peer another chance.
        error = asFlushError(failure)
      }
    }
    if (this.#stopped) {
      lane.complete(route)
      this.window.leave(route.passage)
      route.receipt.settle('aborted')
      return
    }
    this.#retry(lane, route, error)
  }

  /** Counts a failed attempt. Returns the reason to give up the chunk, or undefined when it is retried. */
  #causeToGiveUp(route: Route, error: ShipperError, startMs: number): OutputCause | undefined {
    this.lastError = error.message
    const { scope, code } = error
    // A full dead-letter file is no fault of the peer: it uses up no retries.
    if (code === 'E_DEAD_LETTERS') return undefined
    route.attempts = error.hasProgress ? 1 : route.attempts + 1
    // With the gate closed it is the answer to a flush that began before: not another attempt.
    if (error.retryable && this.#gate !== 'closed') this.outage.failed(error, startMs)
    if (!error.retryable) return 'rejected'
    if (scope === 'destination' || scope === 'records')
      this.#patience.refused(route.chunk.tag, scope === 'destination')
    if (scope === 'destination' && route.isOverdue) return 'destination'
    return route.attempts > this.#policy.limit ? 'retry_limit' : undefined
  }

  #retry(lane: Lane, route: Route, error: ShipperError): void {
    // Flushes of a lane fail together: the log has the first.
    const isNews = !lane.blocked
    route.failed = true
    lane.blocked = true
    this.#noteUnkept(lane, error)
    this.stats.retries++
    this.stats.retriedRecords += route.chunk.count
    if (error.scope === 'peer') {
      this.#closeGate(error)
      return
    }
    route.chunkFailures = error.hasProgress ? 1 : route.chunkFailures + 1
    const isFirst = !lane.failing
    this.#beginFailing(lane, route)
    if (isNews) this.#refusals.refused(route.chunk, error, this.#failingLanes, isFirst)
  }

  /** Remembers, or forgets, that the lane waits because records that were given up cannot be kept. */
  #noteUnkept(lane: Lane, { code, message, hint }: ShipperError): void {
    if (code !== 'E_DEAD_LETTERS') {
      lane.unkept = undefined
      return
    }
    this.lastError = message
    lane.unkept = { sinceMs: lane.unkept?.sinceMs ?? this.#clock.nowMs(), reason: message, hint }
  }

  #settleGivenUp(lane: Lane, route: Route, error: ShipperError, outcome: Outcome): void {
    lane.complete(route)
    this.window.leave(route.passage)
    this.#endFailing(lane, outcome)
    this.#output.forget?.(route.chunk)
    // As in fluent-bit: `errors` counts what cannot be retried, `retriesFailed` what has used up its retries.
    if (error.retryable) this.stats.retriesFailed++
    else this.stats.errors++
    route.receipt.settle(outcome)
  }

  /** Takes the chunks of a lane that fails out of the window. */
  #beginFailing(lane: Lane, route: Route): void {
    if (route.receipt.isOnlyRoute) route.chunk.compact()
    if (lane.failing) return
    lane.failing = true
    if (this.#failingLanes++ === 0) this.#failingSinceMs = this.#clock.nowMs()
    for (const { passage } of lane.routes) this.window.leave(passage)
    this.#onFailing?.(lane.key)
  }

  #endFailing(lane: Lane, outcome: Outcome): void {
    lane.unkept = undefined
    if (!lane.failing) return
    lane.failing = false
    if (--this.#failingLanes === 0) this.#refusals.ended(this.#clock.nowMs() - this.#failingSinceMs, outcome)
  }

  /** Runs after every answer: retries a blocked lane when the last of its flushes has answered, then sends more. */
  #afterAnswer(lane: Lane, route: Route): void {
    if (route.isGivingUp) {
      route.isGivingUp = false
      lane.givingUp--
      this.#addSendable(lane)
    }
    if (lane.blocked && !this.#stopped && lane.timer === undefined && lane.inFlight.every((r) => r.failed))
      this.#scheduleRetry(lane)
    if (lane.waitsForAnswer) {
      lane.waitsForAnswer = false
      this.#addSendable(lane)
    }
    this.#forget(lane)
    this.#pump()
    this.onAnswer?.()
    if (this.empty) this.#resolveDrained()
  }

  /** Forgets a lane that is empty; not the one that has taken its place before the last of its answers was handled. */
  #forget(lane: Lane): void {
    if (lane.empty && this.#lanes.get(lane.key) === lane) this.#lanes.delete(lane.key)
  }

  #scheduleRetry(lane: Lane): void {
    const failures = Math.max(0, ...lane.inFlight.map((r) => r.chunkFailures))
    lane.requeueFailed()
    lane.hasAsked = false
    if (this.#gate === 'closed' || failures === 0) {
      // The gate determines when to send, or has opened in the meantime: the lane needs no wait of its own.
      lane.blocked = false
      this.#addSendable(lane)
      return
    }
    const isUnused = this.#output.keepsChunks !== true
    for (const { receipt } of lane.routes) receipt.wait?.(isUnused)
    this.#wait(lane, Math.min(retryWaitMs(this.#policy, failures), this.#overdueInMs(lane)))
  }

  /** Lets a lane without a pending flush send again after a time. */
  #wait(lane: Lane, waitMs: number): void {
    lane.blocked = true
    lane.retryAtMs = this.#clock.nowMs() + waitMs
    lane.timer = this.#clock.after(waitMs, () => {
      lane.timer = undefined
      lane.blocked = false
      lane.retryAtMs = Number.POSITIVE_INFINITY
      this.#addSendable(lane)
      this.#pump()
    })
  }

  /** Returns the wait until the refused destinations of a lane are overdue; Infinity when there are none. */
  #overdueInMs(lane: Lane): number {
    const leftMs = this.#patience.leftMs(lane.key)
    return leftMs > 0 ? leftMs : Number.POSITIVE_INFINITY
  }

  #addSendable(lane: Lane): void {
    if (lane.ready) this.#sendable.add(lane)
  }

  #closeGate(error: ShipperError): void {
    if (this.#gate === 'closed') return
    this.#gate = 'closed'
    this.#gateFailures++
    const waitMs = isNameFailure(error)
      ? nameWaitMs(this.#policy)
      : retryWaitMs(this.#policy, this.#gateFailures)
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
