import { ShipperError } from '../../core/error.ts'
import { stopped } from '../net/stopped.ts'
import type { Failed } from './api.ts'
import type { Delivery } from './delivery.ts'
import { RequestLane } from './request-lane.ts'

/** The lanes of an output, and how the flushes in them settle. */
export class RequestLanes {
  /** Lanes with records to send, in no request, in their turn. */
  readonly ready = new Set<RequestLane>()
  readonly #lanes = new Map<string, RequestLane>()
  readonly #onDone: (delivery: Delivery) => void

  /** `onDone` is called when all records of a chunk have their fates. */
  constructor(onDone: (delivery: Delivery) => void) {
    this.#onDone = onDone
  }

  of(tag: string): RequestLane {
    let lane = this.#lanes.get(tag)
    if (lane === undefined) {
      lane = new RequestLane(tag)
      this.#lanes.set(tag, lane)
    }
    return lane
  }

  ofAll(deliveries: ReadonlySet<Delivery>): Set<RequestLane> {
    return new Set([...deliveries].map(({ chunk }) => this.of(chunk.tag)))
  }

  /** Adds a chunk that was flushed. */
  push(lane: RequestLane, delivery: Delivery): void {
    lane.queue.push(delivery)
    if (!lane.isBusy && lane.next !== undefined) this.ready.add(lane)
  }

  /** Begins a request with records of a lane; `failure`: why the chunk behind them fails then. */
  begin(lane: RequestLane, failure: Failed | undefined): void {
    lane.isBusy = true
    this.ready.delete(lane)
    lane.batchFailure = failure
  }

  /** Ends the request of a lane; `failure`: why records of it are left. */
  free(lane: RequestLane, failure?: Failed, aloneKey?: string): void {
    lane.isBusy = false
    const other = lane.batchFailure
    lane.batchFailure = undefined
    this.settle(lane, failure ?? other, other === undefined ? aloneKey : undefined)
  }

  /**
   * Settles what is done of a lane, and with a failure all the rest. `aloneKey`: only records with this key that were refused alone are in
   * doubt; others are sent nevertheless, as only that shows whether the record or the request is at fault.
   *
   * While a request of the lane is under way, nothing fails before that has ended: a chunk whose flush is rejected may leave the memory.
   */
  settle(lane: RequestLane, failure: Failed | undefined, aloneKey?: string): void {
    for (const delivery of lane.queue.filter(({ isDone }) => isDone)) {
      this.#onDone(delivery)
      delivery.resolve()
    }
    lane.queue = lane.queue.filter(({ isDone }) => !isDone)
    if (lane.isBusy) {
      lane.batchFailure ??= failure
      return
    }
    if (failure !== undefined) {
      const alone =
        aloneKey === undefined ? undefined : lane.queue.find((delivery) => delivery.hasLeft(aloneKey))
      if (alone === undefined || aloneKey === undefined) this.#failRest(lane, failure)
      else this.#settleAlone(lane, alone, aloneKey, failure)
    }
    this.#failKeys(lane)
    // Behind the others.
    this.ready.delete(lane)
    if (lane.next !== undefined) this.ready.add(lane)
    if (lane.isEmpty) this.#lanes.delete(lane.tag)
  }

  /** Rejects every flush. */
  end(): void {
    this.ready.clear()
    for (const lane of this.#lanes.values()) {
      for (const delivery of lane.queue) delivery.reject(stopped())
      lane.queue = []
    }
    this.#lanes.clear()
  }

  /** Handles a failure after which only records with one key that were refused alone are in doubt, the first of them in `alone`. */
  #settleAlone(lane: RequestLane, alone: Delivery, key: string, failure: Failed): void {
    if (alone.deferSuspects(key)) return
    // Those with other keys go on, which says nothing about this one.
    if (alone.pending.some((run) => run.key !== key)) lane.failedKeys.set(key, failure)
    else if (!alone.hasOnlySuspects) this.#failRest(lane, failure)
    else {
      lane.queue = lane.queue.filter((delivery) => delivery !== alone)
      alone.reject(failure.error)
    }
  }

  /** Rejects the flushes of a lane from the first on that has records to send: what was handed over before stays. */
  #failRest(lane: RequestLane, { error }: Failed): void {
    const first = lane.next
    if (first !== undefined) this.#fail(lane, error, lane.queue.slice(lane.queue.indexOf(first)))
  }

  /** Rejects the flushes of a lane whose records all have keys that have failed. */
  #failKeys(lane: RequestLane): void {
    const { failedKeys } = lane
    if (failedKeys.size === 0) return
    const [failure] = failedKeys.values() as Iterable<Failed> as [Failed]
    const hasFailed = ({ pending }: Delivery): boolean =>
      pending.length > 0 && pending.every(({ key }) => failedKeys.has(key))
    const failing = lane.queue.filter(hasFailed)
    if (failing.length > 0) this.#fail(lane, failure.error, failing)
    if (lane.next === undefined && !lane.isBusy) failedKeys.clear()
  }

  /**
   * Rejects flushes of a lane, and those that are called before the engine has seen it: a rejection takes several microtasks,
   * but never a turn of the event loop.
   */
  #fail(lane: RequestLane, error: ShipperError, failing: readonly Delivery[]): void {
    lane.queue = lane.queue.filter((delivery) => !failing.includes(delivery))
    const overtaking = this.holdBack(lane, error)
    failing.forEach((delivery, i) => {
      delivery.reject(i === 0 ? error : overtaking)
    })
  }

  /** Has flushes of a lane fail that are called before the engine has seen this failure. Returns with what. */
  holdBack(lane: RequestLane, error: ShipperError): ShipperError {
    // Nothing is wrong with the chunks behind the first.
    const overtaking = error.retryable
      ? error
      : new ShipperError('E_PEER_CLOSED', `an earlier chunk failed: ${error.message}`, {
          retryable: true,
          cause: error,
        })
    lane.failure = overtaking
    setImmediate(() => {
      lane.failure = undefined
      if (lane.isEmpty && this.#lanes.get(lane.tag) === lane) this.#lanes.delete(lane.tag)
    })
    return overtaking
  }
}
