import type { Clock, TimerHandle } from '../../core/services.ts'
import { durationText } from '../../lib/text/duration.ts'
import type { LogLine } from './format.ts'

/**
 * Combines repeated log lines into one line with a count.
 *
 * ```
 *   equal lines   x  x x   x |     x    x|          |
 *   printed       x          | x (repeated 3 times) | x (repeated 2 times)
 *                 |- window -|- window --|- window -|
 * ```
 * Without Log_Suppress_Interval the window grows while a line keeps being repeated: WINDOWS_MS. A line that was not repeated
 * for MAX_PAUSE_MS is printed at once. A line of level info, which tells of a recovery or of the end, is the last word:
 * the counts of its instance are printed before it, each at most once in EARLY_MS.
 *
 * Lines are equal when level, plugin, message and the field `path` are, or when they are of one kind; what else may differ
 * is printed of the latest, with the count. Lines of no kind with an error code or a field `event` are also limited to
 * MAX_LINES_PER_CODE per window, since their messages differ by file or peer, and all others of an instance and level to
 * MAX_LINES: who may create files or connections must not fill the disk with lines about them. So must a thousand instances not
 * that fail in turn: warnings, and errors, of all of them are limited to MAX_TOTAL. No line is lost silently: a line at the end
 * of the window, or at `flush`, has the suppressed count.
 */
export class LogDeduplicator {
  readonly #clock: Clock
  readonly #print: (line: LogLine) => void
  readonly #messages = new Map<string, Window>()
  readonly #codes = new Map<string, Window>()
  /** One window for each level that has a total. */
  readonly #totals = new Map<string, Window>()
  /** Earliest end of a window. */
  #nextEndMs = Infinity
  #lastMs = 0
  #timer: TimerHandle | undefined
  #timerMs = 0

  constructor(clock: Clock, print: (line: LogLine) => void) {
    this.#clock = clock
    this.#print = print
  }

  /**
   * Returns true when the line is to be printed now, false when it is suppressed and counted. `windowMs` is
   * Log_Suppress_Interval; undefined: windows that grow.
   */
  admit(line: LogLine, windowMs: number | undefined): boolean {
    if (line.timeMs >= this.#nextEndMs || line.timeMs < this.#lastMs) this.#endWindows(line.timeMs)
    this.#lastMs = line.timeMs
    const source = `${line.level}\0${line.plugin}\0`
    const message = `${source}${keyOf(line)}`
    const known = this.#messages.get(message)
    const isNew = known?.grows === true && line.timeMs - known.lastMs >= MAX_PAUSE_MS
    if (known !== undefined && !isNew) return this.#suppress(known, line)
    if (known !== undefined) {
      this.#messages.delete(message)
      this.#printCount(known, line.timeMs)
    }
    const code = codeOf(line.fields)
    const isRare = line.level !== 'warn' && line.level !== 'error'
    const total = isRare ? undefined : this.#window(this.#totals, line.level, line.timeMs, undefined, TOTAL)
    if (total?.printed === MAX_TOTAL) return this.#suppress(total, line)
    if (code !== undefined && line.kind === undefined) {
      const window = this.#window(this.#codes, `${source}${code}`, line.timeMs, windowMs, code)
      if (window?.printed === MAX_LINES_PER_CODE) return this.#suppress(window, line)
      if (window !== undefined) window.printed++
    }
    if (code === undefined && line.kind === undefined && this.#isFlood(line, source, windowMs)) return false
    const window = this.#window(this.#messages, message, line.timeMs, windowMs, '')
    // Without a window of its own each repetition would be printed.
    if (window === undefined && total !== undefined) return this.#suppress(total, line)
    if (total !== undefined) total.printed++
    return true
  }

  get #allWindows(): Map<string, Window>[] {
    return [this.#messages, this.#codes, this.#totals]
  }

  /** Like `admit`, for a line of which repetitions are news. */
  admitRepeated(line: LogLine): boolean {
    if (line.timeMs >= this.#nextEndMs || line.timeMs < this.#lastMs) this.#endWindows(line.timeMs)
    this.#lastMs = line.timeMs
    return !this.#isFlood(line, `${line.level}\0${line.plugin}\0`, undefined)
  }

  /** Counts the line in the window of its instance and level; suppresses it beyond MAX_LINES. */
  #isFlood(line: LogLine, source: string, windowMs: number | undefined): boolean {
    const window = this.#window(this.#codes, source, line.timeMs, windowMs, OTHERS)
    if (window === undefined) return false
    if (window.printed === MAX_LINES) return !this.#suppress(window, line)
    window.printed++
    return false
  }

  /** Prints the counts of an instance, each at most once in EARLY_MS; its windows go on. */
  printCounts(plugin: string): void {
    const nowMs = this.#clock.nowMs()
    for (const windows of this.#allWindows) {
      for (const window of windows.values()) {
        if (window.line?.plugin !== plugin) continue
        // What recovers and fails again and again, such as a file, would be printed each time.
        if (nowMs >= window.earlyMs && nowMs - window.earlyMs < EARLY_MS) continue
        window.earlyMs = nowMs
        this.#printCount(window, nowMs)
        window.suppressed = 0
        window.line = undefined
      }
    }
  }

  /** Prints the counts of suppressed lines and closes all windows. */
  flush(): void {
    this.#clock.cancel(this.#timer)
    this.#timer = undefined
    for (const windows of this.#allWindows) {
      for (const window of windows.values()) this.#printCount(window, this.#clock.nowMs())
      windows.clear()
    }
  }

  #suppress(window: Window, line: LogLine): false {
    window.suppressed++
    window.line = line
    window.lastMs = line.timeMs
    this.#wakeAt(window.startMs + window.windowMs)
    return false
  }

  /** Returns the window of a key; undefined when there are too many, all of which have lines to be counted. */
  #window(
    windows: Map<string, Window>,
    key: string,
    nowMs: number,
    fixedMs: number | undefined,
    code: string,
  ): Window | undefined {
    const known = windows.get(key)
    if (known !== undefined) return known
    if (windows.size >= MAX_WINDOWS && !forgetIdle(windows)) return undefined
    const windowMs = fixedMs ?? (WINDOWS_MS[0] as number)
    // Different messages with one code may each be news, so theirs stays short.
    const grows = fixedMs === undefined && code === ''
    const window = {
      line: undefined,
      startMs: nowMs,
      lastMs: nowMs,
      earlyMs: Number.NEGATIVE_INFINITY,
      windowMs,
      grows,
      printed: 0,
      suppressed: 0,
      code,
    }
    windows.set(key, window)
    this.#nextEndMs = Math.min(this.#nextEndMs, nowMs + windowMs)
    return window
  }

