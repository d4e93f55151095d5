import { codePoint, HEX, writeCodePoint } from '../json/escapes.ts'

/**
 * A text decoder of `Decode_Field_As`: resolves the escapes of buf[start, end) in place, never makes the text longer, and
 * returns its new end. It never fails: each decoder defines what it does with a sequence that is not an escape.
 */
export type Unescape = (buf: Buffer, start: number, end: number) => number

const BACKSLASH = 0x5c
const REPLACEMENT = 0xfffd

/** Meaning of a letter after a backslash in C; 0: the byte itself. */
const LETTERS = new Uint8Array(256)
for (const [letter, meant] of Object.entries({ a: 7, b: 8, t: 9, n: 10, v: 11, f: 12, r: 13 })) {
  LETTERS[letter.charCodeAt(0)] = meant
}

/** Resolves escape = "\" ( one of abtnvfr / any ); a backslash at the end stays. */
export function unescapeLetters(buf: Buffer, start: number, end: number): number {
  let p = firstEscape(buf, start, end)
  let dst = p
  while (p < end) {
    const c = buf[p++] as number
    if (c !== BACKSLASH || p === end) buf[dst++] = c
    else {
      const letter = buf[p++] as number
      buf[dst++] = (LETTERS[letter] as number) || letter
    }
  }
  return dst
}

/**
 * Resolves C escapes with numbers:
 *
 * ```
 *   escape = "\" ( one of abtnvfr / 1*3octal / "x" 1*2hex / "u" 4hex / "U" 1*8hex / any )
 * ```
 * Numbers are code points and become UTF-8; two `\u` that form a surrogate pair become one. Half a pair, `\u` with fewer
 * than four digits and numbers that are not code points become U+FFFD.
 */
export function unescapeUtf8(buf: Buffer, start: number, end: number): number {
  let p = firstEscape(buf, start, end)
  let dst = p
  while (p < end) {
    const c = buf[p] as number
    if (c !== BACKSLASH || p + 1 === end) {
      buf[dst++] = c
      p++
      continue
    }
    const digits = digitsAt(buf, p, end)
    if (digits === 0) {
      const letter = buf[p + 1] as number
      buf[dst++] = (LETTERS[letter] as number) || letter
      p += 2
      continue
    }
    const unicode = buf[p + 1] === 0x75
    const code = unicode ? codePoint(buf, p, end) : numberAt(buf, p, digits)
    p = unicode && code > 0xffff ? p + 12 : firstDigit(buf, p) + digits
    dst = writeCodePoint(buf, dst, isScalar(code) ? code : REPLACEMENT)
  }
  return dst
}

/** Meaning of a byte after a backslash in MySQL; any other keeps its backslash. */
const MYSQL = new Int16Array(256).fill(-1)
for (const [letter, meant] of Object.entries({
  n: 10,
  r: 13,
  t: 9,
  '\\': 0x5c,
  "'": 0x27,
  '"': 0x22,
  '0': 0,
  Z: 0x1a,
})) {
  MYSQL[letter.charCodeAt(0)] = meant
}

/** Unquotes a text between two `'` or two `"` as MySQL writes it; any other text is unchanged. */
export function unquoteMysql(buf: Buffer, start: number, end: number): number {
  const quote = buf[start]
  if (end - start < 2 || (quote !== 0x27 && quote !== 0x22) || buf[end - 1] !== quote) return end
  let dst = start
  for (let p = start + 1; p < end - 1; p++) {
    const meant = buf[p] === BACKSLASH && p + 1 < end - 1 ? (MYSQL[buf[p + 1] as number] as number) : -1
    buf[dst++] = meant < 0 ? (buf[p] as number) : meant
    if (meant >= 0) p++
  }
  return dst
}

function firstEscape(buf: Buffer, start: number, end: number): number {
  const found = buf.indexOf(BACKSLASH, start)
  return found < 0 || found > end ? end : found
}

/** Returns the number of digits of the numeric escape at `at`; 0 when it is not numeric. */
function digitsAt(buf: Buffer, at: number, end: number): number {
  const letter = buf[at + 1] as number
  const octal = isOctal(letter)
  const max = octal ? 3 : letter === 0x78 ? 2 : letter === 0x75 ? 4 : letter === 0x55 ? 8 : 0
  const from = firstDigit(buf, at)
  let p = from
  while (
    p < end &&
    p < from + max &&
    (octal ? isOctal(buf[p] as number) : (HEX[buf[p] as number] as number) >= 0)
  )
    p++
  return p - from
}

function numberAt(buf: Buffer, at: number, digits: number): number {
  const from = firstDigit(buf, at)
  const base = from === at + 1 ? 8 : 16
  let value = 0
  for (let p = from; p < from + digits; p++) value = value * base + (HEX[buf[p] as number] as number)
  return value
}

function firstDigit(buf: Buffer, at: number): number {
  return isOctal(buf[at + 1] as number) ? at + 1 : at + 2
}

function isOctal(c: number): boolean {
  return c >= 0x30 && c <= 0x37
}

function isScalar(code: number): boolean {
  return (code >= 0 && code < 0xd800) || (code > 0xdfff && code <= 0x10ffff)
}
