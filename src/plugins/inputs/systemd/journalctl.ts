import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { ShipperError, systemCode } from '../../../core/error.ts'
import type { Clock, TimerHandle } from '../../../core/services.ts'
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

/**
 * Returns the matches for the filters. journalctl combines matches of different fields with AND, of the same field with OR;
 * `+` is an OR between the groups around it.
 */
export function matchArgs(
  options: Pick<SystemdOptions, 'path' | 'systemdFilter' | 'systemdFilterType'>,
): string[] {
  const machine = machineMatch(options.path)
  const filters = options.systemdFilter
  if (filters.length === 0 || options.systemdFilterType === 'and') return [...machine, ...filters]
  return filters.flatMap((filter, i) => [...(i === 0 ? [] : ['+']), ...machine, filter])
}

/**
 * Returns the cursor of the first entry that journalctl shows with these arguments; undefined when there is none, or on
 * `signal`. Rejects with E_JOURNAL_MISSING or E_JOURNAL_READ.
 */
export function queryCursor(args: string[], signal: AbortSignal): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    const options = { env: environment(), timeout: QUERY_TIMEOUT_MS, signal, maxBuffer: 1_000_000 }
    const queryArgs = [...args, '--lines=1', '--output-fields=_BOOT_ID']
    execFile(PROGRAM, queryArgs, options, (error, stdout, stderr) => {
      if (signal.aborted) resolve(undefined)
      else if (error !== null) reject(startOrReadError(error, stderr))
      else resolve(CURSOR.exec(stdout)?.[1])
    })
  })
}

const CURSOR = /^__CURSOR=(.*)$/m

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
  #stdoutEnded = false
  #wake: (() => void) | undefined

  /** Starts journalctl. It exits by itself when this process ends in any way, because it watches its standard output. */
  constructor(args: string[], clock: Clock, signal: AbortSignal) {
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
      this.#child.once('close', (code, signal) => finish({ code, signal, stderr: this.#stderr.trim() }))
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

/** Returns the environment for journalctl: untranslated messages, no colors, and a default PATH if there is none. */
function environment(): NodeJS.ProcessEnv {
  return { PATH: '/usr/local/bin:/usr/bin:/bin', ...process.env, LC_ALL: 'C', SYSTEMD_COLORS: '0' }
}

/** Creates E_JOURNAL_MISSING when journalctl could not be started, else E_JOURNAL_READ. */
function startOrReadError(error: unknown, stderr: string): ShipperError {
  const code = systemCode(error)
  if (code === 'ENOENT' || code === 'EACCES') {
    return new ShipperError('E_JOURNAL_MISSING', `cannot start ${PROGRAM}: ${code}`, { cause: error })
  }
  return journalReadError(stderr.trim() || String(error))
}

export function journalReadError(reason: string): ShipperError {
  return new ShipperError('E_JOURNAL_READ', `cannot read the journal: ${reason}`, { retryable: true })
}
