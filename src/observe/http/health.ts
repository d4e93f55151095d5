import type { Snapshot } from '../../core/snapshot.ts'

export interface HealthOptions {
  /** Health_Check; false: always healthy, and nothing is sampled. */
  enabled: boolean
  errorsCount: number
  retryFailureCount: number
  periodMs: number
}

/** Names as fluent-bit's `/api/v2/health` has them; `period_limit` in seconds. */
export interface Health {
  status: 'ok' | 'error'
  errors: number
  retries_failed: number
  error_limit: number
  retry_failure_limit: number
  period_limit: number
}

interface Counts {
  atMs: number
  errors: number
  retriesFailed: number
}

/**
 * Errors and chunks given up within the last Hc_Period, from totals sampled now and then.
 *
 * ```
 *   samples   s1    s2    s3    s4 ... now
 *                |<------ period ------->|      counted: now - s1, the latest sample before the period
 * ```
 * So the window is the period and up to one sampling interval more, never less: an error is not missed, only
 * remembered a little longer. Before the first period is over everything since the start counts.
 */
export class HealthWindow {
  #options: HealthOptions
  #samples: Counts[]

  constructor(options: HealthOptions, startedMs: number) {
    this.#options = options
    this.#samples = [{ atMs: startedMs, errors: 0, retriesFailed: 0 }]
  }

  /** How often to call `sample`: at most SAMPLES are kept for a period. */
  get intervalMs(): number {
    return Math.max(MIN_INTERVAL_MS, this.#options.periodMs / SAMPLES)
  }

  sample(snapshot: Snapshot): void {
    const now = countsOf(snapshot)
    const last = this.#samples.at(-1)
    // A clock that was set back would keep old samples for ever: begin anew with what is known.
    if (last !== undefined && now.atMs < last.atMs) this.#samples = []
    this.#samples.push(now)
    const from = now.atMs - this.#options.periodMs
    while (this.#samples.length > 1 && (this.#samples[1] as Counts).atMs <= from) this.#samples.shift()
  }

  verdict(snapshot: Snapshot): Health {
    const { enabled, errorsCount, retryFailureCount, periodMs } = this.#options
    const now = countsOf(snapshot)
    const from = now.atMs - periodMs
    const base = this.#samples.findLast((s) => s.atMs <= from) ?? this.#samples[0] ?? now
    const errors = enabled ? now.errors - base.errors : 0
    const retriesFailed = enabled ? now.retriesFailed - base.retriesFailed : 0
    return {
      status: errors > errorsCount || retriesFailed > retryFailureCount ? 'error' : 'ok',
      errors,
      retries_failed: retriesFailed,
      error_limit: errorsCount,
      retry_failure_limit: retryFailureCount,
      period_limit: Math.round(periodMs / 1000),
    }
  }
}

const SAMPLES = 12
const MIN_INTERVAL_MS = 1000

function countsOf({ nowMs, outputs }: Snapshot): Counts {
  let errors = 0
  let retriesFailed = 0
  for (const output of outputs) {
    errors += output.errors
    retriesFailed += output.retriesFailed
  }
  return { atMs: nowMs, errors, retriesFailed }
}
