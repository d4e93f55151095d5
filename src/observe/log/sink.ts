import { ShipperError } from '../../core/error.ts'
import { sleepSync } from '../../lib/async/sleep-sync.ts'
import { close, FsFailure, fstat, openToAppend, stat, write } from '../../lib/fs/file-system.ts'

/**
 * Destination of log lines. All writes are synchronous, so that the last lines before an exit are not lost. A
 * pipe with a stuck reader therefore blocks the agent, unless it is non-blocking: then lines are dropped and
 * counted.
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
      const written = writeAll(fd, bytes, maxWaitMs)
      if (written instanceof FsFailure) {
        // EPIPE, EBADF, EIO of a closed terminal: there is no reader any more.
        isClosed = true
        return
      }
      const isComplete = written === bytes.length
      lost = isComplete ? 0 : lost + 1
      // After a torn line a newline is written first. If only that was written, the next line starts on its
      // own.
      isTorn = !isComplete && (isTorn ? written !== 1 : written > 0)
    },
    reopen() {},
    close() {},
  }
}

/**
 * Appends to `Log_File`: a regular file, a character device (a terminal, /dev/null), or a pipe that has a
 * reader, as /dev/stdout is in a container. Neither opening nor writing blocks: lines that do not fit into a
 * full pipe go to `fallback`.
 *
 * The file is reopened when a write fails and when its path refers to another file, which is checked once a
 * second while lines are written. While it cannot be written, the reason and all lines go to `fallback`, and
 * opening is retried once a second.
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
      if (!this.#isFailing)
        this.#fallback.write(
          this.#formatNote(`${problem.message}; logging to stderr until it can be written`),
        )
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
  #attempt(line: string, check: boolean): ShipperError | undefined {
    if (this.#fd === undefined || (check && !isSameFile(this.#path, this.#fd))) {
      this.#release()
      const fd = tryOpenLog(this.#path)
      if (fd instanceof ShipperError) return fd
      this.#fd = fd
    }
    const bytes = Buffer.from(line)
    const written = writeAll(this.#fd, bytes, MAX_PIPE_WAIT_MS)
    if (written === bytes.length) return undefined
    this.#release()
    const reason = written instanceof FsFailure ? written.message : 'its reader is too slow'
    return new ShipperError('E_LOG_FILE', `cannot write log_file ${this.#path}: ${reason}`)
  }

  #release(): void {
    if (this.#fd !== undefined) close(this.#fd)
    this.#fd = undefined
  }
}

/** Returns true for a terminal. node:tty (1.5 MB) is loaded only for a character device. */
export function isTerminal(fd: number): boolean {
  const found = fstat(fd)
  return (
    !(found instanceof FsFailure) &&
    found.isCharacterDevice() &&
    process.getBuiltinModule('node:tty').isatty(fd)
  )
}

/** Time to wait for space in a full non-blocking descriptor. */
const MAX_WAIT_MS = 200
/**
 * Time to wait for space in a full pipe that is the Log_File. After that, lines go to stderr until the retry
 * a second later.
 */
const MAX_PIPE_WAIT_MS = 20
const CHECK_INTERVAL_MS = 1000

/**
 * Writes bytes and returns how many were written; fewer when a non-blocking descriptor stayed full for
 * `maxWaitMs`.
 */
function writeAll(fd: number, bytes: Buffer, maxWaitMs: number): number | FsFailure {
  let at = 0
  let waitedMs = 0
  while (at < bytes.length) {
    const written = write(fd, bytes, at)
    if (!(written instanceof FsFailure)) {
      at += written
      waitedMs = 0
      continue
    }
    if (written.code === 'EINTR') continue
    if (written.code !== 'EAGAIN') return written
    if (waitedMs >= maxWaitMs) return at
    sleepSync(WAIT_STEP_MS)
    waitedMs += WAIT_STEP_MS
  }
  return at
}

const WAIT_STEP_MS = 5
const LOG_MODE = 0o640

function openLog(path: string): number {
  const fd = tryOpenLog(path)
  if (fd instanceof ShipperError) throw fd
  return fd
}

function tryOpenLog(path: string): number | ShipperError {
  const opened = openToAppend(path, { mode: LOG_MODE, devices: true, pipes: true })
  if (!(opened instanceof FsFailure)) return opened.fd
  return new ShipperError('E_LOG_FILE', `cannot open log_file ${path}: ${opened.message}`)
}

/** Returns true when the path refers to the open file. */
function isSameFile(path: string, fd: number): boolean {
  const named = stat(path)
  const open = fstat(fd)
  if (named instanceof FsFailure || open instanceof FsFailure) return false
  return named.ino === open.ino && named.dev === open.dev
}
