import type { Clock, TimerHandle } from '../../core/services.ts'
import type { LogLine } from './format.ts'

/**
 * Combines repeated log lines into one line with a count.
 *
 * ```
 *   equal lines   x  x x   x |     x    x|          |
 *   printed       x          | x (repeated 3 times) | x (repeated 2 times)
 *                 |- window -|- window --|- window -|
 * ```
 * Lines are equal when level, plugin, message and the field `path` are; other fields may differ, and the count is printed
 * with the latest. Lines with an error code are also limited to MAX_LINES_PER_CODE per window, since their messages differ
 * by file or peer. No line is lost silently: a line at the end of the window, or at `flush`, has the suppressed count.
 */
export class LogDeduplicator {
  readonly #clock: Clock
  readonly #print: (line: LogLine) => void
  readonly #messages = new Map<string, Window>()
  readonly #codes = new Map<string, Window>()
  /** Earliest end of a window. */
  #nextEndMs = Infinity
  #lastMs = 0
  #timer: TimerHandle | undefined
  #timerMs = 0

  constructor(clock: Clock, print: (line: LogLine) => void) {
    this.#clock = clock
    this.#print = print
  }

  /** Returns true when the line is to be printed now, false when it is suppressed and counted. */
  admit(line: LogLine, windowMs: number): boolean {
    if (line.timeMs >= this.#nextEndMs || line.timeMs < this.#lastMs) this.#endWindows(line.timeMs)
    this.#lastMs = line.timeMs
    const source = `${line.level}\0${line.plugin}\0`
    const message = `${source}${line.message.slice(0, MAX_KEY_CHARS)}\0${pathOf(line.fields)}`
    const known = this.#messages.get(message)
    if (known !== undefined) return this.#suppress(known, line)
    const code = codeOf(line.fields)
    if (code !== undefined) {
      const window = this.#window(this.#codes, `${source}${code}`, line.timeMs, windowMs, code)
      if (window.printed === MAX_LINES_PER_CODE) return this.#suppress(window, line)
      window.printed++
    }
    this.#window(this.#messages, message, line.timeMs, windowMs, '')
    return true
  }

  /** Prints the counts of suppressed lines and closes all windows. */
  flush(): void {
    this.#clock.cancel(this.#timer)
    this.#timer = undefined
    for (const windows of [this.#messages, this.#codes]) {
      for (const window of windows.values()) this.#printCount(window, this.#clock.nowMs())
      windows.clear()
    }
  }

  #suppress(window: Window, line: LogLine): false {
    window.suppressed++
    window.line = line
    this.#wakeAt(window.startMs + window.windowMs)
    return false
  }

  #window(windows: Map<string, Window>, key: string, nowMs: number, windowMs: number, code: string): Window {
    const known = windows.get(key)
    if (known !== undefined) return known
    if (windows.size >= MAX_WINDOWS) this.#closeOldest(windows, nowMs)
    const window = { line: undefined, startMs: nowMs, windowMs, printed: 0, suppressed: 0, code }
    windows.set(key, window)
    this.#nextEndMs = Math.min(this.#nextEndMs, nowMs + windowMs)
    return window
  }

  #closeOldest(windows: Map<string, Window>, nowMs: number): void {
    for (const [key, window] of windows) {
      windows.delete(key)
      this.#printCount(window, nowMs)
      return
    }
  }

  #endWindows(nowMs: number): void {
    this.#nextEndMs = Infinity
    for (const windows of [this.#messages, this.#codes]) {
      for (const [key, window] of windows) {
        // A clock that was set back ends the window too, or the message might be suppressed for hours.
        const isOver = nowMs < window.startMs || nowMs - window.startMs >= window.windowMs
        if (isOver) {
          windows.delete(key)
          if (window.suppressed === 0) continue
          this.#printCount(window, nowMs)
          windows.set(key, { ...window, line: undefined, startMs: nowMs, printed: 0, suppressed: 0 })
        }
        this.#nextEndMs = Math.min(this.#nextEndMs, (isOver ? nowMs : window.startMs) + window.windowMs)
      }
    }
  }

  #printCount({ line, startMs, suppressed, code }: Window, nowMs: number): void {
    if (line === undefined) return
    const seconds = Math.max(1, Math.round((nowMs - startMs) / 1000))
    const times = suppressed === 1 ? 'time' : 'times'
    const count = code === '' ? `repeated ${suppressed} ${times}` : `${code} ${suppressed} more ${times}`
    this.#print({ ...line, timeMs: nowMs, message: `${line.message} (${count} in ${seconds} s)` })
  }

  /** Sets the timer, which runs only while lines are suppressed and never keeps the process alive. */
  #wakeAt(atMs: number): void {
    if (this.#timer !== undefined && this.#timerMs <= atMs) return
    this.#clock.cancel(this.#timer)
    this.#timerMs = atMs
    this.#timer = this.#clock.after(Math.max(1, atMs - this.#clock.nowMs()), () => {
      this.#timer = undefined
      this.#endWindows(this.#clock.nowMs())
      for (const windows of [this.#messages, this.#codes]) {
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
  windowMs: number
  /** Number of lines with this code printed in the window. */
  printed: number
  suppressed: number
  /** Empty for a window of one message. */
  code: string
}

const MAX_WINDOWS = 256
const MAX_LINES_PER_CODE = 5
const MAX_KEY_CHARS = 500

function codeOf(fields: Record<string, unknown> | undefined): string | undefined {
  if (fields === undefined) return undefined
  const error = fields.error as { code?: unknown } | null | undefined
  const code = fields.code ?? error?.code
  return typeof code === 'string' ? code : undefined
}

function pathOf(fields: Record<string, unknown> | undefined): string {
  return typeof fields?.path === 'string' ? fields.path : ''
}
