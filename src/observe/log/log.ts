import type { Clock, LoggedLine, Logger } from '../../core/services.ts'
import { FsFailure, fstat } from '../../lib/fs/file-system.ts'
import { LogDeduplicator } from './dedup.ts'
import { bodyText, formatJson, formatText, type LineLevel, type LogLine } from './format.ts'
import { FileSink, type FormatNote, fdSink, isTerminal, type LogSink } from './sink.ts'

/** The agent's log: levels per instance, deduplication, secrets hidden, written before the call returns. */

/** Values of Log_Level. There is nothing below debug: `trace` is the same. */
export type LogLevel = 'off' | 'error' | 'warn' | 'warning' | 'info' | 'debug' | 'trace'

type LogFormat = 'text' | 'json'

export interface LogOptions {
  level: LogLevel
  clock: Clock
  /** Descriptor to write to; default 2, stderr. */
  fd?: number
  /** Log_File, used instead of `fd`; E_LOG_FILE is thrown when it cannot be opened. */
  file?: string
  /** Format of lines; default: text on a terminal, JSON otherwise, also in a Log_File. */
  format?: LogFormat | undefined
  /** Value of NO_COLOR, by default from the environment; not empty means no color. */
  noColor?: string | undefined
  /** Sink used instead of `fd` and `file`. */
  sink?: LogSink
}

export interface Log {
  /**
   * Returns the logger of an instance. `level` overrides that of the root. `suppressMs` is Log_Suppress_Interval: equal
   * lines of any level appear at most once in this time; 0 means 10 s for error and warn, growing to an hour while they
   * go on, and no limit for the others.
   */
  child(name: string, level?: LogLevel, suppressMs?: number): Logger
  /** True while a progress bar occupies the last line of the terminal, which is then cleared before each line. */
  overlaid: boolean
  /** Level of every child without one of its own; may be changed at any time. */
  level: LogLevel
  /** Calls `take` for each line that is written, other than those of `block`, until the returned function is called. */
  tap(take: (line: LoggedLine) => void): () => void
  /** Writes lines of text that belong together, e.g. a dump: as they are, or each as a line of JSON where lines are. */
  block(name: string, lines: readonly string[]): void
  /** Prints pending counts of suppressed lines, so that the next line is the last one. */
  flush(): void
  /** Reopens a Log_File. */
  reopen(): void
  /** Prints pending counts of suppressed lines and closes a Log_File; later lines go to stderr. */
  close(): void
}

const RANK: Record<LogLevel, number> = { off: 0, error: 1, warn: 2, warning: 2, info: 3, debug: 4, trace: 4 }
/** Levels of syslog, which journald reads from the start of a line. */
const PRIORITIES: Record<LineLevel, number> = { error: 3, warn: 4, info: 6, debug: 7 }
const CLEAR_LINE = '\r\x1b[2K'

export function createLog(options: LogOptions): Log {
  const { clock } = options
  const fd = options.fd ?? 2
  const usesFd = options.sink === undefined && options.file === undefined
  const isOnTerminal = usesFd && isTerminal(fd)
  const isText = (options.format ?? (isOnTerminal ? 'text' : 'json')) === 'text'
  const color = isOnTerminal && !(options.noColor ?? process.env.NO_COLOR)
  const isJournal = usesFd && isJournalStream(fd)
  const format = (line: LogLine): string => {
    const text = isText ? formatText(line, color) : formatJson(line)
    return isJournal ? `<${PRIORITIES[line.level]}>${text}` : text
  }
  const formatNote = (message: string): string =>
    format({ timeMs: clock.nowMs(), level: 'warn', plugin: 'log', message, fields: undefined })
  const sink = options.sink ?? openSink(options.file, fd, clock, formatNote)

  const taps = new Set<(line: LoggedLine) => void>()

  function write(line: LogLine): void {
    const text = format(line)
    sink.write(isOnTerminal && log.overlaid ? `${CLEAR_LINE}${text}` : text)
  }

  function print(line: LogLine): void {
    write(line)
    if (taps.size === 0) return
    const { timeMs, level, plugin } = line
    const logged = { timeMs, level, instance: plugin, text: bodyText(line) }
    for (const take of taps) take(logged)
  }

  const deduplicator = new LogDeduplicator(clock, print)
  const log: Log = {
    overlaid: false,
    level: options.level,
    child(name, level, suppressMs = 0) {
      const enabled = (rank: number): boolean => rank <= RANK[level ?? log.level]
      const logLine = (
        lineLevel: LineLevel,
        message: string,
        fields?: Record<string, unknown>,
        kind?: string,
      ): void => {
        if (!enabled(RANK[lineLevel])) return
        const line = { timeMs: clock.nowMs(), level: lineLevel, plugin: name, message, fields, kind }
        const isFolded = suppressMs > 0 || RANK[lineLevel] <= RANK.warn || fields?.event !== undefined
        if (isFolded && !deduplicator.admit(line, suppressMs > 0 ? suppressMs : undefined)) return
        if (!isFolded && lineLevel === 'info' && !deduplicator.admitRepeated(line)) return
        if (lineLevel === 'info') deduplicator.printCounts(name)
        print(line)
      }
      return {
        error: (message, fields, kind) => logLine('error', message, fields, kind),
        warn: (message, fields, kind) => logLine('warn', message, fields, kind),
        info: (message, fields) => logLine('info', message, fields),
        debug: (message, fields) => logLine('debug', message, fields),
      }
    },
    tap(take) {
      taps.add(take)
      return () => taps.delete(take)
    },
    block(name, lines) {
      if (isText && !isJournal) {
        sink.write(lines.map((line) => `${line}\n`).join(''))
        return
      }
      const timeMs = clock.nowMs()
      for (const message of lines)
        if (message !== '') write({ timeMs, level: 'info', plugin: name, message, fields: undefined })
    },
    flush: () => deduplicator.flush(),
    reopen: () => sink.reopen(),
    close() {
      deduplicator.flush()
      sink.close()
    },
  }
  return log
}

function openSink(file: string | undefined, fd: number, clock: Clock, formatNote: FormatNote): LogSink {
  return file === undefined ? fdSink(fd, formatNote) : new FileSink(file, () => clock.nowMs(), formatNote)
}

/** Returns true when the descriptor is the one by which systemd passes lines to the journal. */
function isJournalStream(fd: number): boolean {
  const named = process.env.JOURNAL_STREAM
  if (named === undefined) return false
  const found = fstat(fd)
  return !(found instanceof FsFailure) && named === `${found.dev}:${found.ino}`
}
