/** How long a failed chunk waits, and whether it is tried again at all. */
export interface RetryPolicy {
  /** `scheduler.base` and `scheduler.cap`, milliseconds. */
  baseMs: number
  capMs: number
  /** Tries after the first one; Infinity for no_limits, 0 for no_retries. */
  limit: number
}

/** A peer that is away is asked at least this often, so that delivery goes on soon after its return. */
export const MAX_PROBE_WAIT_MS = 1000
const FLOOR_MS = 20

/**
 * Exponential backoff with full jitter: uniform in [0, min(cap, base * 2^(attempt-1))].
 * `probing`: the peer itself is away and nothing is lost by asking; the wait is capped at MAX_PROBE_WAIT_MS. Not with a
 * finite Retry_Limit: there each try counts, and trying fast would give up fast.
 */
export function retryWaitMs(
  policy: RetryPolicy,
  attempt: number,
  probing: boolean,
  random = Math.random,
): number {
  const bound = Math.min(policy.capMs, policy.baseMs * 2 ** Math.min(attempt - 1, 30))
  const capped =
    probing && policy.limit === Number.POSITIVE_INFINITY ? Math.min(bound, MAX_PROBE_WAIT_MS) : bound
  return Math.max(FLOOR_MS, random() * capped)
}
