import { ALNUM, DIGIT, is, isWithinWord, type Span, UPPER } from './bytes.ts'

/** Lengths of the IBANs of the countries in the registry of SWIFT. */
const LENGTHS = new Map<number, number>(
  (
    'AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 DK18 DO28 EE20 EG29 ES24 FI18 ' +
    'FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HN28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 LB28 LC32 LI21 LT20 ' +
    'LU20 LV21 LY25 MC27 MD24 ME22 MK19 MN20 MR27 MT31 MU30 NI28 NL18 NO15 OM23 PK24 PL28 PS29 PT25 QA29 RO24 RS22 RU33 SA24 ' +
    'SC31 SD18 SE24 SI19 SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20 YE30'
  )
    .split(' ')
    .map((text) => [codeOf(text.charCodeAt(0), text.charCodeAt(1)), Number(text.slice(2))]),
)
const MAX_CHARS = 34
const BLANK = 0x20
const HYPHEN = 0x2d
const GROUP = 4
const LETTER_A = 0x41
const ZERO = 0x30

const chars = new Uint8Array(MAX_CHARS)

function codeOf(first: number, second: number): number {
  return (first << 8) | second
}

/**
 * Finds an IBAN whose country code is at `start`: upper-case letters and digits, in one piece or in groups of four with one blank or
 * hyphen between them, with the length of its country and the right check digits.
 */
export function findIban(buf: Buffer, begin: number, start: number, end: number, span: Span): boolean {
  const length = LENGTHS.get(codeOf(buf[start] as number, buf[start + 1] as number))
  if (length === undefined || isWithinWord(buf, begin, start)) return false
  let p = start
  for (let count = 0; count < length; count++) {
    if (count > 0 && count % GROUP === 0 && p < end && (buf[p] === BLANK || buf[p] === HYPHEN)) p++
    if (p >= end || !is(buf, p, DIGIT | UPPER)) return false
    chars[count] = buf[p++] as number
  }
  if ((p < end && is(buf, p, ALNUM)) || !hasCheckDigits(length)) return false
  span.start = start
  span.end = p
  return true
}

/** The first four characters count last; a letter is a number from 10 on. The remainder of the division by 97 must be 1. */
function hasCheckDigits(length: number): boolean {
  let rest = 0
  for (let i = 0; i < length; i++) {
    const char = chars[(i + GROUP) % length] as number
    rest = char < LETTER_A ? (rest * 10 + char - ZERO) % 97 : (rest * 100 + char - LETTER_A + 10) % 97
  }
  return rest === 1
}
