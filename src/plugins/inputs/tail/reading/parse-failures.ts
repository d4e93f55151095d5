import { escapeControls } from '../../../../core/escape-controls.ts'
import type { Clock, Counters, Logger } from '../../../../core/services.ts'
import { utf8Floor } from '../../../../core/utf8.ts'
import type { TailFile } from '../file/tail-file.ts'

/** Maximum number of bytes of a line that are logged. */
const SHOWN_BYTES = 100
/**
 * Maximum number of files per hour whose first failure is logged; those of further files are only counted.
 */
const MAX_FILES_PER_HOUR = 50
const HOUR_MS = 3_600_000

interface ParseFailuresOptions {
  /** Name of the parser, or names, as configured. */
  parser: string
  /** Key under which an unparsed line is kept. */
  key: string
  counters: Counters
  log: Logger
  clock: Clock
}

/** A line src[start, end), which begins at `offset` of the file. */
export interface FailedLine {
  src: Buffer
  start: number
  end: number
  offset: number
}

/**
 * Counts unparsed lines and unreadable times, for the input and for each file, and logs the first of each per
 * file. This shows that a log format has changed, and a file in another format does not flood the log.
 */
export class ParseFailures {
  readonly #options: ParseFailuresOptions
  #hourEndMs = 0
  #filesInHour = 0

  constructor(options: ParseFailuresOptions) {
    this.#options = options
  }

  recordUnparsed(file: TailFile, line: FailedLine): void {
    const { counters, key, parser } = this.#options
    counters.add('parse_failed')
    if (file.failures.addUnparsed() && this.#admit())
      this.#warn(
        `${file.path} has a line that parser ${parser} cannot parse: it is kept unchanged under "${key}"`,
        line,
      )
  }

  recordUntimed(file: TailFile, line: FailedLine): void {
    const { counters, parser } = this.#options
    counters.add('time_failed')
    if (file.failures.addUntimed() && this.#admit())
      this.#warn(
        `${file.path} has a time that parser ${parser} cannot read: the record gets the time of reading and keeps the field`,
        line,
      )
  }

  #warn(message: string, { src, start, end, offset }: FailedLine): void {
    const shown = end - start > SHOWN_BYTES ? utf8Floor(src, start, start + SHOWN_BYTES) : end
    const dots = shown < end ? '...' : ''
    this.#options.log.warn(message, {
      line: escapeControls(src.toString('utf8', start, shown)) + dots,
      offset,
      hint: 'later ones of this file are only counted, see parse_failed and time_failed in /api/v1/files',
    })
  }

  #admit(): boolean {
    const nowMs = this.#options.clock.nowMs()
    if (nowMs >= this.#hourEndMs || nowMs < this.#hourEndMs - HOUR_MS) {
      this.#hourEndMs = nowMs + HOUR_MS
      this.#filesInHour = 0
    }
    return ++this.#filesInHour <= MAX_FILES_PER_HOUR
  }
}
