import { ALNUM, DIGIT, is, isWithinWord, runEnd, type Span, startsWith } from './bytes.ts'

export const MIN_CARD_DIGITS = 13
const MAX_CARD_DIGITS = 19
const ZERO = 0x30
/** Most digits of what stands beside a number with a hyphen. */
const MAX_BESIDE = 4
/** What may stand directly before a number: names, and the first track of a card. */
const NAMES = ['pan', 'card', 'cc', '%b'].map((text) => Buffer.from(text))
const BLANK = 0x20
const HYPHEN = 0x2d
const DOT = 0x2e

/** Lengths of the groups of digits after the first four: the longest first. */
const SHAPES: readonly (readonly number[])[] = [
  [4, 4, 4, 3],
  [4, 4, 4],
  [6, 5],
  [6, 4],
  [4, 4, 1],
]

/** Issuers: range of the first six digits, and the lengths of their numbers. */
const ISSUERS: readonly (readonly [from: number, to: number, ...lengths: number[]])[] = [
  [400000, 499999, 13, 16, 19], // Visa
  [510000, 559999, 16], // Mastercard
  [222100, 272099, 16], // Mastercard
  [340000, 349999, 15], // American Express
  [370000, 379999, 15],
  [300000, 305999, 14, 16], // Diners Club
  [309500, 309599, 14, 16],
  [360000, 369999, 14, 15, 16, 17, 18, 19],
  [380000, 399999, 14, 16],
  [601100, 601199, 16, 17, 18, 19], // Discover
  [644000, 659999, 16, 17, 18, 19],
  [620000, 629999, 16, 17, 18, 19], // UnionPay
  [810000, 817199, 16, 17, 18, 19],
  [352800, 358999, 16, 17, 18, 19], // JCB
  [220000, 220499, 16, 17, 18, 19], // Mir
  [501800, 501899, 13, 14, 15, 16, 17, 18, 19], // Maestro
  [502000, 502099, 13, 14, 15, 16, 17, 18, 19],
  [503800, 503899, 13, 14, 15, 16, 17, 18, 19],
  [589300, 589399, 13, 14, 15, 16, 17, 18, 19],
  [630400, 630499, 13, 14, 15, 16, 17, 18, 19],
  [675900, 675999, 13, 14, 15, 16, 17, 18, 19],
  [676100, 676399, 13, 14, 15, 16, 17, 18, 19],
  [979200, 979299, 16], // Troy
  [508500, 508999, 16], // RuPay
  [606900, 608599, 16],
]

const FROM = Int32Array.from(ISSUERS, ([from]) => from)
const TO = Int32Array.from(ISSUERS, ([, to]) => to)
/** A bit for each length. */
const LENGTHS = Int32Array.from(ISSUERS, ([, , ...lengths]) =>
  lengths.reduce((bits, n) => bits | (1 << n), 0),
)

const digits = new Uint8Array(MAX_CARD_DIGITS)

/**
 * Finds a card number whose first digit is at `start`; `runEnd` is the end of its run of digits. Numbers have 13 to 19 digits, in
 * one run or in the groups that are printed on cards, with one blank or hyphen between them. Neither a letter nor a part of a longer
 * number may be next to it; next to one run there may be a hyphen and up to four digits (a code or a date), or a fraction of zeros.
 */
export function findCard(
  buf: Buffer,
  begin: number,
  start: number,
  run: number,
  end: number,
  span: Span,
): boolean {
  const count = run - start
  if (count !== 4) {
    if (count < MIN_CARD_DIGITS || count > MAX_CARD_DIGITS) return false
    if (!isBoundaryBefore(buf, begin, start, true) || !isBoundaryAfter(buf, run, end, true)) return false
    for (let i = 0; i < count; i++) digits[i] = (buf[start + i] as number) - ZERO
    if (!isCard(count)) return false
    span.start = start
    span.end = run
    return true
  }
  const separator = run < end ? buf[run] : 0
  if (separator !== BLANK && separator !== HYPHEN) return false
  // Mostly no digit comes after the separator.
  if (run + 1 >= end || !is(buf, run + 1, DIGIT) || !isBoundaryBefore(buf, begin, start, false)) return false
  for (const shape of SHAPES) {
    const stop = readGroups(buf, start, end, separator, shape)
    if (stop < 0 || !isBoundaryAfter(buf, stop, end, false)) continue
    if (!isCard(shape.reduce((sum, n) => sum + n, 4))) continue
    span.start = start
    span.end = stop
    return true
  }
  return false
}

