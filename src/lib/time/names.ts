const MONTHS = 'january february march april may june july august september october november december'.split(
  ' ',
)
const WEEKDAYS = 'sunday monday tuesday wednesday thursday friday saturday'.split(' ')

/** Abbreviations that mean one zone only; IST, BST, AST and the like mean several and are not understood. */
const ZONES: Record<string, number> = {
  Z: 0,
  UTC: 0,
  GMT: 0,
  UT: 0,
  WET: 0,
  WEST: 1,
  CET: 1,
  CEST: 2,
  EET: 2,
  EEST: 3,
  MSK: 3,
  JST: 9,
  KST: 9,
  EST: -5,
  EDT: -4,
  CST: -6,
  CDT: -5,
  MST: -7,
  MDT: -6,
  PST: -8,
  PDT: -7,
}
const ZONE_NAMES = Object.entries(ZONES).map(([name, hours]) => ({ name: Buffer.from(name), hours }))

/**
 * A name in full or its first three letters, English, in any case. The result is its number times 16 plus its length,
 * or -1: two results without an object.
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

export function matchMonth(src: Buffer, at: number, end: number): number {
  return matchName(MONTH_BYTES, src, at, end)
}

export function matchWeekday(src: Buffer, at: number, end: number): number {
  return matchName(WEEKDAY_BYTES, src, at, end)
}

/** A numeric offset or an abbreviation at `at`: `seconds` east of UTC and its `length`, 0 when there is none. */
export class ZoneWord {
  seconds = 0
  length = 0

  read(src: Buffer, at: number, end: number): boolean {
    const c = at < end ? (src[at] as number) : 0
    this.length = c === 0x2b || c === 0x2d ? this.#numeric(src, at, end) : this.#name(src, at, end)
    return this.length > 0
  }

  /** hh, hhmm or hh:mm behind the sign. */
  #numeric(src: Buffer, at: number, end: number): number {
    const hours = twoDigits(src, at + 1, end)
    if (hours < 0 || hours > 24) return 0
    const colon = at + 3 < end && src[at + 3] === 0x3a ? 1 : 0
    const minutes = twoDigits(src, at + 3 + colon, end)
    const seconds = hours * 3600 + Math.max(minutes, 0) * 60
    this.seconds = src[at] === 0x2d ? -seconds : seconds
    return minutes < 0 ? 3 : 5 + colon
  }

  #name(src: Buffer, at: number, end: number): number {
    let n = 0
    while (at + n < end && n < 6 && isLetter(src[at + n] as number)) n++
    const known = ZONE_NAMES.find(({ name }) => name.length === n && equalName(name, src, at))
    if (known === undefined) return 0
    this.seconds = known.hours * 3600
    return n
  }
}

function equalName(name: Buffer, src: Buffer, at: number): boolean {
  for (let i = 0; i < name.length; i++) if (((src[at + i] as number) & 0xdf) !== name[i]) return false
  return true
}

function isLetter(c: number): boolean {
  const lower = c | 0x20
  return lower >= 0x61 && lower <= 0x7a
}

function twoDigits(src: Buffer, at: number, end: number): number {
  if (at + 2 > end) return -1
  const a = (src[at] as number) - 48
  const b = (src[at + 1] as number) - 48
  return a >= 0 && a <= 9 && b >= 0 && b <= 9 ? a * 10 + b : -1
}
