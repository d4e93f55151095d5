import { writeSync } from 'node:fs'
import { ERROR_CODES, formatLocation, messageOf } from '../core/error.ts'
import { escapeControls } from '../core/escape-controls.ts'
import type { Clock, Logger, TimerHandle } from '../core/services.ts'
import { hasUserCode, userCodePlace } from '../lib/plugin/user-code.ts'

/** Exit status after a defect. */
export const DEFECT_STATUS = ERROR_CODES.E_INTERNAL.exit
/** Events of the process for errors that nothing has caught. */
export const DEFECT_EVENTS = ['uncaughtException', 'unhandledRejection'] as const

interface LastHandlerOptions {
  log: Logger
  clock: Clock
  /** Starts an orderly stop. It may be running already. */
  stop: () => void
  /** Longest time that the stop may take. */
  limitMs: number
  /** Writes what the log still holds, before the process ends. */
  closeLog: () => void
  /** Ends the process; replaced by tests. */
  exit?: (status: number) => void
}

/**
 * Handles errors that nothing has caught: a defect. What the failed call left undone is not known, so the agent does not go
 * on: the first one is logged with its stack and stops the agent in order, a second one or a stop that does not end in
 * time ends the process at once. Nothing is lost by either, because positions move only with acknowledgements.
 *
 * An error of a script's timer or promise stops the agent too: what the script was about to do is not known. It says so with
 * E_SCRIPT and the place in the script, and further ones of scripts do not hurry the stop.
 */
export class LastHandler {
  readonly #options: LastHandlerOptions
  #timer: TimerHandle | undefined
  #caught = 0
  #isEnding = false

  constructor(options: LastHandlerOptions) {
    this.#options = options
  }

  /** True when there was a defect: the exit status is then that of E_INTERNAL, however the agent has ended. */
  get hasCaught(): boolean {
    return this.#caught > 0
  }

  /** Says that the process is ended on purpose now. */
  leave(): void {
    this.#isEnding = true
  }

  /** Installs the handlers; returns a function that removes them. */
  install(): () => void {
    const handler = (error: unknown): void => this.#handle(error)
    const ended = (): void => this.#ended()
    for (const event of DEFECT_EVENTS) process.on(event, handler)
    process.on('exit', ended)
    return () => {
      process.off('exit', ended)
      for (const event of DEFECT_EVENTS) process.off(event, handler)
      this.#options.clock.cancel(this.#timer)
    }
  }

  #handle(error: unknown): void {
    this.#caught++
    if (this.#caught > 1 && userCodePlace(error) !== undefined) return
    if (this.#caught > 1) {
      this.#report(error, 'unexpected error during the stop, exiting immediately', AFTERWARDS)
      this.#end()
      return
    }
    this.#report(error, 'unexpected error, stopping', AFTERWARDS)
    const { clock, limitMs, stop } = this.#options
    this.#timer = clock.after(limitMs, () => {
      this.#report(
        undefined,
        'the stop after an unexpected error takes too long, exiting immediately',
        AFTERWARDS,
      )
      this.#end()
    })
    stop()
  }

  /** Logs the error. A log that is itself the defect must not hide it, nor start all over. */
  #report(error: unknown, what: string, meaning: string): void {
    try {
      const place = userCodePlace(error)
      const reason = error === undefined ? '' : `: ${messageOf(error)}`
      if (place !== undefined) {
        const script = `error of a script at ${formatLocation(place)}`
        this.#options.log.error(`${what.replace('unexpected error', script)}${reason}; ${meaning}`, {
          code: 'E_SCRIPT',
          hint: SCRIPT_HINT,
        })
        return
      }
      const stack = stackOf(error)
      this.#options.log.error(`${what}${reason}; ${meaning}`, {
        code: 'E_INTERNAL',
        hint: ERROR_CODES.E_INTERNAL.remedy,
        ...(stack === undefined ? {} : { stack }),
      })
    } catch {
      writeDefect(error)
    }
  }

  /** Logs that the process ends while the agent runs, which only a script can have done. */
  #ended(): void {
    if (this.#isEnding || !hasUserCode()) return
    this.#options.log.error(`the process is ended without a stop of the agent; ${AFTERWARDS}`, {
      code: 'E_SCRIPT',
      hint: 'a script has called process.exit: throw an error, or return [-1] to drop a record',
    })
    this.#end()
  }

  #end(): void {
    this.#isEnding = true
    const { closeLog, exit = process.exit } = this.#options
    try {
      closeLog()
    } finally {
      exit(DEFECT_STATUS)
    }
  }
}

const AFTERWARDS =
  'positions are stored up to the last acknowledgement, what follows them is sent after the next start'

const SCRIPT_HINT =
  'catch errors in timers and promises of the script: only those of the call itself are errors of one record'

/** Returns the frames of the stack of an error, and those of its causes, from the innermost to the outermost. */
export function stackOf(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined
  const parts: string[] = []
  for (let at: unknown = error; at instanceof Error && parts.length < MAX_CAUSES; at = at.cause) {
    parts.push(at.stack ?? `${at.name}: ${at.message}`)
  }
  return parts.join('\ncaused by ')
}

const MAX_CAUSES = 4

/** Writes an error with its stack to stderr, for when there is no log. */
export function writeDefect(error: unknown): void {
  try {
    const text = `shipper: unexpected error: ${stackOf(error) ?? messageOf(error)}`
    writeSync(2, `${text.split('\n').map(escapeControls).join('\n')}\n`)
  } catch {
    // There is no reader; the exit status says it.
  }
}