  #endWindows(nowMs: number): void {
    this.#nextEndMs = Infinity
    for (const windows of this.#allWindows) {
      for (const [key, window] of windows) {
        // A clock that was set back ends the window too, or the message might be suppressed for hours.
        const isOver = nowMs < window.startMs || nowMs - window.startMs >= window.windowMs
        if (isOver) {
          windows.delete(key)
          if (window.suppressed === 0) continue
          this.#printCount(window, nowMs)
          const windowMs = window.grows ? nextWindowMs(window.windowMs) : window.windowMs
          const next = { ...window, windowMs, line: undefined, startMs: nowMs, printed: 0, suppressed: 0 }
          windows.set(key, next)
          this.#nextEndMs = Math.min(this.#nextEndMs, nowMs + windowMs)
          continue
        }
        this.#nextEndMs = Math.min(this.#nextEndMs, window.startMs + window.windowMs)
      }
    }
  }

  #printCount({ line, startMs, suppressed, code }: Window, nowMs: number): void {
    if (line === undefined) return
    const time = durationText(Math.max(1000, Math.round((nowMs - startMs) / 1000) * 1000))
    const times = suppressed === 1 ? 'time' : 'times'
    let count = code === '' ? `repeated ${suppressed} ${times}` : `${code} ${suppressed} more ${times}`
    if (code === OTHERS) count = `${suppressed} lines, of which this is the last, are not shown`
    if (code === TOTAL) count = `${suppressed} lines of all plugins, of which this is the last, are not shown`
    this.#print({ ...line, timeMs: nowMs, message: `${line.message} (${count} in ${time})` })
  }

  /** Sets the timer, which runs only while lines are suppressed and never keeps the process alive. */
  #wakeAt(atMs: number): void {
    if (this.#timer !== undefined && this.#timerMs <= atMs) return
    this.#clock.cancel(this.#timer)
    this.#timerMs = atMs
    this.#timer = this.#clock.after(Math.max(1, atMs - this.#clock.nowMs()), () => {
      this.#timer = undefined
      this.#endWindows(this.#clock.nowMs())
      for (const windows of this.#allWindows) {
        for (const window of windows.values()) {
          if (window.suppressed > 0) this.#wakeAt(window.startMs + window.windowMs)
        }
      }
    })
    ;(this.#timer as { unref?: () => void }).unref?.()
  }
}

/** A window of one message or one error code. */
interface Window {
  /** Latest suppressed line; undefined when there is none, so that objects in its fields are not kept alive. */
  line: LogLine | undefined
  startMs: number
  /** Time of the latest line. */
  lastMs: number
  /** When the count was last printed before the end of the window. */
  earlyMs: number
  windowMs: number
  /** True when the next window is longer. */
  grows: boolean
  /** Number of lines with this code printed in the window. */
  printed: number
  suppressed: number
  /** Empty for a window of one message, OTHERS for one of all messages without a code, TOTAL for one of all instances. */
  code: string
}

/** Lengths of the windows of a line that keeps being repeated; the last one stays. */
const WINDOWS_MS = [10_000, 60_000, 600_000, 3_600_000]
/** Least time between counts that are printed before the end of their window. */
const EARLY_MS = 10_000
/** Pause after which a line counts as new. */
const MAX_PAUSE_MS = 60_000
const MAX_WINDOWS = 256
const MAX_LINES_PER_CODE = 5
/** Maximum lines without a code of an instance and level in a window; a start or a rotation of some files has fewer. */
const MAX_LINES = 100
/** Maximum warnings, and errors, of all instances in a window of 10 s, without the counts of the others. */
const MAX_TOTAL = 300
const OTHERS = 'others'
const TOTAL = 'total'
const MAX_KEY_CHARS = 500

/** Removes the oldest window in which nothing is suppressed; returns false when there is none. */
function forgetIdle(windows: Map<string, Window>): boolean {
  for (const [key, { suppressed }] of windows) if (suppressed === 0) return windows.delete(key)
  return false
}

function nextWindowMs(windowMs: number): number {
  return WINDOWS_MS.find((ms) => ms > windowMs) ?? windowMs
}

function codeOf(fields: Record<string, unknown> | undefined): string | undefined {
  if (fields === undefined) return undefined
  const error = fields.error as { code?: unknown } | null | undefined
  const code = fields.code ?? error?.code ?? fields.event
  return typeof code === 'string' ? code : undefined
}

/** Returns what repetitions of the line have in common. */
function keyOf({ message, fields, kind }: LogLine): string {
  if (kind !== undefined) return `\0${kind}`
  return `${message.slice(0, MAX_KEY_CHARS)}\0${pathOf(fields)}`
}

function pathOf(fields: Record<string, unknown> | undefined): string {
  return typeof fields?.path === 'string' ? fields.path : ''
}
