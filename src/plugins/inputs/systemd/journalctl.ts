import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { ShipperError, systemCode } from '../../../core/error.ts'
import type { Clock, TimerHandle } from '../../../core/services.ts'
import type { SystemdOptions } from './options.ts'

const PROGRAM = 'journalctl'
/** A journal of some GB on a slow disk takes seconds to open. */
const ASK_MS = 120_000
/** After SIGTERM; then it is killed. */
const STOP_MS = 300
/** Read and not taken: beyond that it waits. */
const READ_AHEAD = 131_072
/**
 * Between two reads: journalctl writes 4 KB at a time, and to read each of them alone costs three times the CPU of all
 * that follows. In a millisecond the pipe is far from full.
 */
const REST_MS = 1
/** Of what it says on stderr. */
const SAID_BYTES = 2000
const MACHINE_ID = /^[0-9a-f]{32}$/

/**
 * Arguments for every call. `--merge` because `-f` alone shows entries of the current boot only, whatever the cursor:
 * what was left of the boot before would never be sent. It also adds the journals of other machines in the default
 * folders, which the match on the machine's id takes out again.
 */
export function sourceArgs(path: string | undefined): string[] {
  const args = ['--output=export', '--merge', '--no-pager']
  return path === undefined ? args : [...args, `--directory=${path}`]
}

/** Matches of the default journal alone: this machine's. */
export function machineMatch(path: string | undefined, file = '/etc/machine-id'): string[] {
  if (path !== undefined) return []
  try {
    const id = readFileSync(file, 'latin1').trim()
    return MACHINE_ID.test(id) ? [`_MACHINE_ID=${id}`] : []
  } catch {
    // A container without an id of its own: all that is in the default folders was put there for it.
    return []
  }
}

/** Matches of different fields are combined by AND, of one field by OR; `+` is OR between what stands around it. */
export function matches(
  options: Pick<SystemdOptions, 'path' | 'systemdFilter' | 'systemdFilterType'>,
): string[] {
  const machine = machineMatch(options.path)
  const filters = options.systemdFilter
  if (filters.length === 0 || options.systemdFilterType === 'and') return [...machine, ...filters]
  return filters.flatMap((filter, i) => [...(i === 0 ? [] : ['+']), ...machine, filter])
}

/**
 * The cursor of the first entry that journalctl shows with these arguments; undefined: there is none. Rejects with
 * E_JOURNAL_MISSING or E_JOURNAL_READ.
 */
export function askCursor(args: string[], signal: AbortSignal): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    const options = { env: environment(), timeout: ASK_MS, signal, maxBuffer: 1_000_000 }
    const all = [...args, '--lines=1', '--output-fields=_BOOT_ID']
    execFile(PROGRAM, all, options, (error, stdout, stderr) => {
      if (signal.aborted) resolve(undefined)
      else if (error !== null) reject(failure(error, stderr))
      else resolve(CURSOR.exec(stdout)?.[1])
    })
  })
}

const CURSOR = /^__CURSOR=(.*)$/m

export interface End {
  code: number | null
  signal: string | null
  /** The last of what it said on stderr. */
  said: string
}

/** A running journalctl, read when asked: what is not read stays in the pipe, and then journalctl waits. */
export class Follower {
  readonly #child: ChildProcess
  readonly #clock: Clock
  readonly #signal: AbortSignal
  readonly #wakeUp = (): void => this.#wake?.()
  #pieces: Buffer[] = []
  #waiting = 0
  #rest: TimerHandle | undefined
  readonly #closed: Promise<void>
  #end: End | undefined
  #error: unknown
  #said = ''
  #allRead = false
  #wake: (() => void) | undefined

  /** It ends by itself when this process does, however that comes: it watches its standard output. */
  constructor(args: string[], clock: Clock, signal: AbortSignal) {
    this.#clock = clock
    this.#signal = signal
    signal.addEventListener('abort', this.#wakeUp)
    this.#child = spawn(PROGRAM, args, { stdio: ['ignore', 'pipe', 'pipe'], env: environment() })
    const { stdout, stderr } = this.#child
    stdout?.on('data', (piece: Buffer) => {
      this.#pieces.push(piece)
      this.#waiting += piece.length
      stdout.pause()
      this.#rest ??= clock.after(REST_MS, () => {
        this.#rest = undefined
        this.#goOn()
      })
      this.#wake?.()
    })
    stderr?.on('data', (text: Buffer) => {
      this.#said = (this.#said + text.toString()).slice(-SAID_BYTES)
    })
    stdout?.once('end', () => {
      this.#allRead = true
      this.#wake?.()
    })
    this.#closed = new Promise((resolve) => {
      const finish = (end: End): void => {
        this.#end ??= end
        this.#wake?.()
        resolve()
      }
      this.#child.once('error', (error) => {
        this.#error = error
        finish({ code: null, signal: null, said: '' })
      })
      this.#child.once('close', (code, signal) => finish({ code, signal, said: this.#said.trim() }))
    })
  }

  get pid(): number | undefined {
    return this.#child.pid
  }

  /** How it ended: after `read` has given undefined. */
  get end(): End | undefined {
    return this.#end
  }

  /**
   * What has come since the last call, or comes next; undefined when it has ended and everything is read, or the signal
   * came. Throws when it cannot be started.
   */
  async read(): Promise<Buffer[] | undefined> {
    while (!this.#signal.aborted) {
      if (this.#pieces.length > 0) return this.#take()
      if (this.#error !== undefined) throw failure(this.#error, '')
      if (this.#end !== undefined && this.#allRead) return undefined
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
      this.#wake = undefined
    }
    return undefined
  }

  #take(): Buffer[] {
    const pieces = this.#pieces
    this.#pieces = []
    this.#waiting = 0
    this.#goOn()
    return pieces
  }

  #goOn(): void {
    if (this.#rest === undefined && this.#waiting < READ_AHEAD) this.#child.stdout?.resume()
  }

  async stop(): Promise<void> {
    this.#signal.removeEventListener('abort', this.#wakeUp)
    this.#clock.cancel(this.#rest)
    if (this.#end !== undefined) return
    // Nobody reads any more, but only a pipe that is empty is seen to be closed.
    this.#child.stdout?.removeAllListeners('data').resume()
    this.#child.kill('SIGTERM')
    const late = this.#clock.after(STOP_MS, () => this.#child.kill('SIGKILL'))
    await this.#closed
    this.#clock.cancel(late)
  }
}

/** Messages that do not depend on the language, no colours; and where an empty environment would look. */
function environment(): NodeJS.ProcessEnv {
  return { PATH: '/usr/local/bin:/usr/bin:/bin', ...process.env, LC_ALL: 'C', SYSTEMD_COLORS: '0' }
}

function failure(error: unknown, stderr: string): ShipperError {
  const code = systemCode(error)
  if (code === 'ENOENT' || code === 'EACCES') {
    return new ShipperError('E_JOURNAL_MISSING', `cannot start ${PROGRAM}: ${code}`, { cause: error })
  }
  return readError(stderr.trim() || String(error))
}

export function readError(said: string): ShipperError {
  return new ShipperError('E_JOURNAL_READ', `cannot read the journal: ${said}`, { retryable: true })
}
