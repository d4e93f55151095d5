import { ALNUM, is, isWithinWord, LINK, runEnd, type Span, STOP, startsWith, TOKEN } from './bytes.ts'
import { isPlaceholder } from './placeholder.ts'
import { hasDigit, hasMixedCase, isBlank, MAX_JUDGED, skipBlanks, skipSpace } from './values.ts'

const BACKSLASH = 0x5c
const BRACKET = 0x5b
const COMMA = 0x2c
const EQUALS = 0x3d
const QUOTE = 0x22
const SEMICOLON = 0x3b
const PLUS = 0x2b
const ENCODED_BLANK = Buffer.from('%20')
const MIN_BEARER = 16
const MIN_LETTERS = 20
const MIN_CREDENTIAL = 4
const MIN_BARE = 8
const MAX_SCHEME = 32

const SCHEMES = new Set(
  (
    'basic bearer token apikey api-key negotiate ntlm splunk digest oauth hawk hmac signature ssws geniekey key aws aws4-hmac-sha256 ' +
    'sharedkey sharedkeylite sharedaccesssignature scram-sha-1 scram-sha-256 mutual vapid hoba dpop privatetoken gnap eg1-hmac-sha256 ' +
    'elastic client-id bot googlelogin'
  ).split(' '),
)

/** Schemes whose credential is one word: a quotation mark after its `=` ends it. */
const PLAIN_SCHEMES = new Set(
  'basic bearer apikey api-key negotiate ntlm splunk ssws geniekey key bot privatetoken'.split(' '),
)

/** Finds the token after `Bearer` at `at`. */
export function findBearer(buf: Buffer, begin: number, at: number, end: number, span: Span): boolean {
  if (isWithinWord(buf, begin, at)) return false
  const word = at + 6
  const from = skipBlanks(buf, word, end)
  if (from === word) return false
  const judged = Math.min(end, from + MAX_JUDGED)
  const stop = runEnd(buf, from, judged, ALNUM | TOKEN)
  if (stop - from < MIN_BEARER) return false
  if (!hasDigit(buf, from, stop) && (stop - from < MIN_LETTERS || !hasMixedCase(buf, from, stop)))
    return false
  span.start = from
  span.end = runEnd(buf, stop, end, ALNUM | TOKEN)
  return true
}

/**
 * Finds the credential in the value of an Authorization header, which begins at `at`:
 *
 * ```
 *   value      = scheme blanks credential / word    ; a word that looks like a secret
 *   credential = part *( "," blanks name "=" part )
 *   part       = *( any but blanks and quotation marks / "=" DQUOTE text DQUOTE )
 * ```
 *
 * `isWhole`: the value is known to end at `end`, and may begin with blanks, so all that comes after a scheme belongs to it, whatever its form. A scheme that is not
 * known needs something that looks like a secret after it elsewhere: a line may go on with words about the header.
 */
export function findCredential(buf: Buffer, at: number, end: number, isWhole: boolean, span: Span): boolean {
  const start = isWhole ? skipSpace(buf, at, end) : at
  const word = runEnd(buf, start, Math.min(end, start + MAX_SCHEME), ALNUM | LINK)
  const from = blanksEnd(buf, word, end)
  const hasScheme = word > start && from > word && from < end
  const scheme = hasScheme ? buf.toString('latin1', start, word).toLowerCase() : ''
  const isKnown = SCHEMES.has(scheme)
  if (hasScheme && (isKnown || isWhole)) {
    if (!isWhole && buf[from] === BRACKET && isPlaceholder(buf, from + 1, end)) return false
    const last = isWhole ? end : credentialEnd(buf, from, end, !PLAIN_SCHEMES.has(scheme))
    if (last - from < (isWhole ? 1 : MIN_CREDENTIAL)) return false
    span.start = from
    span.end = last
    return true
  }
  // Judged by its first bytes, so that a text of such names takes linear time.
  const begin = hasScheme ? from : start
  const judged = Math.min(end, begin + MAX_JUDGED)
  const stop = runEnd(buf, begin, judged, ALNUM | TOKEN)
  const isParameter = hasScheme && stop > begin && buf[stop - 1] === EQUALS && isText(buf, stop, end)
  if (!isParameter && (stop - begin < MIN_BARE || !hasDigit(buf, begin, stop))) return false
  span.start = begin
  span.end = isWhole ? end : credentialEnd(buf, begin, end, hasScheme)
  return true
}

/** True when buf[start, end) is nothing but the name of a well-known scheme. */
export function isScheme(buf: Buffer, start: number, end: number): boolean {
  const isShort = end > start && end - start <= MAX_SCHEME
  return isShort && SCHEMES.has(buf.toString('latin1', start, end).trim().toLowerCase())
}

/** Returns the offset after blanks, or after a blank as it is in the query of a URL. */
function blanksEnd(buf: Buffer, at: number, end: number): number {
  if (at < end && buf[at] === PLUS) return at + 1
  return startsWith(buf, at, end, ENCODED_BLANK, false) ? at + ENCODED_BLANK.length : skipBlanks(buf, at, end)
}

/** Returns the offset after the credential that begins at `start`; `hasTexts`: its parameters may be in quotation marks. */
function credentialEnd(buf: Buffer, start: number, end: number, hasTexts: boolean): number {
  let p = start
  while (p < end) {
    const byte = buf[p] as number
    const isAfterName = hasTexts && p > start + 1 && buf[p - 1] === EQUALS && buf[p - 2] !== EQUALS
    if (isAfterName && isText(buf, p, end)) p = textEnd(buf, p, end)
    else if (byte === COMMA) {
      const next = skipBlanks(buf, p + 1, end)
      const name = runEnd(buf, next, Math.min(end, next + MAX_SCHEME), ALNUM | LINK)
      if (name === next || name >= end || buf[name] !== EQUALS) return p
      p = name
    } else if (byte === SEMICOLON) {
      if (p + 1 >= end || isBlank(buf[p + 1])) return p
      p++
    } else if (is(buf, p, STOP)) return p
    else p++
  }
  return end
}

/** True when a quotation mark begins a text at `at`. */
function isText(buf: Buffer, at: number, end: number): boolean {
  return at + 1 < end && (buf[at] === QUOTE || (buf[at] === BACKSLASH && buf[at + 1] === QUOTE))
}

/** Returns the offset after the text in quotation marks, escaped or not, that begins at `at`; without an end that of the line. */
function textEnd(buf: Buffer, at: number, end: number): number {
  const isEscaped = buf[at] === BACKSLASH
  for (let p = at + (isEscaped ? 2 : 1); p < end; p++) {
    if (buf[p] === BACKSLASH && !isEscaped) p++
    else if (buf[p] === QUOTE) return p + 1
    else if (buf[p] === 0x0a || buf[p] === 0x0d) return p
  }
  return end
}
