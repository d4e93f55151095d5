import type { Clock, TimerHandle } from '../../core/services.ts'
import type { LogLine } from './format.ts'

/**
 * Folds what is said again and again into one line with a count.
 *
 * ```
 *   equal lines   x  x x   x |     x    x|          |
 *   printed       x          | x (repeated 3 times) | x (repeated 2 times)
 *                 |- window -|- window --|- window -|
 * ```
 * Equal: same level, plugin, message and `path` field; other fields may differ, the latest are shown with the count.
 * Lines with an error code are further held to LINES_PER_CODE a window, since their messages differ by file or peer.
 * Never lost without a word: whatever was folded is counted in a line at the end of its window, or at `flush`.
 */
export class LogDeduplicator {
  #clock: Clock
  #print: (line: LogLine) => void
  #messages = new Map<string, Entry>()
  #codes = new Map<string, Entry>()
  /** No window ends before this. */
  #nextEndMs = Infinity
  #lastMs = 0
  #timer: TimerHandle | undefined
  #timerMs = 0

  constructor(clock: Clock, print: (line: LogLine) => void) {
    this.#clock = clock
    this.#print = print
  }

  /** True when the line is to be printed now, false when it has been counted instead. */
  admit(line: LogLine, windowMs: number): boolean {
    if (line.timeMs >= this.#nextEndMs || line.timeMs < this.#lastMs) this.#endWindows(line.timeMs)
    this.#lastMs = line.timeMs
    const who = `${line.level}\0${line.plugin}\0`
    const message = `${who}${line.message.slice(0, KEY_CHARS)}\0${pathOf(line.fields)}`
    const known = this.#messages.get(message)
    if (known !== undefined) return this.#fold(known, line)
    const code = codeOf(line.fields)
    if (code !== undefined) {
      const entry = this.#entry(this.#codes, `${who}${code}`, line.timeMs, windowMs, code)
      if (entry.shown === LINES_PER_CODE) return this.#fold(entry, line)
      entry.shown++
    }
    this.#entry(this.#messages, message, line.timeMs, windowMs, '')
    return true
  }

  /** Says what is folded now and forgets all. */
  flush(): void {
    this.#clock.cancel(this.#timer)
    this.#timer = undefined
    for (const entries of [this.#messages, this.#codes]) {
      for (const entry of entries.values()) this.#tell(entry, this.#clock.nowMs())
      entries.clear()
    }
  }

  #fold(entry: Entry, line: LogLine): false {
    entry.folded++
    entry.line = line
    this.#wakeAt(entry.since + entry.windowMs)
    return false
  }

  #entry(entries: Map<string, Entry>, key: string, nowMs: number, windowMs: number, code: string): Entry {
    const known = entries.get(key)
    if (known !== undefined) return known
    if (entries.size >= MOST_ENTRIES) this.#forgetOldest(entries, nowMs)
    const entry = { line: undefined, since: nowMs, windowMs, shown: 0, folded: 0, code }
    entries.set(key, entry)
    this.#nextEndMs = Math.min(this.#nextEndMs, nowMs + windowMs)
    return entry
  }

  #forgetOldest(entries: Map<string, Entry>, nowMs: number): void {
    for (const [key, entry] of entries) {
      entries.delete(key)
      this.#tell(entry, nowMs)
      return
    }
  }

  #endWindows(nowMs: number): void {
    this.#nextEndMs = Infinity
    for (const entries of [this.#messages, this.#codes]) {
      for (const [key, entry] of entries) {
        // A clock that was set back ends the window too, or the message might be silent for hours.
        const over = nowMs < entry.since || nowMs - entry.since >= entry.windowMs
        if (over) {
          entries.delete(key)
          if (entry.folded === 0) continue
          this.#tell(entry, nowMs)
          entries.set(key, { ...entry, line: undefined, since: nowMs, shown: 0, folded: 0 })
        }
        this.#nextEndMs = Math.min(this.#nextEndMs, (over ? nowMs : entry.since) + entry.windowMs)
      }
    }
  }

  #tell(entry: Entry, nowMs: number): void {
    if (entry.line === undefined) return
    const seconds = Math.max(1, Math.round((nowMs - entry.since) / 1000))
    const times = `${entry.folded} ${entry.folded === 1 ? 'time' : 'times'}`
    const what = entry.code === '' ? `repeated ${times}` : `${entry.code} ${times} more`
    this.#print({ ...entry.line, timeMs: nowMs, message: `${entry.line.message} (${what} in ${seconds} s)` })
  }

  /** A timer runs only while something is folded, and never keeps the process alive. */
  #wakeAt(atMs: number): void {
    if (this.#timer !== undefined && this.#timerMs <= atMs) return
    this.#clock.cancel(this.#timer)
    this.#timerMs = atMs
    this.#timer = this.#clock.after(Math.max(1, atMs - this.#clock.nowMs()), () => {
      this.#timer = undefined
      this.#endWindows(this.#clock.nowMs())
      for (const entries of [this.#messages, this.#codes]) {
        for (const entry of entries.values()) {
          if (entry.folded > 0) this.#wakeAt(entry.since + entry.windowMs)
        }
      }
    })
    ;(this.#timer as { unref?: () => void }).unref?.()
  }
}

interface Entry {
  /** The latest folded; undefined when none is, so that what its fields refer to is not kept alive. */
  line: LogLine | undefined
  since: number
  windowMs: number
  /** Lines of this code printed in the window. */
  shown: number
  folded: number
  /** Empty for an entry of one message. */
  code: string
}

const MOST_ENTRIES = 256
const LINES_PER_CODE = 5
const KEY_CHARS = 500

function codeOf(fields: Record<string, unknown> | undefined): string | undefined {
  if (fields === undefined) return undefined
  const error = fields.error as { code?: unknown } | null | undefined
  const code = fields.code ?? error?.code
  return typeof code === 'string' ? code : undefined
}

function pathOf(fields: Record<string, unknown> | undefined): string {
  return typeof fields?.path === 'string' ? fields.path : ''
}
