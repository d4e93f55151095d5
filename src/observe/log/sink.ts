import { closeSync, fstatSync, openSync, statSync, writeSync } from 'node:fs'
import { reasonOf, ShipperError, systemCode } from '../../core/error.ts'

/**
 * Destination of log lines. All writes are synchronous, so that the last lines before an exit are not lost. A pipe with a
 * stuck reader therefore blocks the agent, unless it is non-blocking: then lines are dropped and counted.
 */
export interface LogSink {
  write(line: string): void
  /** Reopens the file after it was renamed. */
  reopen(): void
  close(): void
}

/** Formats a message of the sink itself as a log line. */
export type FormatNote = (message: string) => string

/** Creates a sink for a descriptor that it does not own: stderr. */
export function fdSink(fd: number, formatNote: FormatNote, maxWaitMs = MAX_WAIT_MS): LogSink {
  let lost = 0
  let isTorn = false
  let isClosed = false
  return {
    write(line) {
      if (isClosed) return
      const text =
        lost === 0
          ? line
          : formatNote(`${lost} log lines were dropped: the reader of the log is too slow`) + line
      const bytes = Buffer.from(isTorn ? `\n${text}` : text)
      try {
        const written = writeAll(fd, bytes, maxWaitMs)
        const isComplete = written === bytes.length
        lost = isComplete ? 0 : lost + 1
        // The first byte after a torn line is a newline: if only that was written, the next line starts on its own.
        isTorn = !isComplete && (isTorn ? written !== 1 : written > 0)
      } catch {
        // EPIPE, EBADF, EIO of a closed terminal: there is no reader any more.
        isClosed = true
      }
    },
    reopen() {},
    close() {},
  }
}

/**
 * Appends to `Log_File`. The file is reopened when its path refers to another file (rotation; checked once a second while
 * lines are written) and when a write fails. While it cannot be written, lines go to `fallback` after one with the reason,
 * and the file is retried once a second.
 */
export class FileSink implements LogSink {
  readonly #path: string
  #fd: number | undefined
  readonly #nowMs: () => number
  readonly #formatNote: FormatNote
  readonly #fallback: LogSink
  #checkedMs: number
  #isFailing = false
  #isClosed = false

  constructor(
    path: string,
    nowMs: () => number,
    formatNote: FormatNote,
    fallback: LogSink = fdSink(2, formatNote),
  ) {
    this.#path = path
    this.#nowMs = nowMs
    this.#formatNote = formatNote
    this.#fallback = fallback
    this.#fd = openLog(path)
    this.#checkedMs = nowMs()
  }

  write(line: string): void {
    const nowMs = this.#nowMs()
    const isDue = Math.abs(nowMs - this.#checkedMs) >= CHECK_INTERVAL_MS
    if (isDue) this.#checkedMs = nowMs
    if (this.#isClosed || (this.#isFailing && !isDue)) {
      this.#fallback.write(line)
      return
    }
    let problem = this.#attempt(line, isDue)
    // Retry on a reopened file: a stale descriptor must not cost a line.
    if (problem !== undefined && !this.#isFailing) problem = this.#attempt(line, false)
    if (problem !== undefined) {
      const reason =
        problem instanceof ShipperError
          ? problem.message
          : `cannot write log_file ${this.#path}: ${reasonOf(problem)}`
      if (!this.#isFailing)
        this.#fallback.write(this.#formatNote(`${reason}; logging to stderr until it can be written`))
      this.#fallback.write(line)
    }
    this.#isFailing = problem !== undefined
  }

  reopen(): void {
    this.#release()
    this.#fd = openLog(this.#path)
    this.#isFailing = false
  }

  close(): void {
    this.#release()
    this.#isClosed = true
  }

  /** Writes the line and returns the error, if any; `check` compares the path with the open file before. */
  #attempt(line: string, check: boolean): unknown {
    try {
      if (this.#fd === undefined || (check && !isSameFile(this.#path, this.#fd))) {
        this.#release()
        this.#fd = openLog(this.#path)
      }
      writeAll(this.#fd, Buffer.from(line), MAX_WAIT_MS)
      return undefined
    } catch (error) {
      this.#release()
      return error
    }
  }

  #release(): void {
    const fd = this.#fd
    this.#fd = undefined
    if (fd === undefined) return
    try {
      closeSync(fd)
    } catch {
      // The file system was unmounted or failed: there is nothing left to do.
    }
  }
}

/** Returns true for a terminal. node:tty (1.5 MB) is loaded only for a character device. */
export function isTerminal(fd: number): boolean {
  try {
    return fstatSync(fd).isCharacterDevice() && process.getBuiltinModule('node:tty').isatty(fd)
  } catch {
    return false
  }
}

/** Time to wait for space in a full non-blocking descriptor. */
const MAX_WAIT_MS = 200
const CHECK_INTERVAL_MS = 1000
/** Never signaled: `Atomics.wait` on it is a synchronous sleep. */
const SLEEP_CELL = new Int32Array(new SharedArrayBuffer(4))

/** Writes bytes and returns how many were written; fewer when a non-blocking descriptor stayed full for `maxWaitMs`. */
function writeAll(fd: number, bytes: Buffer, maxWaitMs: number): number {
  let at = 0
  let waitedMs = 0
  while (at < bytes.length) {
    try {
      at += writeSync(fd, bytes, at)
      waitedMs = 0
    } catch (error) {
      const code = systemCode(error)
      if (code === 'EINTR') continue
      if (code !== 'EAGAIN') throw error
      if (waitedMs >= maxWaitMs) return at
      Atomics.wait(SLEEP_CELL, 0, 0, WAIT_STEP_MS)
      waitedMs += WAIT_STEP_MS
    }
  }
  return at
}

const WAIT_STEP_MS = 5

function openLog(path: string): number {
  try {
    return openSync(path, 'a', 0o640)
  } catch (error) {
    throw new ShipperError('E_LOG_FILE', `cannot open log_file ${path}: ${reasonOf(error)}`, {
      cause: error,
    })
  }
}

/** Returns true when the path refers to the open file. */
function isSameFile(path: string, fd: number): boolean {
  try {
    const named = statSync(path, { bigint: true })
    const open = fstatSync(fd, { bigint: true })
    return named.ino === open.ino && named.dev === open.dev
  } catch {
    return false
  }
}
