/** Values of Retry_Limit that mean unlimited retries. */
const NO_LIMIT = new Set(['no_limits', 'false', 'off', 'no'])

/** Parses `no_limits` (Infinity), `no_retries` (0) or a number from 1; returns undefined for anything else. */
export function parseRetryLimit(text: string): number | undefined {
  const word = text.trim().toLowerCase()
  if (NO_LIMIT.has(word)) return Number.POSITIVE_INFINITY
  if (word === 'no_retries') return 0
  const n = Number(word)
  return Number.isInteger(n) && n >= 1 ? n : undefined
}
