const BASE_MS = 500
const MAX_BACKOFF_MS = 60_000

/**
 * Returns the wait in milliseconds after `failures` failures in a row: exponential, and random between a quarter of the
 * bound and the bound, so that a retry is never immediate and agents do not retry in step.
 */
export function backoffMs(failures: number): number {
  const bound = Math.min(MAX_BACKOFF_MS, BASE_MS * 2 ** Math.min(failures - 1, 20))
  return bound * (0.25 + 0.75 * Math.random())
}
