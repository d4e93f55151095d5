import { escapeControls } from '../../core/escape-controls.ts'
import type { InputContext } from '../../core/plugin.ts'
import type { CounterTable } from '../../core/services.ts'
import { utf8Floor } from '../../core/utf8.ts'
import { regexCounter } from '../regex/counters.ts'

/** Maximum number of bytes of a line that are logged. */
const SHOWN_BYTES = 100
/** Time for which failures of one kind are only counted after one was logged. */
const QUIET_MS = 60_000
/** Default of Regex_Max_Length. */
const MAX_PARSED_BYTES = 64_000

/** Counters of an input that reads lines of senders. */
export const LINE_COUNTERS = {
  ...regexCounter('parser'),
  parse_failed: 'messages that could not be parsed, kept unchanged',
  time_failed: 'records whose time could not be read; they have the time of arrival',
  long_line_truncated: 'messages that were cut because they are longer than the limit',
  lost_bytes: {
    help: 'bytes that are in no record',
    reasons: {
      long_line: 'the rest of a message that was cut',
      memory: 'no memory was left for what had arrived',
    },
  },
} as const satisfies CounterTable

type LineFailure = 'parse_failed' | 'time_failed' | 'long_line_truncated'

/** Who sends a line, as messages name it; undefined for a local program. */
interface Named {
  readonly peer?: string | undefined
}

/** What is known of the messages of an input. */
interface MessageForm {
  /** Returns true for a message that says itself that it has no time. */
  isTimeless?(src: Buffer, start: number, end: number): boolean
  /** Returns what to do about a message that is not parsed. */
  adviceFor?(src: Buffer, start: number, end: number): string | undefined
}

/** When a failure was logged last, and its count then. */
interface LastLogged {
  readonly ms: number
  readonly count: number
}

/** The input, as seen by what reads its lines. */
export class LineHost {
  readonly ctx: InputContext
  /** Key under which a message is kept that is not parsed. */
  readonly textKey: string
  readonly #form: MessageForm
  readonly #logged = new Map<LineFailure, LastLogged>()

  constructor(ctx: InputContext, textKey: string, form: MessageForm = {}) {
    this.ctx = ctx
    this.textKey = textKey
    this.#form = form
  }

  /** Counts a message that was not parsed, or whose time was not read, and logs one now and then. */
  failed(
    counter: 'parse_failed' | 'time_failed',
    sender: Named,
    src: Buffer,
    start: number,
    end: number,
  ): void {
    if (counter === 'time_failed' && this.#form.isTimeless?.(src, start, end) === true) return
    this.ctx.counters.add(counter)
    const before = this.#due(counter)
    if (before === undefined) return
    const what =
      counter === 'parse_failed'
        ? `a message could not be parsed: it is kept unchanged under "${this.textKey}"`
        : 'a time could not be read: the record gets the time of arrival and keeps the field'
    const isLong = counter === 'parse_failed' && end - start > MAX_PARSED_BYTES
    this.#log(counter, `${what}${before}`, sender, {
      line: shown(src, start, end),
      ...(isLong ? { bytes: end - start } : {}),
      hint: isLong
        ? 'a parser of Format regex leaves out what is longer than its Regex_Max_Length, 64K by default'
        : (this.#form.adviceFor?.(src, start, end) ??
          `more are counted in ${counter}, and logged once a minute`),
    })
  }

  /** Counts a message that is longer than the limit, and logs one now and then. `option` names the limit. */
  cut(maxBytes: number, option: string, sender: Named): void {
    this.ctx.counters.add('long_line_truncated')
    const before = this.#due('long_line_truncated')
    if (before === undefined) return
    const what = `a message of more than ${maxBytes} bytes was cut; the record has truncated: true${before}`
    this.#log('long_line_truncated', what, sender, {
      hint: `raise ${option}; more are counted in long_line_truncated and lost_bytes, and logged once a minute`,
    })
  }

  /** Counts bytes of a message that was cut. */
  lost(bytes: number): void {
    if (bytes > 0) this.ctx.counters.add('lost_bytes', bytes, 'long_line')
  }

  /** Returns a text about those that were not logged; undefined while they are only counted. */
  #due(counter: LineFailure): string | undefined {
    const last = this.#logged.get(counter)
    // A clock that was set back is no reason to be silent for hours.
    if (last !== undefined && Math.abs(this.ctx.clock.nowMs() - last.ms) < QUIET_MS) return undefined
    const more = this.ctx.counters.get(counter) - (last?.count ?? 0) - 1
    return more > 0 ? `; so it was with ${more} more since the last such line` : ''
  }

  #log(counter: LineFailure, what: string, { peer }: Named, fields: Record<string, unknown>): void {
    const { clock, counters, log } = this.ctx
    this.#logged.set(counter, { ms: clock.nowMs(), count: counters.get(counter) })
    log.warn(what, { ...(peer === undefined ? {} : { peer }), ...fields })
  }
}

/** Returns the beginning of a line, as one line. */
function shown(src: Buffer, start: number, end: number): string {
  const isWhole = end - start <= SHOWN_BYTES
  const to = isWhole ? end : utf8Floor(src, start, start + SHOWN_BYTES)
  return `${escapeControls(src.toString('utf8', start, to))}${isWhole ? '' : '…'}`
}
