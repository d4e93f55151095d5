/** Classes of bytes, as bits. */
export const DIGIT = 1
export const UPPER = 2
const LOWER = 4
/** `_` and `-`: with the above the alphabet of base64url. */
export const LINK = 8
/** Characters of the local part of an address, letters and digits excepted. */
export const LOCAL = 16
export const HEX = 32
/** Other characters of a token in a header: `.`, `~`, `+`, `/`, `=`. */
export const TOKEN = 64
/** What ends a value without quotation marks. */
export const STOP = 128

export const LETTER = UPPER | LOWER
export const ALNUM = DIGIT | LETTER
export const BASE64URL = ALNUM | LINK

/** Class of each byte. */
export const CLASSES = new Uint8Array(256)

function add(bit: number, chars: string): void {
  for (const char of chars) CLASSES[char.charCodeAt(0)] = (CLASSES[char.charCodeAt(0)] as number) | bit
}

add(DIGIT | HEX, '0123456789')
add(UPPER, 'ABCDEFGHIJKLMNOPQRSTUVWXYZ')
add(LOWER, 'abcdefghijklmnopqrstuvwxyz')
add(HEX, 'abcdefABCDEF')
add(LINK, '_-')
add(LOCAL, '.%+_-!#$*~^')
add(TOKEN, '.~+/=_-')
add(STOP, ' \t\r\n,;&"\'`)}]<>|\\\0')

export function is(buf: Buffer, at: number, bits: number): boolean {
  return ((CLASSES[buf[at] as number] as number) & bits) !== 0
}

/** Returns the offset after the bytes of these classes from `at` on. */
export function runEnd(buf: Buffer, at: number, end: number, bits: number): number {
  let p = at
  while (p < end && ((CLASSES[buf[p] as number] as number) & bits) !== 0) p++
  return p
}

/** Returns true when the bytes from `at` on are `text`, in lower case if `folds`; they must end before `end`. */
export function startsWith(buf: Buffer, at: number, end: number, text: Buffer, folds: boolean): boolean {
  if (at + text.length > end) return false
  for (let i = 0; i < text.length; i++) {
    const byte = buf[at + i] as number
    if (byte !== text[i] && !(folds && is(buf, at + i, UPPER) && byte + 0x20 === text[i])) return false
  }
  return true
}

const BACKSLASH = 0x5c
const PERCENT = 0x25
const SEMICOLON = 0x3b
const BRACKET = 0x5b
const LETTER_M = 0x6d
const LETTER_U = 0x75
const LETTER_X = 0x78
/** Letters that are an escape sequence with a backslash before them. */
const ESCAPES = new Set(Buffer.from('nrtbfve'))
/** What stands before the bracket of a colour: ESC, or the end of `\u001b`, `\x1B`, `\033`, `\e`. */
const BEFORE_COLOUR = new Set(Buffer.from('\x1bbB3e'))
const MAX_COLOUR = 16
const LONGEST_ESCAPE = 6

/**
 * Returns true when `at` is within a word or number: after a letter or digit that does not belong to an escape sequence. A `n` after a
 * backslash is a line feed in JSON, and `ESC[31m` a colour.
 */
export function isWithinWord(buf: Buffer, begin: number, at: number): boolean {
  if (at <= begin || !is(buf, at - 1, ALNUM)) return false
  const byte = buf[at - 1] as number
  if (at - 2 >= begin && buf[at - 2] === BACKSLASH && ESCAPES.has(byte)) return false
  if (byte === LETTER_M && isColour(buf, begin, at - 2)) return false
  return !is(buf, at - 1, HEX) || escapeEnd(buf, begin, at - 1) !== at
}

/** True when parameters of a colour end at `last`. */
function isColour(buf: Buffer, begin: number, last: number): boolean {
  let p = last
  while (p > begin && last - p < MAX_COLOUR && (is(buf, p, DIGIT) || buf[p] === SEMICOLON)) p--
  return p > begin && buf[p] === BRACKET && BEFORE_COLOUR.has(buf[p - 1] as number)
}

/** Returns the offset after the escape sequence `%20`, `\x20` or `\u0020` in whose digits `at` is; `at`: there is none. */
export function escapeEnd(buf: Buffer, begin: number, at: number): number {
  for (let p = at - 1; p >= begin && p > at - LONGEST_ESCAPE; p--) {
    const isPercent = buf[p] === PERCENT
    if (!isPercent && buf[p] !== BACKSLASH) continue
    const kind = buf[p + 1]
    const digits = isPercent ? p + 1 : p + 2
    const end = isPercent ? p + 3 : kind === LETTER_U ? p + 6 : kind === LETTER_X ? p + 4 : -1
    if (end > at && digits <= at && end <= buf.length && runEnd(buf, digits, end, HEX) === end) return end
  }
  return at
}

/** Range of a secret in the text that is being looked at. */
export interface Span {
  start: number
  end: number
}
