const TIME_NANO = Buffer.from('"timeNano"')
const TIME = Buffer.from('"time"')
/** Digits of a time in nanoseconds until the year 2106, where EventTime ends. */
const MAX_NANO_DIGITS = 19
const MAX_SECONDS = 0xffff_ffff

/** The time of an event in nanoseconds. */
interface EventTime {
  nano: bigint
  /** False when the event has only seconds. */
  hasNano: boolean
}

/**
 * Returns the time of the event in the line buf[start, end), or undefined without one. The
 * quotes of a key within a string are escaped, and all values of `Actor.Attributes` are strings, so a key
 * before a colon and digits is the event's own.
 */
export function eventTime(buf: Buffer, start: number, end: number): EventTime | undefined {
  const digits = digitsAfter(buf, start, end, TIME_NANO)
  if (digits !== undefined) return within(BigInt(digits), true)
  const seconds = digitsAfter(buf, start, end, TIME)
  return seconds === undefined ? undefined : within(BigInt(seconds) * 1_000_000_000n, false)
}

/** Returns the time as Docker takes it for `since`: seconds and nine decimals. */
export function sinceText(nano: bigint): string {
  return `${nano / 1_000_000_000n}.${String(nano % 1_000_000_000n).padStart(9, '0')}`
}

function within(nano: bigint, hasNano: boolean): EventTime | undefined {
  return nano / 1_000_000_000n <= BigInt(MAX_SECONDS) ? { nano, hasNano } : undefined
}

/** Returns the digits after the last occurrence of the key that has some. */
function digitsAfter(buf: Buffer, start: number, end: number, key: Buffer): string | undefined {
  // Docker writes the times last.
  let at = buf.lastIndexOf(key, end - 1)
  while (at >= start) {
    const from = valueAfter(buf, at + key.length, end)
    let to = from
    while (to < end && isDigit(buf[to] as number)) to++
    if (to > from && to - from <= MAX_NANO_DIGITS) return buf.toString('latin1', from, to)
    if (at === 0) return undefined
    at = buf.lastIndexOf(key, at - 1)
  }
  return undefined
}

/** Returns the offset behind the colon at `at`, with blanks around it; `end` when there is none. */
function valueAfter(buf: Buffer, at: number, end: number): number {
  const colon = skipBlanks(buf, at, end)
  return colon < end && buf[colon] === 0x3a ? skipBlanks(buf, colon + 1, end) : end
}

function skipBlanks(buf: Buffer, from: number, end: number): number {
  let at = from
  while (at < end && (buf[at] === 0x20 || buf[at] === 0x09)) at++
  return at
}

function isDigit(c: number): boolean {
  return c >= 0x30 && c <= 0x39
}
