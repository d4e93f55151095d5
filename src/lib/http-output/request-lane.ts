import type { ShipperError } from '../../core/error.ts'
import type { Failed } from './api.ts'
import type { Delivery } from './delivery.ts'

/** The chunks of one tag, in the order of their flushes. Its records are in one request at a time, besides those handed over. */
export class RequestLane {
  readonly tag: string
  queue: Delivery[] = []
  /** True while records of it are in a request. */
  isBusy = false
  /** Set from a failure until every caller has seen it: a flush that is called in between would overtake those that failed. */
  failure: ShipperError | undefined
  /** Keys of requests that have failed while records with other keys go on; until all its flushes have settled. */
  readonly failedKeys = new Map<string, Failed>()
  /** Why chunks besides those in the request fail, when it has ended: the one behind them, or one that was handed over before. */
  batchFailure: Failed | undefined

  constructor(tag: string) {
    this.tag = tag
  }

  /** The first chunk with records to send. */
  get next(): Delivery | undefined {
    return this.queue.find(({ pending }) => pending.length > 0)
  }

  get isEmpty(): boolean {
    return this.queue.length === 0 && !this.isBusy && this.failure === undefined
  }
}
