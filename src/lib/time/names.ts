const MONTHS = 'january february march april may june july august september october november december'.split(
  ' ',
)
const WEEKDAYS = 'sunday monday tuesday wednesday thursday friday saturday'.split(' ')

/**
 * Matches an English name in full or its first three letters, in any case. Returns its index times 16 plus the number of
 * bytes matched, or -1: two results without an object.
 */
function matchName(names: readonly Buffer[], src: Buffer, at: number, end: number): number {
  for (let i = 0; i < names.length; i++) {
    const name = names[i] as Buffer
    let n = 0
    while (n < name.length && at + n < end && ((src[at + n] as number) | 0x20) === name[n]) n++
    if (n === name.length) return i * 16 + n
    if (n >= 3) return i * 16 + 3
  }
  return -1
}

const MONTH_BYTES = MONTHS.map((name) => Buffer.from(name))
const WEEKDAY_BYTES = WEEKDAYS.map((name) => Buffer.from(name))

/** Matches the name of a month; see `matchName` for the result. */
export function matchMonth(src: Buffer, at: number, end: number): number {
  return matchName(MONTH_BYTES, src, at, end)
}

/** Matches the name of a weekday; see `matchName` for the result. */
export function matchWeekday(src: Buffer, at: number, end: number): number {
  return matchName(WEEKDAY_BYTES, src, at, end)
}
