import { ALNUM, HEX, LINK, runEnd, startsWith } from './bytes.ts'

const COLON = 0x3a
const HASH = 0x23
const CLOSING = new Set([0x5d, 0x7d])
/** What a filter has written already. */
const REDACTED = Buffer.from('redacted')
const MAX_KIND = 41
const HASH_DIGITS = 16

/** True for the text of a redaction, as `REDACTED:password]` and `password#0123456789abcdef]`. */
export function isPlaceholder(buf: Buffer, at: number, end: number): boolean {
  if (startsWith(buf, at, end, REDACTED, true)) {
    const after = at + REDACTED.length
    return after < end && (buf[after] === COLON || CLOSING.has(buf[after] as number))
  }
  const mark = runEnd(buf, at, Math.min(end, at + MAX_KIND), ALNUM | LINK)
  const close = mark + 1 + HASH_DIGITS
  return (
    mark > at &&
    close < end &&
    buf[mark] === HASH &&
    runEnd(buf, mark + 1, close, HEX) === close &&
    CLOSING.has(buf[close] as number)
  )
}
