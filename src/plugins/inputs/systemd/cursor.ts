/**
 * A position in the journal, as journald writes it:
 *
 * ```
 *   s=<id of the sequence>;i=<number in it>;b=<boot>;m=<time since boot>;t=<time of day>;x=<hash of the fields>
 * ```
 * Numbers are hexadecimal, times in microseconds.
 */
export interface Cursor {
  readonly text: string
  readonly sequence: string
  readonly number: number
  /** `b`, `m`, `t` and `x`: what an entry keeps when it is copied to another file. */
  readonly entry: string
  readonly us: number
}

const FORM =
  /^s=([0-9a-f]{32});i=([0-9a-f]{1,16});(b=[0-9a-f]{32};m=[0-9a-f]{1,16};t=([0-9a-f]{1,16});x=[0-9a-f]{1,16})$/

/** Undefined for a text that is no cursor. */
export function parseCursor(text: string): Cursor | undefined {
  const [, sequence, number, entry, us] = FORM.exec(text) ?? []
  if (sequence === undefined || entry === undefined) return undefined
  return {
    text,
    sequence,
    number: Number.parseInt(number ?? '', 16),
    entry,
    us: Number.parseInt(us ?? '', 16),
  }
}

/**
 * Whether both stand for one entry. journald numbers it anew when it moves it from /run to /var; and after a power
 * failure it gives a number that was lost with its entry to another one.
 */
export function isSameEntry(a: Cursor, b: Cursor): boolean {
  return a.entry === b.entry && (a.sequence !== b.sequence || a.number === b.number)
}

/**
 * Where to go on when the entry is gone: at its time. By its number journalctl would pass over everything that got a
 * number up to it after the journal had lost its end, by its boot all later boots in the same file.
 */
export function timeCursor(cursor: Cursor): string {
  return `t=${cursor.us.toString(16)}`
}

/** At most how many entries were between the two; undefined: not known. */
export function entriesBetween(from: Cursor, to: Cursor): number | undefined {
  if (from.sequence !== to.sequence || to.number <= from.number) return undefined
  return to.number - from.number - 1
}

/** Where the number begins: behind `s=`, 32 digits, `;i=`. */
const NUMBER_AT = 37
const NUMBER_DIGITS = 16

/** The number of a cursor that begins at `start`; whether it is one is not looked at. */
export function numberIn(buf: Buffer, start: number): number {
  let number = 0
  for (let p = start + NUMBER_AT; p < start + NUMBER_AT + NUMBER_DIGITS; p++) {
    const c = buf[p] as number
    const digit = c >= 0x30 && c <= 0x39 ? c - 0x30 : c >= 0x61 && c <= 0x66 ? c - 0x57 : -1
    if (digit < 0) break
    number = number * 16 + digit
  }
  return number
}
