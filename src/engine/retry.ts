/** Rules for retrying a failed chunk. */
export interface RetryPolicy {
  /** `scheduler.base` in milliseconds. */
  baseMs: number
  /** `scheduler.cap` in milliseconds. */
  capMs: number
  /** Maximum number of retries; Infinity for no_limits, 0 for no_retries. */
  limit: number
}

/** Maximum wait between two probes of an unreachable peer, so that delivery resumes soon after its return. */
export const MAX_PROBE_WAIT_MS = 1000
const MIN_WAIT_MS = 20

/**
 * Returns the wait before a retry: exponential backoff with full jitter, uniform in [0, min(cap, base * 2^(attempt-1))].
 * With `probing` the peer is unreachable and a probe costs nothing, so the wait is at most MAX_PROBE_WAIT_MS. A finite
 * Retry_Limit rules that out: each probe counts as a retry, and fast probes would soon use them up.
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
  return Math.max(MIN_WAIT_MS, random() * capped)
}
