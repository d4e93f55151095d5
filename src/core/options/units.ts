/**
 * Parsing and formatting of sizes, times and switches as a user writes them. The `parse` functions return undefined for
 * invalid text; ranges are checked by the caller.
 */

const SIZE = /^(-?\d+(?:\.\d+)?)\s*([kmg]?)b?$/i
const TIME = /^(-?\d*\.?\d+|-?\d+\.)\s*(ms|s|m|h|d)?$/i
const SIZE_UNITS: Record<string, number> = { '': 1, k: 1e3, m: 1e6, g: 1e9 }
const TIME_UNITS: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }
const TRUE = ['true', 'on', 'yes']
const FALSE = ['false', 'off', 'no']

/** Parses a size in bytes, `5M` -> 5,000,000: K, M and G are powers of 1000 as in fluent-bit, B is optional; `false`, `off` and `no` -> 0. */
export function parseSize(text: string): number | undefined {
  if (parseBool(text) === false) return 0
  const [, number, unit] = SIZE.exec(text) ?? []
  if (number === undefined || unit === undefined) return undefined
  return Math.round(Number(number) * (SIZE_UNITS[unit.toLowerCase()] ?? 1))
}

/**
 * Parses `60`, `0.5` (seconds) or `5m` into milliseconds; `false` -> 0. The `sec.nsec` of some fluent-bit options is read
 * as a decimal number: equal for nine digits, and what users mean with fewer.
 */
export function parseTime(text: string): number | undefined {
  if (text.toLowerCase() === 'false') return 0
  const [, number, unit = 's'] = TIME.exec(text) ?? []
  if (number === undefined) return undefined
  // Rounded to nanoseconds: 0.07 s is 70 ms and not 70.00000000000001.
  return Math.round(Number(number) * (TIME_UNITS[unit.toLowerCase()] ?? 1) * 1e6) / 1e6
}

export function parseBool(text: string): boolean | undefined {
  const word = text.toLowerCase()
  if (TRUE.includes(word)) return true
  return FALSE.includes(word) ? false : undefined
}

/** Formats a size so that `parseSize` returns the same number; with a unit where one decimal is enough. */
export function formatSize(bytes: number): string {
  for (const [unit, factor] of [
    ['G', 1e9],
    ['M', 1e6],
    ['K', 1e3],
  ] as const) {
    if (Math.abs(bytes) >= factor && bytes % (factor / 10) === 0) return `${bytes / factor}${unit}`
  }
  return String(bytes)
}

/** Formats a time so that `parseTime` returns the same number, in the largest unit that divides it. */
export function formatTime(ms: number): string {
  if (ms === 0) return '0s'
  for (const unit of ['d', 'h', 'm', 's'] as const) {
    if (ms % (TIME_UNITS[unit] as number) === 0) return `${ms / (TIME_UNITS[unit] as number)}${unit}`
  }
  return `${ms}ms`
}
