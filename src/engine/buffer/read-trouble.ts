import { ShipperError } from '../../core/error.ts'
import type { Clock, Logger, TimerHandle } from '../../core/services.ts'
import type { Unkept } from '../../core/snapshot.ts'
import { durationText } from '../../lib/text/duration.ts'
import { type RetryPolicy, retryWaitMs } from '../retry.ts'

interface TroubleOptions {
  folder: string
  retry: RetryPolicy
  clock: Clock
  log: Logger
  /** Called when outputs whose reads have failed should try again. */
  retries: () => void
}

/** Returns true for a failure of the disk after which the same call may succeed later: nothing is lost. */
export function isReadFailure(error: unknown): error is ShipperError {
  return error instanceof ShipperError && error.code === 'E_BUFFER' && error.retryable
}

/** Failures to read from the log: which outputs wait, since when, and when it is tried again. */
export class ReadTrouble {
  readonly #options: TroubleOptions
  /** Names of the outputs that wait. */
  readonly #waiting = new Set<string>()
  #failures = 0
  #timer: TimerHandle | undefined
  problem: Unkept | undefined

  constructor(options: TroubleOptions) {
    this.#options = options
  }

  /** True while the output waits for its next attempt. */
  holds(output: string): boolean {
    return this.#timer !== undefined && this.#waiting.has(output)
  }

  /** Records that a call for the output has failed, and schedules the next attempt. */
  failed(output: string, { message: reason, hint, code }: ShipperError): void {
    const { clock, log, retry, retries } = this.#options
    const isFirst = this.problem === undefined
    this.problem = { sinceMs: this.problem?.sinceMs ?? clock.nowMs(), reason, hint }
    this.#waiting.add(output)
    if (isFirst) log.error(`${reason}; records on disk for output ${output} wait`, { code, hint }, 'read')
    if (this.#timer !== undefined) return
    this.#failures++
    // Without jitter: no other agent shares this disk, and each failure brings the part closer to counting as damaged.
    this.#timer = clock.after(
      retryWaitMs(retry, this.#failures, () => 1),
      () => {
        this.#timer = undefined
        retries()
      },
    )
  }

  /** Records that a call for the output has succeeded. */
  succeeded(output: string): void {
    if (!this.#waiting.delete(output) || this.#waiting.size > 0) return
    const { clock, log, folder } = this.#options
    const forText = durationText(clock.nowMs() - (this.problem?.sinceMs ?? 0))
    this.problem = undefined
    this.#failures = 0
    log.info(`reading from the buffer ${folder} has resumed after ${forText}`)
  }

  /** Cancels the next attempt. */
  stop(): void {
    this.#options.clock.cancel(this.#timer)
    this.#timer = undefined
  }
}
