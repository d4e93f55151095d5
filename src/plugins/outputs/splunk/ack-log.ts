import type { Clock, Logger } from '../../../core/services.ts'

/** Time for which a request may wait for its acknowledgement without a line in the log: indexers take seconds. */
const LATE_MS = 30_000
/** Time in which another reason for the same failure is not logged. */
const AGAIN_MS = 60_000

/** Logs changes of the state of acknowledgements: one line when a problem begins, and one when it ends. */
export class AckLog {
  readonly #log: Logger
  readonly #clock: Clock
  /** Whether the token has acknowledgements; undefined before the first answer. */
  #hasAcks: boolean | undefined
  #isLate = false
  #failure: { reason: string; loggedMs: number } | undefined

  constructor({ log, clock }: { readonly log: Logger; readonly clock: Clock }) {
    this.#log = log
    this.#clock = clock
  }

  /** Notes whether requests are accepted with an acknowledgement id. */
  accepted(hasId: boolean): void {
    const before = this.#hasAcks
    if (before === hasId) return
    this.#hasAcks = hasId
    if (hasId)
      this.#log.info(
        'the token has indexer acknowledgement: records count as delivered when the indexers have written them',
      )
    else if (before === undefined)
      this.#log.info(
        'the token has no indexer acknowledgement: records count as delivered when the collector has accepted them, and a crash of the indexer may lose them; enable it for the token to prevent that',
      )
    else
      this.#log.warn(
        'indexer acknowledgement of the token was disabled, or is not enabled on every indexer: records sent without it may be lost; enable it for the token on all indexers, and set `ack on` to send only with it',
        {},
        'ack mode',
      )
  }

  /** Notes the longest time for which one of these requests has waited; 0 without any. */
  waiting(longestMs: number, requests: number): void {
    const isLate = longestMs >= LATE_MS
    if (isLate === this.#isLate) return
    this.#isLate = isLate
    if (isLate)
      this.#log.warn(
        'requests wait for acknowledgements: the collector has accepted them, and the indexers have not written them for 30 s; after 5 minutes they are sent again. See the queues of the indexers; behind a load balancer all requests have to go to one indexer (stickiness by source address)',
        { requests },
      )
    else this.#log.info('requests are being acknowledged again', { requests })
  }

  /** Notes that a query failed. */
  failed(reason: string, requests: number): void {
    const nowMs = this.#clock.nowMs()
    const before = this.#failure
    if (before !== undefined && (before.reason === reason || nowMs - before.loggedMs < AGAIN_MS)) return
    this.#failure = { reason, loggedMs: nowMs }
    this.#log.error(
      `cannot query acknowledgements: ${reason}; records wait. Let proxies forward /services/collector/ack, or set \`ack off\``,
      { requests },
    )
  }

  /** Notes that a query was answered. */
  answered(): void {
    if (this.#failure === undefined) return
    this.#failure = undefined
    this.#log.info('acknowledgement queries succeed again')
  }

  /** Notes that the ids on a channel have restarted from 0. `idleMs`: time for which the channel was not used. */
  restarted(idleMs: number): void {
    if (idleMs >= AGAIN_MS) {
      this.#log.debug('the collector has forgotten the channel, which was idle: another one is used')
      return
    }
    this.#log.warn(
      'acknowledgement ids started over: the indexer was restarted, or a load balancer sends requests to several without stickiness',
      {},
      'ack ids',
    )
  }
}
