import type { Clock, Logger } from '../../core/services.ts'
import { LogDeduplicator } from './dedup.ts'
import { formatJson, formatText, type LineLevel, type LogLine } from './format.ts'
import { FileSink, fdSink, isTerminal, type LogSink, type Note } from './sink.ts'

/** The agent's own log: levels per instance, folding of repetitions, secrets hidden, written before the call returns. */

/** As Log_Level says it. There is nothing below debug: `trace` is the same. */
export type LogLevel = 'off' | 'error' | 'warn' | 'warning' | 'info' | 'debug' | 'trace'

export interface LogOptions {
  level: LogLevel
  clock: Clock
  /** Default 2, stderr. */
  fd?: number
  /** Log_File, instead of `fd`; throws E_LOG_FILE when it cannot be opened. */
  file?: string
  /** Default: text on a terminal, JSON lines otherwise (a Log_File too). */
  format?: 'text' | 'json'
  /** Default: the environment's NO_COLOR; not empty means no colour. */
  noColor?: string | undefined
  /** Instead of `fd` and `file`. */
  sink?: LogSink
}

export interface Log {
  /**
   * The logger of an instance. `level` overrides that of the root. `suppressMs` is Log_Suppress_Interval: equal lines
   * of any level at most once in this time; 0 means 10 s for error and warn, and no folding of the others.
   */
  child(name: string, level?: LogLevel, suppressMs?: number): Logger
  /** True while something else (a progress bar) holds the terminal's last line: it is cleared before each line. */
  overlaid: boolean
  /** Level of every child without one of its own, from now on. */
  level: LogLevel
  reopen(): void
  /** Says what is still folded and closes a Log_File; later lines go to stderr. */
  close(): void
}

const RANK: Record<LogLevel, number> = { off: 0, error: 1, warn: 2, warning: 2, info: 3, debug: 4, trace: 4 }
const DEFAULT_FOLD_MS = 10_000
const CLEAR_LINE = '\r\x1b[2K'

export function createLog(options: LogOptions): Log {
  const { clock } = options
  const fd = options.fd ?? 2
  const toFd = options.sink === undefined && options.file === undefined
  const terminal = toFd && isTerminal(fd)
  const text = (options.format ?? (terminal ? 'text' : 'json')) === 'text'
  const colour = terminal && !(options.noColor ?? process.env.NO_COLOR)
  const format = (line: LogLine): string => (text ? formatText(line, colour) : formatJson(line))
  const note = (message: string): string =>
    format({ timeMs: clock.nowMs(), level: 'warn', plugin: 'log', message, fields: undefined })
  const sink = options.sink ?? openSink(options.file, fd, clock, note)

  function print(line: LogLine): void {
    const shown = format(line)
    sink.write(terminal && log.overlaid ? `${CLEAR_LINE}${shown}` : shown)
  }

  const fold = new LogDeduplicator(clock, print)
  const log: Log = {
    overlaid: false,
    level: options.level,
    child(name, level, suppressMs = 0) {
      const enabled = (rank: number): boolean => rank <= RANK[level ?? log.level]
      const say = (lineLevel: LineLevel, message: string, fields?: Record<string, unknown>): void => {
        if (!enabled(RANK[lineLevel])) return
        const line = { timeMs: clock.nowMs(), level: lineLevel, plugin: name, message, fields }
        const windowMs = suppressMs > 0 ? suppressMs : RANK[lineLevel] <= RANK.warn ? DEFAULT_FOLD_MS : 0
        if (windowMs === 0 || fold.admit(line, windowMs)) print(line)
      }
      return {
        error: (message, fields) => say('error', message, fields),
        warn: (message, fields) => say('warn', message, fields),
        info: (message, fields) => say('info', message, fields),
        debug: (message, fields) => say('debug', message, fields),
      }
    },
    reopen: () => sink.reopen(),
    close() {
      fold.flush()
      sink.close()
    },
  }
  return log
}

function openSink(file: string | undefined, fd: number, clock: Clock, note: Note): LogSink {
  return file === undefined ? fdSink(fd, note) : new FileSink(file, () => clock.nowMs(), note)
}
