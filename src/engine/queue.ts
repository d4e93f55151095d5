import type { Chunk } from '../core/chunk.ts'
import { messageOf, ShipperError } from '../core/error.ts'
import type { Output } from '../core/plugin.ts'
import type { Clock, Logger, TimerHandle } from '../core/services.ts'
import { Lane, type Route } from './lane.ts'
import type { Receipt } from './receipt.ts'
import { type RetryPolicy, retryWaitMs } from './retry.ts'

export interface QueueOptions {
  name: string
  output: Output
  inFlight: number
  retry: RetryPolicy
  clock: Clock
  log: Logger
  signal: AbortSignal
}

/**
 * What waits for one output, and the flushes that are under way: at most `inFlight` at once, in order within a lane.
 *
 * The gate is for a peer that is away: while it is shut every lane waits and one chunk at a time goes out as a probe;
 * its ack opens the gate for all at once. A failure of a single chunk holds only its own lane.
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
  lastError: string | undefined
  inFlight = 0
  readonly #o: QueueOptions
  readonly #lanes = new Map<string, Lane>()
  /** Lanes that may send, served in turn. */
  #turn: Lane[] = []
  #gate: 'open' | 'shut' | 'probing' = 'open'
  #gateTries = 0
  #gateTimer: TimerHandle | undefined
  #gateAtMs = Number.POSITIVE_INFINITY
  #pumping = false
  #stopped = false
  #idle: (() => void)[] = []

  constructor(options: QueueOptions) {
    this.#o = options
  }

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
    lane.push({ chunk, receipt, attempts: 0, chunkFailures: 0, failed: false })
    if (lane.waitingCount === 1) this.#turn.push(lane)
    this.#pump()
  }

  get waiting(): number {
    let n = 0
    for (const lane of this.#lanes.values()) n += lane.waitingCount
    return n
  }

  get retrying(): number {
    let n = 0
    for (const lane of this.#lanes.values()) if (lane.blocked || this.#gate !== 'open') n += lane.waitingCount
    return n
  }

  /** Of the earliest retry. */
  get retryAtMs(): number | undefined {
    let at = this.#gateAtMs
    for (const lane of this.#lanes.values()) at = Math.min(at, lane.retryAtMs)
    return at === Number.POSITIVE_INFINITY ? undefined : at
  }

  get empty(): boolean {
    return this.#lanes.size === 0
  }

  /** Resolves when nothing waits and nothing is in flight, or when stopped. */
  drained(): Promise<void> {
    if (this.empty || this.#stopped) return Promise.resolve()
    return new Promise((resolve) => this.#idle.push(resolve))
  }

  /** After the abort of the signal: everything that waits is aborted, what flies settles by its own rejection. */
  stop(): void {
    this.#stopped = true
    this.#o.clock.cancel(this.#gateTimer)
    this.#gateAtMs = Number.POSITIVE_INFINITY
    for (const lane of this.#lanes.values()) {
      this.#o.clock.cancel(lane.timer)
      lane.retryAtMs = Number.POSITIVE_INFINITY
      for (const route of lane.drain()) route.receipt.settle('aborted')
      if (lane.empty) this.#lanes.delete(lane.key)
    }
    this.#turn = []
    this.#settleIdle()
  }

  #pump(): void {
    // An output that throws at once answers within this loop; it goes on with what is left then.
    if (this.#pumping) return
    this.#pumping = true
    while (this.inFlight < this.#flushesAllowed && this.#turn.length > 0) {
      const lane = this.#turn.shift() as Lane
      if (!lane.ready) continue
      const route = lane.sendNext() as Route
      if (lane.ready) this.#turn.push(lane)
      this.inFlight++
      // `#flush` settles every outcome itself and never rejects.
      void this.#flush(lane, route)
    }
    this.#pumping = false
  }

  get #flushesAllowed(): number {
    if (this.#gate === 'shut') return 0
    return this.#gate === 'probing' ? 1 : this.#o.inFlight
  }

  async #flush(lane: Lane, route: Route): Promise<void> {
    const { chunk } = route
    const records = chunk.count
    const bytes = chunk.size
    const startMs = this.#o.clock.nowMs()
    try {
      await this.#o.output.flush(chunk, this.#o.signal)
    } catch (error) {
      this.inFlight--
      this.#failed(lane, route, error)
      this.#after(lane)
      return
    }
    this.inFlight--
    this.stats.procRecords += records
    this.stats.procBytes += bytes
    const ms = Math.round(this.#o.clock.nowMs() - startMs)
    this.#o.log.debug('chunk is delivered', { tag: chunk.tag, chunk: chunk.id, records, bytes, ms })
    lane.complete(route)
    route.receipt.settle('delivered')
    if (this.#gate === 'probing') this.#open()
    this.#after(lane)
  }

  #failed(lane: Lane, route: Route, thrown: unknown): void {
    if (this.#stopped) {
      lane.complete(route)
      route.receipt.settle('aborted')
      return
    }
    const error = asFlushError(thrown)
    this.lastError = error.message
    route.attempts++
    if (!error.retryable || route.attempts > this.#o.retry.limit) {
      this.#drop(lane, route, error)
      return
    }
    route.failed = true
    lane.blocked = true
    this.stats.retries++
    this.stats.retriedRecords += route.chunk.count
    if (error.scope === 'peer') {
      this.#shut(error)
      return
    }
    route.chunkFailures++
    const { code, hint, message } = error
    this.#o.log.warn(`chunk is tried again: ${message}`, { code, tag: route.chunk.tag, hint })
  }

  #drop(lane: Lane, route: Route, error: ShipperError): void {
    lane.complete(route)
    const { chunk } = route
    this.#o.output.forget?.(chunk)
    this.stats.droppedRecords += chunk.count
    // As in fluent-bit: an error is what cannot be tried again, a failed retry what was tried often enough.
    if (error.retryable) this.stats.retriesFailed++
    else this.stats.errors++
    this.#o.log.error(`${chunk.count} records dropped: ${error.message}`, {
      code: error.code,
      tag: chunk.tag,
      chunk: chunk.id,
      attempts: route.attempts,
      hint: error.hint,
    })
    route.receipt.settle('dropped')
  }

  /** After every answer: sorts out a held lane when the last of its flushes is back, sends on, reports idleness. */
  #after(lane: Lane): void {
    if (lane.blocked && !this.#stopped && lane.timer === undefined && lane.inFlight.every((r) => r.failed))
      this.#resend(lane)
    if (lane.empty) this.#lanes.delete(lane.key)
    this.#pump()
    if (this.empty) this.#settleIdle()
  }

  #resend(lane: Lane): void {
    const refusals = Math.max(0, ...lane.inFlight.map((r) => r.chunkFailures))
    lane.requeueFailed()
    if (this.#gate === 'shut' || refusals === 0) {
      // The gate decides when, or has opened since; the lane is free to go with it.
      lane.blocked = false
      this.#queueTurn(lane)
      return
    }
    const waitMs = retryWaitMs(this.#o.retry, refusals, false)
    lane.retryAtMs = this.#o.clock.nowMs() + waitMs
    lane.timer = this.#o.clock.after(waitMs, () => {
      lane.timer = undefined
      lane.blocked = false
      lane.retryAtMs = Number.POSITIVE_INFINITY
      this.#queueTurn(lane)
      this.#pump()
    })
  }

  #queueTurn(lane: Lane): void {
    if (lane.ready && !this.#turn.includes(lane)) this.#turn.push(lane)
  }

  #shut(error: ShipperError): void {
    if (this.#gate === 'shut') return
    this.#gate = 'shut'
    this.#gateTries++
    const waitMs = retryWaitMs(this.#o.retry, this.#gateTries, true)
    this.#gateAtMs = this.#o.clock.nowMs() + waitMs
    this.#o.log.warn(`nothing can be delivered, reading stops when memory is full: ${error.message}`, {
      code: error.code,
      hint: error.hint,
    })
    this.#gateTimer = this.#o.clock.after(waitMs, () => {
      this.#gateTimer = undefined
      this.#gateAtMs = Number.POSITIVE_INFINITY
      this.#gate = 'probing'
      this.#pump()
    })
  }

  #open(): void {
    if (this.#gateTries > 0) this.#o.log.info('delivery goes on')
    this.#gate = 'open'
    this.#gateTries = 0
    for (const lane of this.#lanes.values()) this.#queueTurn(lane)
  }

  #settleIdle(): void {
    const waiting = this.#idle
    this.#idle = []
    for (const resolve of waiting) resolve()
  }
}

function asFlushError(thrown: unknown): ShipperError {
  if (thrown instanceof ShipperError) return thrown
  return new ShipperError('E_INTERNAL', messageOf(thrown), { retryable: true, cause: thrown })
}
