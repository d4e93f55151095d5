import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { ShipperError, systemCode } from '../../../core/error.ts'
import { escapeControls, truncate } from '../../../core/escape-controls.ts'
import type { Clock, TimerHandle } from '../../../core/services.ts'
import { LineSplitter } from './complaints.ts'
import type { SystemdOptions } from './options.ts'

const PROGRAM = 'journalctl'
/** Time limit of a query: opening a journal of some GB on a slow disk takes seconds. */
const QUERY_TIMEOUT_MS = 120_000
/** Time between SIGTERM and SIGKILL. */
const TERMINATE_MS = 300
/** Output that may be buffered before `read` is called; above it journalctl has to wait. */
const MAX_READ_AHEAD_BYTES = 131_072
/**
 * Pause between two reads: journalctl writes 4 KB at a time, and reading each write by itself costs three times the CPU of
 * all further processing. In a millisecond the pipe is far from full.
 */
const READ_PAUSE_MS = 1
/** End of the stderr output that is kept. */
const MAX_STDERR_CHARS = 2000
/** Maximum size of the answer to a query: the ids of 30,000 boots. */
const MAX_ANSWER_BYTES = 1_000_000
const MACHINE_ID = /^[0-9a-f]{32}$/

/**
 * Returns the arguments of every call. `--merge` because `-f` alone shows only entries of the current boot, whatever the
 * cursor: unread entries of the previous boot would never be sent. It also adds the journals of other machines in the
 * default directories, which the match on the machine id excludes again.
 */
export function sourceArgs(path: string | undefined): string[] {
  const args = ['--output=export', '--merge', '--no-pager']
  return path === undefined ? args : [...args, `--directory=${path}`]
}

/** Returns the match on the id of this machine, for the default journal only. */
export function machineMatch(path: string | undefined, file = '/etc/machine-id'): string[] {
  if (path !== undefined) return []
  try {
    const id = readFileSync(file, 'latin1').trim()
    return MACHINE_ID.test(id) ? [`_MACHINE_ID=${id}`] : []
  } catch {
    // A container without its own id: everything in the default directories was mounted there for it.
    return []
  }
}

/** Returns the match on a boot; none without one. */
export function bootMatch(boot: string | undefined): string[] {
  return boot === undefined ? [] : [`_BOOT_ID=${boot}`]
}

/**
 * Returns the matches for the filters and the boot. journalctl combines matches of different fields with AND, of the same
 * field with OR; `+` is an OR between the groups around it.
 */
export function matchArgs(
  options: Pick<SystemdOptions, 'path' | 'systemdFilter' | 'systemdFilterType'>,
  boot?: string,
): string[] {
  const always = [...machineMatch(options.path), ...bootMatch(boot)]
  const filters = options.systemdFilter
  if (filters.length === 0 || options.systemdFilterType === 'and') return [...always, ...filters]
  return filters.flatMap((filter, i) => [...(i === 0 ? [] : ['+']), ...always, filter])
}

/** Receives a line that journalctl has written to stderr, without control characters and of bounded length. */
export type Complain = (line: string) => void

/**
 * Returns what journalctl prints with these arguments; nothing on `signal`. Rejects with E_JOURNAL_MISSING or
 * E_JOURNAL_READ, also when it does not answer in time or writes more than fits.
 */
export function queryJournal(args: string[], signal: AbortSignal, complain: Complain): Promise<string> {
  return new Promise((resolve, reject) => {
    const limits = { timeout: QUERY_TIMEOUT_MS, killSignal: 'SIGKILL', maxBuffer: MAX_ANSWER_BYTES } as const
    execFile(PROGRAM, args, { env: environment(), signal, ...limits }, (error, stdout, stderr) => {
      if (signal.aborted) return resolve('')
      if (error !== null) return reject(startOrReadError(error, stderr))
      const lines = new LineSplitter(complain)
      lines.push(stderr)
      lines.end()
      resolve(stdout)
    })
  })
}

export interface ExitStatus {
  code: number | null
  signal: string | null
  /** End of the stderr output. */
  stderr: string
}

/** A running journalctl. It is read on demand: output that is not read stays in the pipe, and journalctl waits. */
export class JournalctlProcess {
  readonly #child: ChildProcess
  readonly #clock: Clock
  readonly #signal: AbortSignal
  readonly #wakeUp = (): void => this.#wake?.()
  #pieces: Buffer[] = []
  #bufferedBytes = 0
  #pause: TimerHandle | undefined
  readonly #closed: Promise<void>
  #exitStatus: ExitStatus | undefined
  #error: unknown
  #stderr = ''
  readonly #lines: LineSplitter
  #stdoutEnded = false
  #wake: (() => void) | undefined

