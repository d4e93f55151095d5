/** Longest wait that a server may ask for: what is in a header must not stop an output for days. */
const MAX_RETRY_AFTER_MS = 300_000

/** Returns the wait that a `Retry-After` header asks for in milliseconds, in seconds or as a date; undefined when it has neither. */
export function retryAfterMs(header: string | undefined, nowMs: number): number | undefined {
  if (header === undefined) return undefined
  const text = header.trim()
  if (/^\d{1,9}(?:\.\d{1,9})?$/.test(text)) return Math.min(MAX_RETRY_AFTER_MS, Number(text) * 1000)
  // A date has the name of a day or month: numbers alone would be read as some year.
  if (!/^[A-Za-z]{3,9},? .{8,40}$/.test(text)) return undefined
  const atMs = Date.parse(text)
  if (Number.isNaN(atMs)) return undefined
  return Math.min(MAX_RETRY_AFTER_MS, Math.max(0, atMs - nowMs))
}
