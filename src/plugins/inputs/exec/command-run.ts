import { type ChildProcess, spawn } from 'node:child_process'
import { constants } from 'node:os'
import { reasonOf } from '../../../core/error.ts'
import type { Clock, Logger, TimerHandle } from '../../../core/services.ts'
import { endAtExit, keepDraining, leaveRunning } from './left-behind.ts'
import { StderrLines } from './stderr-lines.ts'

/** Time between SIGTERM and SIGKILL. */
const TERMINATE_MS = 300
/** Silence after SIGKILL after which the pipe is closed; a process that has left the group may keep it open. */
const CLOSE_MS = 100
/** Bytes that are read after SIGKILL: a pipe holds no more, except by `pipe-max-size`, and such a process may go on writing. */
const MAX_BYTES_AFTER_KILL = 1_048_576
/**
 * Silence of stderr, after the end of the command and of stdout, after which what was written before has come; and the maximum
 * time until then.
 */
const STDERR_REST_MS = 100
const MAX_STDERR_REST_MS = 1000
/** Pause after each read of stderr: its lines are for people, and a flood of them must not take the agent's time. */
const STDERR_PAUSE_MS = 5
/** Exit status that no shell returns, as in fluent-bit: the command could not be started. */
const NOT_STARTED = 128

/** How a run has ended. */
export interface RunEnd {
  /** Exit status as a shell has it: 128 and the number of the signal. */
  status: number
  /** Clause for the log, `exited with status 3`; undefined after success. */
  problem: string | undefined
}

/**
 * A command that runs, in a process group of its own. It is read on demand: output that is not read stays in the pipe, and the
 * command waits.
 */
export class CommandRun {
  /** Undefined when it could not be started. */
  readonly #child: ChildProcess | undefined
  readonly #clock: Clock
  readonly #stderr: StderrLines
  #pieces: Buffer[] = []
  #wake: (() => void) | undefined
  #end: RunEnd | undefined
  #stdoutEnded = false
  #stderrEnded = false
  #timer: TimerHandle | undefined
  #stderrTimer: TimerHandle | undefined
  /** Set when only stderr is open. */
  #restTimer: TimerHandle | undefined
  #restUntilMs = 0
  #isStopping = false
  /** Bytes that may still be read; undefined before SIGKILL. */
  #bytesLeft: number | undefined