  /** Starts journalctl. It exits by itself when this process ends in any way, because it watches its standard output. */
  constructor(args: string[], clock: Clock, signal: AbortSignal, complain: Complain) {
    this.#lines = new LineSplitter(complain)
    this.#clock = clock
    this.#signal = signal
    signal.addEventListener('abort', this.#wakeUp)
    this.#child = spawn(PROGRAM, args, { stdio: ['ignore', 'pipe', 'pipe'], env: environment() })
    const { stdout, stderr } = this.#child
    stdout?.on('data', (piece: Buffer) => {
      this.#pieces.push(piece)
      this.#bufferedBytes += piece.length
      stdout.pause()
      this.#pause ??= clock.after(READ_PAUSE_MS, () => {
        this.#pause = undefined
        this.#resumeStdout()
      })
      this.#wake?.()
    })
    stderr?.on('data', (text: Buffer) => {
      this.#stderr = (this.#stderr + text.toString()).slice(-MAX_STDERR_CHARS)
      this.#lines.push(text.toString())
    })
    stdout?.once('end', () => {
      this.#stdoutEnded = true
      this.#wake?.()
    })
    this.#closed = new Promise((resolve) => {
      const finish = (status: ExitStatus): void => {
        this.#exitStatus ??= status
        this.#wake?.()
        resolve()
      }
      this.#child.once('error', (error) => {
        this.#error = error
        finish({ code: null, signal: null, stderr: '' })
      })
      this.#child.once('close', (code, signal) => {
        this.#lines.end()
        finish({ code, signal, stderr: escapeControls(this.#stderr.trim()) })
      })
    })
  }

  get pid(): number | undefined {
    return this.#child.pid
  }

  /** Exit status; set once `read` has returned undefined, unless the signal was aborted. */
  get exitStatus(): ExitStatus | undefined {
    return this.#exitStatus
  }

  /**
   * Resolves with the output since the last call, or the next output; with undefined when journalctl has exited and all
   * its output was read, or on the signal. Rejects when journalctl cannot be started.
   */
  async read(): Promise<Buffer[] | undefined> {
    while (!this.#signal.aborted) {
      if (this.#pieces.length > 0) return this.#takePieces()
      if (this.#error !== undefined) throw startOrReadError(this.#error, '')
      if (this.#exitStatus !== undefined && this.#stdoutEnded) return undefined
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
      this.#wake = undefined
    }
    return undefined
  }

  #takePieces(): Buffer[] {
    const pieces = this.#pieces
    this.#pieces = []
    this.#bufferedBytes = 0
    this.#resumeStdout()
    return pieces
  }

  #resumeStdout(): void {
    if (this.#pause === undefined && this.#bufferedBytes < MAX_READ_AHEAD_BYTES) this.#child.stdout?.resume()
  }

  /** Asks journalctl to end; what it has written is still read. */
  terminate(): void {
    this.#child.kill('SIGTERM')
  }

  /** Terminates journalctl and resolves when it has exited. */
  async stop(): Promise<void> {
    this.#signal.removeEventListener('abort', this.#wakeUp)
    this.#clock.cancel(this.#pause)
    if (this.#exitStatus !== undefined) return
    // The output is no longer needed, but a pipe is only seen to be closed once it is empty.
    this.#child.stdout?.removeAllListeners('data').resume()
    this.#child.kill('SIGTERM')
    const killTimer = this.#clock.after(TERMINATE_MS, () => this.#child.kill('SIGKILL'))
    await this.#closed
    this.#clock.cancel(killTimer)
  }
}

/** Messages on stderr without colors; the kernel option `quiet` must not hide the one on files that are not read. */
const PLAIN_MESSAGES = {
  SYSTEMD_COLORS: '0',
  SYSTEMD_LOG_COLOR: '0',
  SYSTEMD_LOG_LEVEL: 'info',
  SYSTEMD_LOG_TARGET: 'console',
}

/** Returns the environment for journalctl: untranslated plain messages, and a default PATH if there is none. */
function environment(): NodeJS.ProcessEnv {
  return { PATH: '/usr/local/bin:/usr/bin:/bin', ...process.env, LC_ALL: 'C', ...PLAIN_MESSAGES }
}

/** Creates E_JOURNAL_MISSING when journalctl could not be started, else E_JOURNAL_READ. */
function startOrReadError(error: unknown, stderr: string): ShipperError {
  const code = systemCode(error)
  if (code === 'ENOENT' || code === 'EACCES') {
    return new ShipperError('E_JOURNAL_MISSING', `cannot start ${PROGRAM}: ${code}`, { cause: error })
  }
  return journalReadError(truncate(escapeControls(stderr.trim()), MAX_STDERR_CHARS) || String(error))
}

export function journalReadError(reason: string): ShipperError {
  return new ShipperError('E_JOURNAL_READ', `cannot read the journal: ${reason}`, { retryable: true })
}
