import type { Chunk } from '../core/chunk.ts'
import type { ShipperError } from '../core/error.ts'
import type { Outcome } from '../core/plugin.ts'
import type { Logger } from '../core/services.ts'
import type { OutputCause } from '../lib/dead-letters/row.ts'
import { KEPT_HINT, type Keeper } from './dead-letters/dead-letters.ts'
import { entryEnd } from './entry-end.ts'
import type { GivenUp, Route } from './lane.ts'

/** Gives up records of a route: keeps each in the dead letters once, or drops it if the configuration says so. */
export class GivingUp {
  readonly #letters: Keeper
  readonly #log: Logger
  readonly #countDropped: (chunk: Chunk, records: number) => void

  constructor(letters: Keeper, log: Logger, countDropped: (chunk: Chunk, records: number) => void) {
    this.#letters = letters
    this.#log = log
    this.#countDropped = countDropped
  }

  /** True when there is a file for what is given up. */
  get hasFile(): boolean {
    return this.#letters.hasFile
  }

  /** Gives up one record. Throws a retryable error when it cannot be kept now. */
  record(route: Route, start: number, end: number, error: ShipperError, cause: OutputCause): void {
    const { chunk } = route
    const given = givenUpOf(route)
    if (given.starts.has(start - chunk.start)) return
    if (this.#letters.isOff) {
      given.isDropped = true
      this.#countDropped(chunk, 1)
    } else this.#letters.keep(chunk, start, end, error, cause)
    given.starts.add(start - chunk.start)
    if (given.unlogged++ > 0) return
    given.reason = error.message
    given.cause = cause
  }

  /**
   * Gives up all records of a chunk that are not given up yet, and resolves with its outcome. Rejects with a
   * retryable error when they cannot be kept now. Retry_Limit without a place drops them, as the user asked.
   */
  async chunk(route: Route, error: ShipperError, cause: OutputCause): Promise<Outcome> {
    const { chunk } = route
    const given = givenUpOf(route)
    const isDropped = this.#letters.isOff || (cause === 'retry_limit' && !this.#letters.hasFile)
    if (isDropped) {
      this.#dropRest(route, given, error, cause)
      return this.settle(route)
    }
    for (let at = chunk.start; at < chunk.end; ) {
      const end = entryEnd(chunk.buf, at, chunk.end)
      this.record(route, at, end, error, cause)
      at = end
    }
    return this.settle(route)
  }

  /** Resolves with the outcome of a delivered chunk when its records in the dead letters are on disk. */
  async settle(route: Route): Promise<Outcome> {
    const { givenUp, chunk } = route
    if (givenUp === undefined) return 'delivered'
    if (givenUp.starts.size > 0 && !this.#letters.isOff) await this.#sync(route)
    if (givenUp.unlogged > 0) {
      const records = givenUp.unlogged === 1 ? 'record' : 'records'
      const verb = givenUp.cause === 'rejected' ? 'rejected' : 'given up'
      const message = `${givenUp.unlogged} ${records} ${verb} and ${this.#letters.fate}: ${givenUp.reason}`
      const hint = this.#letters.hasFile ? KEPT_HINT : HINTS[givenUp.cause]
      const fields = { code: 'E_OUTPUT_REJECTED', tag: chunk.tag, chunk: chunk.id, hint }
      // Refused destinations differ by tag or record: there may be thousands.
      this.#log.error(message, fields, givenUp.cause === 'destination' ? 'given up' : undefined)
    }
    givenUp.unlogged = 0
    if (givenUp.isDropped) return 'dropped'
    return givenUp.starts.size > 0 ? 'dead_letter' : 'delivered'
  }

  async #sync(route: Route): Promise<void> {
    try {
      await this.#letters.sync()
    } catch (error) {
      // What a failed sync has left on disk is not known: the rows are written again.
      route.givenUp = undefined
      throw error
    }
  }

  #dropRest({ chunk, attempts }: Route, given: GivenUp, error: ShipperError, cause: OutputCause): void {
    const records = chunk.count - given.starts.size
    if (records === 0) return
    given.isDropped = true
    this.#countDropped(chunk, records)
    this.#log.error(`${records} ${records === 1 ? 'record' : 'records'} dropped: ${error.message}`, {
      code: error.code,
      tag: chunk.tag,
      chunk: chunk.id,
      attempts,
      // The hint of an error that may be retried says that delivery goes on, which is not true of these records.
      hint: error.retryable ? HINTS[cause] : error.hint,
    })
  }
}

/** What to do about records that were dropped after an error that could have been retried. */
const HINTS: Record<OutputCause, string> = {
  rejected: 'Dead_Letter_File off drops what is rejected; set it to a file that keeps it',
  retry_limit: 'Retry_Limit gave them up; with no_limits they wait for the peer',
  destination:
    'their destination was refused for Dead_Letter_After; set Dead_Letter_File to a file that keeps them',
}

function givenUpOf(route: Route): GivenUp {
  route.givenUp ??= { starts: new Set(), unlogged: 0, reason: '', cause: 'rejected', isDropped: false }
  return route.givenUp
}