  constructor(command: string, clock: Clock, log: Logger) {
    this.#clock = clock
    this.#stderr = new StderrLines(log)
    try {
      this.#child = spawn('/bin/sh', ['-c', command], {
        stdio: ['ignore', 'pipe', 'pipe'],
        // A session and so a group of its own: a signal reaches what the shell has started.
        detached: true,
        env: environment(),
      })
    } catch (error) {
      this.#notStarted(error)
      return
    }
    endAtExit(this.#child)
    this.#readStdout(this.#child)
    this.#readStderr(this.#child)
    this.#child.once('error', (error) => this.#notStarted(error))
    this.#child.once('exit', (code, signal) => {
      this.#end ??= endOf(code, signal)
      this.#wake?.()
    })
  }

  #notStarted(error: unknown): void {
    this.#end ??= { status: NOT_STARTED, problem: `cannot be started: ${reasonOf(error)}` }
    this.#stdoutEnded = true
    this.#stderrEnded = true
    this.#wake?.()
  }

  /** True when the command has ended; what it has started may hold its output. */
  get hasExited(): boolean {
    return this.#end !== undefined
  }

  get pid(): number | undefined {
    return this.#child?.pid
  }

  /** Resolves with the next output; with undefined when the command has exited and all its output was read. */
  async read(): Promise<Buffer | undefined> {
    for (;;) {
      const piece = this.#pieces.shift()
      if (piece !== undefined) {
        if (this.#bytesLeft !== undefined) {
          this.#bytesLeft -= piece.length
          this.#clock.cancel(this.#timer)
        }
        if (this.#pieces.length === 0) this.#child?.stdout?.resume()
        return piece
      }
      if (this.#isOver) return undefined
      if (this.#end !== undefined && this.#stdoutEnded && this.#restTimer === undefined) {
        this.#restUntilMs = this.#clock.nowMs() + MAX_STDERR_REST_MS
        this.#restTimer = this.#restOfStderr()
      }
      if (this.#bytesLeft !== undefined) this.#closeWhenSilent(this.#bytesLeft > 0 ? CLOSE_MS : 0)
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
      this.#wake = undefined
    }
  }

  /** Returns how it has ended, after `read` has returned undefined. */
  finish(): RunEnd {
    this.#clock.cancel(this.#timer)
    this.#clock.cancel(this.#stderrTimer)
    this.#clock.cancel(this.#restTimer)
    if (this.#child !== undefined) leaveRunning(this.#child)
    this.#stderr.end()
    return this.#end ?? { status: NOT_STARTED, problem: 'cannot be waited for' }
  }

  /** Ends the command and what it has started: SIGTERM, then SIGKILL. What is in the pipe then is still to be read. Idempotent. */
  stop(): void {
    if (this.#isStopping || this.#isOver) return
    this.#isStopping = true
    this.#signalGroup('SIGTERM')
    this.#timer = this.#clock.after(TERMINATE_MS, () => {
      this.#signalGroup('SIGKILL')
      this.#bytesLeft = MAX_BYTES_AFTER_KILL
      this.#wake?.()
    })
  }

  /** Closes the pipe unless something comes out of it within this time. */
  #closeWhenSilent(ms: number): void {
    this.#clock.cancel(this.#timer)
    this.#timer = this.#clock.after(ms, () => {
      if (this.#pieces.length > 0) return
      this.#child?.stdout?.destroy()
      this.#child?.stderr?.destroy()
      this.#stdoutEnded = true
      this.#stderrEnded = true
      this.#wake?.()
    })
  }

  /**
   * Ends the run without the end of stderr, which a process that goes on may have inherited: a daemon, of which only stdout is sent
   * elsewhere. It is read on, or the process would be ended by its next message.
   */
  #restOfStderr(): TimerHandle {
    const waitMs = Math.min(STDERR_REST_MS, Math.max(0, this.#restUntilMs - this.#clock.nowMs()))
    return this.#clock.after(waitMs, () => {
      if (this.#stderrEnded) return
      this.#stderrEnded = true
      const stderr = this.#child?.stderr
      if (stderr) keepDraining(stderr)
      this.#wake?.()
    })
  }

  /** Ends the command and what it has started at once. */
  kill(): void {
    this.#signalGroup('SIGKILL')
  }

  get #isOver(): boolean {
    return this.#end !== undefined && this.#stdoutEnded && this.#stderrEnded
  }

  /** While the shell runs, or something holds its output, the number of the group is not given to another. */
  #signalGroup(signal: NodeJS.Signals): void {
    const { pid } = this
    if (pid === undefined || this.#isOver) return
    try {
      process.kill(-pid, signal)
    } catch {
      // All of its processes have ended.
    }
  }

  #readStdout({ stdout }: ChildProcess): void {
    stdout?.on('data', (piece: Buffer) => {
      this.#pieces.push(piece)
      stdout.pause()
      this.#wake?.()
    })
    const end = (): void => {
      this.#stdoutEnded = true
      this.#wake?.()
    }
    stdout?.once('end', end)
    stdout?.once('error', end)
  }

  #readStderr({ stderr }: ChildProcess): void {
    stderr?.on('data', (piece: Buffer) => {
      if (this.#stderrEnded) return
      this.#stderr.push(piece)
      if (this.#restTimer !== undefined) {
        this.#clock.cancel(this.#restTimer)
        this.#restTimer = this.#restOfStderr()
      }
      stderr.pause()
      this.#stderrTimer = this.#clock.after(STDERR_PAUSE_MS, () => stderr.resume())
    })
    const end = (): void => {
      this.#stderrEnded = true
      this.#wake?.()
    }
    stderr?.once('end', end)
    stderr?.once('error', end)
  }
}

function endOf(code: number | null, signal: NodeJS.Signals | null): RunEnd {
  if (signal !== null)
    return { status: 128 + (constants.signals[signal] ?? 0), problem: `was ended by ${signal}` }
  const status = code ?? NOT_STARTED
  return { status, problem: status === 0 ? undefined : `exited with status ${status}` }
}

/** Returns the environment for the command, without the agent's connection to the service manager. */
function environment(): NodeJS.ProcessEnv {
  const { NOTIFY_SOCKET: _, WATCHDOG_PID: __, WATCHDOG_USEC: ___, ...rest } = process.env
  return rest
}