/** Reads a first group of four digits and those of the shape; returns the offset after them, or -1. */
function readGroups(
  buf: Buffer,
  start: number,
  end: number,
  separator: number,
  shape: readonly number[],
): number {
  let count = 0
  let p = start
  for (let group = -1; group < shape.length; group++) {
    if (group >= 0 && (p >= end || buf[p++] !== separator)) return -1
    const size = group < 0 ? 4 : (shape[group] as number)
    if (runEnd(buf, p, Math.min(end, p + size + 1), DIGIT) !== p + size) return -1
    for (let i = 0; i < size; i++) digits[count++] = (buf[p++] as number) - ZERO
  }
  return p
}

/** Not after a letter, nor in the fraction or a further part of a number. */
function isBoundaryBefore(buf: Buffer, begin: number, at: number, isRun: boolean): boolean {
  if (at <= begin) return true
  if (isWithinWord(buf, begin, at))
    return NAMES.some(
      (name) =>
        startsWith(buf, at - name.length, at, name, true) &&
        at - name.length >= begin &&
        !isWithinWord(buf, begin, at - name.length),
    )
  const before = buf[at - 1]
  if (before !== DOT && before !== HYPHEN) return true
  if (before === HYPHEN && isRun) {
    let p = at - 1
    while (p > begin && at - p <= MAX_BESIDE + 1 && is(buf, p - 1, DIGIT)) p--
    return at - 1 - p <= MAX_BESIDE
  }
  return !(at - 1 > begin && is(buf, at - 2, DIGIT))
}

function isBoundaryAfter(buf: Buffer, at: number, end: number, isRun: boolean): boolean {
  if (at >= end) return true
  if (is(buf, at, ALNUM)) return false
  const after = buf[at]
  if (after !== DOT && after !== HYPHEN) return true
  const stop = runEnd(buf, at + 1, Math.min(end, at + 2 + MAX_BESIDE), DIGIT)
  if (stop === at + 1) return true
  if (!isRun || stop - at - 1 > MAX_BESIDE || (stop < end && is(buf, stop, ALNUM))) return false
  if (after === HYPHEN) return true
  for (let p = at + 1; p < stop; p++) if (buf[p] !== ZERO) return false
  return true
}

/** True when the first `count` of `digits` are a number of an issuer with the right check digit. */
function isCard(count: number): boolean {
  let prefix = 0
  for (let i = 0; i < 6; i++) prefix = prefix * 10 + (digits[i] as number)
  return hasIssuer(prefix, count) && passesLuhn(count)
}

function hasIssuer(prefix: number, count: number): boolean {
  for (let i = 0; i < FROM.length; i++)
    if (prefix >= (FROM[i] as number) && prefix <= (TO[i] as number))
      if ((((LENGTHS[i] as number) >>> count) & 1) === 1) return true
  return false
}

function passesLuhn(count: number): boolean {
  let sum = 0
  for (let i = count - 1, doubles = false; i >= 0; i--, doubles = !doubles) {
    const digit = digits[i] as number
    sum += doubles ? (digit > 4 ? digit * 2 - 9 : digit * 2) : digit
  }
  return sum % 10 === 0
}

/** Upper 32 bits of the smallest number of 13 digits. */
const MIN_HIGH = Math.floor(1e12 / 2 ** 32)
const TWO_32 = 2 ** 32
/** A little less than the first digit of the smallest number of an issuer: 2. */
const LEAST_LEADING = 1.999

/** Returns the digits of the integer of 64 bits at `at` if they are a card number, else undefined. */
export function cardInNumber(buf: Buffer, at: number): string | undefined {
  const high = buf.readUInt32BE(at + 1)
  if (high < MIN_HIGH) return undefined
  // Times in milliseconds and nanoseconds begin with 1, card numbers with 2 or more: no BigInt for those.
  const rough = high * TWO_32 + buf.readUInt32BE(at + 5)
  const count = Math.floor(Math.log10(rough)) + 1
  if (count > MAX_CARD_DIGITS || rough < LEAST_LEADING * 10 ** (count - 1)) return undefined
  const text = (rough <= Number.MAX_SAFE_INTEGER ? rough : buf.readBigUInt64BE(at + 1)).toString()
  if (text.length < MIN_CARD_DIGITS || text.length > MAX_CARD_DIGITS) return undefined
  for (let i = 0; i < text.length; i++) digits[i] = text.charCodeAt(i) - ZERO
  return isCard(text.length) ? text : undefined
}
