import type { Chunk, Origin } from '../../core/chunk.ts'
import { ShipperError } from '../../core/error.ts'
import { skip } from '../../core/msgpack/encode.ts'
import type { Clock, Counters, Logger } from '../../core/services.ts'
import {
  type DeadLetterCause,
  encodeRow,
  FILTER_CAUSES,
  OUTPUT_CAUSES,
  type PiecedRow,
  pieceRow,
} from '../../lib/dead-letters/row.ts'
import { EventTime } from '../../lib/records/event-time.ts'
import type { DeadLetterFile } from './file.ts'

/** Counter that every output has. */
export const DEAD_LETTER_COUNTERS = {
  dead_letters: {
    help: 'records that were given up and written to Dead_Letter_File',
    reasons: OUTPUT_CAUSES,
  },
} as const

/** Counters of every filter that has dead letters. */
export const FILTER_LETTER_COUNTERS = {
  dead_letters: {
    help: 'records on which the filter failed, written to Dead_Letter_File',
    reasons: FILTER_CAUSES,
  },
  dropped_records: 'records on which the filter failed, dropped because Dead_Letter_File is off',
} as const

/**
 * Where an output or filter keeps the records that it gives up: a file; `off`: nowhere, as the configuration says; `none`:
 * nowhere, because neither a file, a database, a buffer on disk nor SHIPPER_STATE is set.
 */
export type DeadLetterPlace = DeadLetterFile | 'off' | 'none'

/** Time without a failure after which the same one is logged again: the peer has taken the records that waited then. */
const NEWS_MS = 600_000
/** Largest record whose row is written at once. */
const MAX_WHOLE_BYTES = 65_536
/** Maximum number of files named as the origin of a record. */
const MAX_ORIGINS = 16

interface DeadLettersOptions {
  /** Name of the output or filter. */
  owner: string
  place: DeadLetterPlace
  clock: Clock
  log: Logger
  counters: Counters
}

/** What to do about records that are kept. */
export const KEPT_HINT =
  'repair the cause, then send them again: `shipper dead-letters replay FILE -c CONFIG`; `list` and `show` print them'

/** What a queue or filter does with the records that it gives up. */
export interface Keeper {
  /** True when the configuration says that what is given up is dropped. */
  readonly isOff: boolean
  /** True when there is a file. */
  readonly hasFile: boolean
  /** What happens to the records, in the words of a log line: `written to FILE`. */
  readonly fate: string
  /**
   * Keeps the record whose entry is `chunk.buf[start, end)`. Throws a retryable E_DEAD_LETTERS when it cannot be
   * kept: then it must not be given up. It is safe from a crash only after `sync`.
   */
  keep(chunk: Chunk, start: number, end: number, error: ShipperError, cause: DeadLetterCause): void
  /** Resolves when everything kept so far is on disk. */
  sync(): Promise<void>
}

/** Keeps the records that an output or filter gives up in its file. */
export class DeadLetters implements Keeper {
  readonly #options: DeadLettersOptions
  readonly #time = new EventTime()
  /** Reason why nothing can be kept now; logged once, as long as it is met again and again. */
  #failure: string | undefined
  #failedMs = 0

  constructor(options: DeadLettersOptions) {
    this.#options = options
  }

  get isOff(): boolean {
    return this.#options.place === 'off'
  }

  get hasFile(): boolean {
    return typeof this.#options.place === 'object'
  }

  get fate(): string {
    const { place } = this.#options
    return typeof place === 'object' ? `written to ${place.path}` : 'dropped'
  }

  keep(chunk: Chunk, start: number, end: number, error: ShipperError, cause: DeadLetterCause): void {
    const { place, counters } = this.#options
    try {
      if (typeof place === 'string') throw noPlace()
      place.append(this.#row(chunk, start, end, error, cause))
    } catch (failure) {
      this.#logFailure(failure as Error, error)
      throw failure
    }
    counters.add('dead_letters', 1, cause)
  }

  async sync(): Promise<void> {
    const { place, log } = this.#options
    if (typeof place === 'string') return
    try {
      await place.sync()
    } catch (failure) {
      this.#logFailure(failure as Error)
      throw failure
    }
    if (this.#failure === undefined) return
    this.#failure = undefined
    log.info('rejected records can be kept again')
  }

  /** `rejection`: why the record that could not be kept is given up; only the file would name it. */
  #logFailure(failure: Error, rejection?: ShipperError): void {
    const nowMs = this.#options.clock.nowMs()
    const isKnown = this.#failure === failure.message && nowMs - this.#failedMs < NEWS_MS
    this.#failedMs = nowMs
    if (isKnown) return
    this.#failure = failure.message
    const { code, hint } =
      failure instanceof ShipperError ? failure : { code: 'E_INTERNAL' as const, hint: undefined }
    const reason = rejection === undefined ? '' : `. The first of them: ${rejection.message}`
    this.#options.log.error(
      `rejected records wait, nothing is dropped: ${failure.message}; inputs pause at their memory limit${reason}`,
      { code, hint },
    )
  }

  #row(
    chunk: Chunk,
    start: number,
    end: number,
    error: ShipperError,
    cause: DeadLetterCause,
  ): Buffer | PiecedRow {
    const { owner, clock } = this.#options
    const time = this.#timeOf(chunk, start, end)
    const letter = {
      time: new Date(clock.nowMs()).toISOString(),
      cause,
      code: error.code,
      reason: error.message,
      tag: chunk.tag,
      input: chunk.input,
      ...originFields(chunk.origins),
      output: owner,
      chunk: chunk.id,
      ...(time === undefined ? {} : { record_time: time }),
    }
    if (end - start > MAX_WHOLE_BYTES) return pieceRow(letter, chunk.buf, start, end)
    return encodeRow({ ...letter, record: chunk.buf.toString('base64', start, end) })
  }

  #timeOf(chunk: Chunk, start: number, end: number): string | undefined {
    if (end - start < 2 || skip(chunk.buf, start, end) !== end) return undefined
    this.#time.read(chunk.buf, start)
    return this.#time.iso()
  }
}

function originFields(origins: readonly Origin[]): { origin?: Origin; origins?: readonly Origin[] } {
  const [first] = origins
  if (first === undefined) return {}
  return origins.length === 1 ? { origin: first } : { origins: origins.slice(0, MAX_ORIGINS) }
}

function noPlace(): ShipperError {
  return new ShipperError('E_DEAD_LETTERS', 'no dead-letter file is configured', {
    retryable: true,
    hint: 'set Dead_Letter_File of the output or filter to a path, or to `off` to drop what is rejected; with a DB of an input, a buffer on disk, or SHIPPER_STATE in the environment, there is a default',
  })
}
