import { closeSync, fstatSync, openSync, statSync, writeSync } from 'node:fs'
import { reasonOf, ShipperError, systemCode } from '../../core/error.ts'

/**
 * Where log lines go. All writes are synchronous, so that the last words before an exit are not lost; a pipe whose
 * reader is stuck therefore holds the agent up, unless it is non-blocking: then lines are dropped and counted.
 */
export interface LogSink {
  write(line: string): void
  /** Opens the file anew after it was moved away. */
  reopen(): void
  close(): void
}

/** Makes a line of the log's own format out of what the sink itself has to say. */
export type Note = (message: string) => string

/** A descriptor that is somebody else's to close: stderr. */
export function fdSink(fd: number, note: Note, patienceMs = PATIENCE_MS): LogSink {
  let lost = 0
  let torn = false
  let gone = false
  return {
    write(line) {
      if (gone) return
      const told = lost === 0 ? line : note(`${lost} log lines were lost: the reader is too slow`) + line
      const bytes = Buffer.from(torn ? `\n${told}` : told)
      try {
        const written = writeAll(fd, bytes, patienceMs)
        const whole = written === bytes.length
        lost = whole ? 0 : lost + 1
        // One byte after a torn line is its newline: the next line begins at the margin.
        torn = !whole && (torn ? written !== 1 : written > 0)
      } catch {
        // EPIPE, EBADF, EIO of a closed terminal: there is nobody left to tell.
        gone = true
      }
    },
    reopen() {},
    close() {},
  }
}

/**
 * `Log_File`: appended to, opened anew when its name leads elsewhere (rotation; looked at once a second when something
 * is written) and when a write fails. While it cannot be written the lines go to `fallback`, behind one that says why,
 * and it is tried again once a second.
 */
export class FileSink implements LogSink {
  #path: string
  #fd: number | undefined
  #nowMs: () => number
  #note: Note
  #fallback: LogSink
  #lookedMs: number
  #failing = false
  #closed = false

  constructor(path: string, nowMs: () => number, note: Note, fallback: LogSink = fdSink(2, note)) {
    this.#path = path
    this.#nowMs = nowMs
    this.#note = note
    this.#fallback = fallback
    this.#fd = openLog(path)
    this.#lookedMs = nowMs()
  }

  write(line: string): void {
    const nowMs = this.#nowMs()
    const due = Math.abs(nowMs - this.#lookedMs) >= LOOK_MS
    if (due) this.#lookedMs = nowMs
    if (this.#closed || (this.#failing && !due)) {
      this.#fallback.write(line)
      return
    }
    let problem = this.#attempt(line, due)
    // Once more on a freshly opened file: a stale handle must not cost a line.
    if (problem !== undefined && !this.#failing) problem = this.#attempt(line, false)
    if (problem !== undefined) {
      const why =
        problem instanceof ShipperError
          ? problem.message
          : `cannot write log_file ${this.#path}: ${reasonOf(problem)}`
      if (!this.#failing) this.#fallback.write(this.#note(`${why}; the log goes to stderr meanwhile`))
      this.#fallback.write(line)
    }
    this.#failing = problem !== undefined
  }

  reopen(): void {
    this.#release()
    this.#fd = openLog(this.#path)
    this.#failing = false
  }

  close(): void {
    this.#release()
    this.#closed = true
  }

  /** The problem, or undefined. */
  #attempt(line: string, look: boolean): unknown {
    try {
      if (this.#fd === undefined || (look && !leadsTo(this.#path, this.#fd))) {
        this.#release()
        this.#fd = openLog(this.#path)
      }
      writeAll(this.#fd, Buffer.from(line), PATIENCE_MS)
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
      // Its file system is gone: nothing is left to do with it.
    }
  }
}

/** True for a terminal. Only a character device is worth loading node:tty (1.5 MB) for. */
export function isTerminal(fd: number): boolean {
  try {
    return fstatSync(fd).isCharacterDevice() && process.getBuiltinModule('node:tty').isatty(fd)
  } catch {
    return false
  }
}

const PATIENCE_MS = 200
const LOOK_MS = 1000
const CELL = new Int32Array(new SharedArrayBuffer(4))

/** Number of bytes written; fewer than given when a non-blocking descriptor stayed full for `patienceMs`. */
function writeAll(fd: number, bytes: Buffer, patienceMs: number): number {
  let at = 0
  let waited = 0
  while (at < bytes.length) {
    try {
      at += writeSync(fd, bytes, at)
      waited = 0
    } catch (error) {
      const code = systemCode(error)
      if (code === 'EINTR') continue
      if (code !== 'EAGAIN') throw error
      if (waited >= patienceMs) return at
      Atomics.wait(CELL, 0, 0, WAIT_STEP_MS)
      waited += WAIT_STEP_MS
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

function leadsTo(path: string, fd: number): boolean {
  try {
    const named = statSync(path, { bigint: true })
    const held = fstatSync(fd, { bigint: true })
    return named.ino === held.ino && named.dev === held.dev
  } catch {
    return false
  }
}
