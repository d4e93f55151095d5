/** The words of Retry_Limit. */
const NO_LIMIT = new Set(['no_limits', 'false', 'off', 'no'])

/** `no_limits`, `no_retries` or a number from 1; undefined when it is none of them. */
export function parseRetryLimit(text: string): number | undefined {
  const word = text.trim().toLowerCase()
  if (NO_LIMIT.has(word)) return Number.POSITIVE_INFINITY
  if (word === 'no_retries') return 0
  const n = Number(word)
  return Number.isInteger(n) && n >= 1 ? n : undefined
}
