const BASE_MS = 500
/** Maximum wait before a jitter, whoever asks for it. */
export const MAX_BACKOFF_MS = 60_000
const MAX_RETRY_AFTER_CHARS = 64
/** Part of a wait requested by the server that is added at random: it asks all agents for the same. */
const JITTER = 0.25

/**
 * Returns the wait in milliseconds after `failures` failures in a row: exponential, and random between a quarter of the
 * bound and the bound, so that a retry is never immediate and agents do not retry in step. A server may ask for a longer
 * wait (`retryAfterMs`), up to MAX_BACKOFF_MS: one that asks for a year does not end the metadata until a restart.
 */
export function backoffMs(failures: number, retryAfterMs = 0): number {
  const bound = Math.min(MAX_BACKOFF_MS, BASE_MS * 2 ** Math.min(Math.max(failures - 1, 0), 20))
  const wait = bound * (0.25 + 0.75 * Math.random())
  const requested = Math.min(retryAfterMs, MAX_BACKOFF_MS) * (1 + JITTER * Math.random())
  return Math.max(wait, requested)
}

/** Converts Retry-After, seconds or a date, to a wait of at most MAX_BACKOFF_MS; 0 for anything else. */
export function parseRetryAfter(value: string | number | undefined, nowMs: number): number {
  if (value === undefined || value === '') return 0
  if (typeof value === 'string' && value.length > MAX_RETRY_AFTER_CHARS) return 0
  const seconds = Number(value)
  const ms = Number.isNaN(seconds) ? Date.parse(String(value)) - nowMs : seconds * 1000
  return ms > 0 ? Math.min(ms, MAX_BACKOFF_MS) : 0
}
