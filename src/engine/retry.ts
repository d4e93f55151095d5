import { systemCode } from '../core/error.ts'

/** Rules for retrying a failed chunk. */
export interface RetryPolicy {
  /** `scheduler.base` in milliseconds. */
  baseMs: number
  /** `scheduler.cap` in milliseconds. */
  capMs: number
  /** Maximum number of retries; Infinity for no_limits, 0 for no_retries. */
  limit: number
}

/** `scheduler.cap` when it is not configured and not less than `scheduler.base`. */
const DEFAULT_CAP_MS = 5000
const MIN_WAIT_MS = 20
/** Failures to resolve a name, by the resolver of the system or c-ares. */
const NAME_FAILURES = new Set(['ENOTFOUND', 'EAI_AGAIN', 'EAI_NODATA', 'EAI_FAIL', 'ESERVFAIL', 'ENODATA'])
/** Maximum number of causes of an error that are examined. */
const MAX_CAUSES = 8

/** Returns the cap of the waits: a configured base above the default cap is the cap. */
export function capMsOf(configuredMs: number | undefined, baseMs: number): number {
  return configuredMs ?? Math.max(DEFAULT_CAP_MS, baseMs)
}

/**
 * Returns the wait before a retry of a chunk or a probe of an unreachable peer: exponential backoff with full jitter,
 * uniform in [0, min(cap, base * 2^(attempt-1))]. The jitter spreads the probes of many agents over the whole wait, so that
 * a peer that returns is not met by all of them at once.
 */
export function retryWaitMs(policy: RetryPolicy, attempt: number, random = Math.random): number {
  const bound = Math.min(policy.capMs, policy.baseMs * 2 ** Math.min(attempt - 1, 30))
  return Math.max(MIN_WAIT_MS, random() * bound)
}

/**
 * Returns the wait after a name could not be resolved: uniform in the upper half of the cap. Each attempt costs the name
 * server up to ten queries (a search list, two address families), and a name seldom appears within a second.
 */
export function nameWaitMs(policy: RetryPolicy, random = Math.random): number {
  return Math.max(MIN_WAIT_MS, ((1 + random()) / 2) * policy.capMs)
}

/** Returns true when the error or one of its causes is that a name could not be resolved. */
export function isNameFailure(error: unknown): boolean {
  let cause = error
  for (let depth = 0; depth < MAX_CAUSES && cause instanceof Error; depth++) {
    const code = systemCode(cause)
    if (code !== undefined && NAME_FAILURES.has(code.replace('DNS_', ''))) return true
    cause = cause.cause
  }
  return false
}
