import type { Chunk } from '../../core/chunk.ts'
import type { ShipperError } from '../../core/error.ts'
import type { FilterContext } from '../../core/plugin.ts'

/** Counter of filters with ON_ERROR_OPTIONS, to be spread into the `counters` of their spec. */
export const FAILED_RECORDS = {
  failed_records: {
    help: 'records on which the filter failed',
    reasons: {
      dead_letter: 'the record was given up, see Dead_Letter_File',
      pass: 'the record went on unchanged',
      drop: 'the record was discarded',
    },
  },
} as const

type OnError = keyof (typeof FAILED_RECORDS)['failed_records']['reasons']

/** What a filter does with the records on which it fails, as its option On_Error says. */
export class FailedRecords {
  readonly #onError: OnError
  readonly #ctx: Pick<FilterContext, 'log' | 'counters' | 'reject'>

  constructor(onError: OnError, ctx: Pick<FilterContext, 'log' | 'counters' | 'reject'>) {
    this.#onError = onError
    this.#ctx = ctx
  }

  /**
   * Handles the record whose entry is `chunk.buf[start, end)`, as it came. To be called within `apply`, once per record. Returns
   * true when the record stays in the chunk, unchanged; else the filter leaves it out. `error` (E_FILTER_FAILED) says what failed
   * and must not contain the record. It is logged; repetitions are folded by the log.
   */
  handle(chunk: Chunk, start: number, end: number, error: ShipperError): boolean {
    const { log, counters, reject } = this.#ctx
    counters.add('failed_records', 1, this.#onError)
    // The engine logs what is given up, with the file.
    if (this.#onError === 'dead_letter') {
      reject(chunk, start, end, error)
      return false
    }
    const { code, message, hint } = error
    const fields = { code, tag: chunk.tag, chunk: chunk.id, hint }
    if (this.#onError === 'pass') log.warn(`a record passes unchanged: ${message}`, fields, 'failed record')
    else log.error(`a record is dropped: ${message}`, fields, 'failed record')
    return this.#onError === 'pass'
  }
}
