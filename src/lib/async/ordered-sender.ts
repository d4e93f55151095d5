import { messageOf, ShipperError } from '../../core/error.ts'

/** The steps of one call. */
export interface Sending<P, T> {
  /** Called at once, before the call's turn. */
  prepare(): P | Promise<P>
  /** True when `send` may be called now. Left out: always. */
  isReady?(): boolean
  /** Called in turn, again and again while `isReady` is false; connects, for instance. A rejection fails the call. */
  makeReady?(): Promise<unknown>
  /** Called in turn and must not throw. Its promise settles the call; the next call does not wait for it. */
  send(prepared: P): Promise<T>
  /** Called once instead of `send` when the call fails after `prepare`. */
  discard(prepared: P): void
}

/** State of one key; exists while calls wait or fail. */
interface KeyState {
  /** Number of calls that wait for their turn. */
  waiting: number
  /** Settles with the last of them. */
  turn: Promise<unknown>
  failing: boolean
  failure: unknown
}

/**
 * Prepares several calls at once and sends them in the order of the calls, each key on its own.
 *
 * ```
 *   open --a failure--> failing: waiting calls fail in their turn, new calls fail at once
 *     ^                    |
 *     +--------------------+ no call waits, and one turn of the event loop has passed
 * ```
 * Without the second state a call would be sent before an earlier one that failed and has to be made again. A rejection
 * takes several microtasks to its caller but never a turn of the event loop: after one turn every caller has seen it.
 * Failures after `send` are not noticed here: whoever notices one calls `fail`.
 */
export class OrderedSender {
  readonly #lanes = new Map<string, KeyState>()

  /** Rejects with the error of a step of the call, or retryable because an earlier call of the key failed. */
  run<P, T>(key: string, sending: Sending<P, T>): Promise<T> {
    const lane = this.#lanes.get(key)
    if (lane?.failing) return Promise.reject(overtaking(lane.failure))
    const prepared = prepare(sending)
    // The fast path: no call waits and there is nothing to wait for. The only promise is the one of `send`.
    if (lane === undefined && !(prepared instanceof Promise) && (sending.isReady?.() ?? true))
      return sending.send(prepared)
    return this.#runInTurn(key, sending, prepared)
  }

  /** Fails all calls of `key` that are not sent, because one that was sent has failed. */
  fail(key: string, error: unknown): void {
    this.#fail(key, this.#lane(key), error)
  }

  async #runInTurn<P, T>(key: string, sending: Sending<P, T>, prepared: P | Promise<P>): Promise<T> {
    const lane = this.#lane(key)
    lane.waiting++
    // A rejection is handled in the call's turn, perhaps much later.
    if (prepared instanceof Promise) prepared.catch(() => {})
    const turn = lane.turn.then(() => this.#takeTurn(key, lane, sending, prepared))
    lane.turn = turn.catch(() => {})
    let sent: { settled: Promise<T> }
    try {
      sent = await turn
    } finally {
      lane.waiting--
      this.#dropIfDone(key, lane)
    }
    return sent.settled
  }

  /** Resolves after `send`, with its promise wrapped: that one is not awaited here. */
  async #takeTurn<P, T>(
    key: string,
    lane: KeyState,
    sending: Sending<P, T>,
    preparing: P | Promise<P>,
  ): Promise<{ settled: Promise<T> }> {
    const prepared = await this.#step(key, lane, preparing)
    try {
      for (;;) {
        if (lane.failing) throw overtaking(lane.failure)
        if (sending.isReady?.() ?? true) break
        await this.#step(key, lane, sending.makeReady?.())
      }
    } catch (error) {
      sending.discard(prepared)
      throw error
    }
    return { settled: sending.send(prepared) }
  }

  async #step<V>(key: string, lane: KeyState, step: V | Promise<V>): Promise<V> {
    try {
      return await step
    } catch (error) {
      this.#fail(key, lane, error)
      throw error
    }
  }

  #lane(key: string): KeyState {
    let lane = this.#lanes.get(key)
    if (lane === undefined) {
      lane = { waiting: 0, turn: Promise.resolve(), failing: false, failure: undefined }
      this.#lanes.set(key, lane)
    }
    return lane
  }

  #fail(key: string, lane: KeyState, error: unknown): void {
    lane.failing = true
    lane.failure = error
    this.#dropIfDone(key, lane)
  }

  #dropIfDone(key: string, lane: KeyState): void {
    if (lane.waiting > 0) return
    if (!lane.failing) this.#lanes.delete(key)
    else
      setImmediate(() => {
        if (this.#lanes.get(key) === lane) this.#lanes.delete(key)
      })
  }
}

function prepare<P>(sending: Sending<P, unknown>): P | Promise<P> {
  try {
    return sending.prepare()
  } catch (error) {
    return Promise.reject(error)
  }
}

/** Returns the error of a call after a failed one. Always retryable: nothing is wrong with this call. */
function overtaking(failure: unknown): ShipperError {
  if (failure instanceof ShipperError && failure.retryable) return failure
  const message = `an earlier chunk failed: ${messageOf(failure)}`
  return new ShipperError('E_PEER_CLOSED', message, { retryable: true, scope: 'peer', cause: failure })
}
