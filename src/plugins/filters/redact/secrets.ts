import { findCredential } from './authorization.ts'
import { ALNUM, BASE64URL, DIGIT, is, isWithinWord, runEnd, type Span, startsWith, UPPER } from './bytes.ts'
import { findInContainer } from './container.ts'
import {
  hasDigit,
  isBlank,
  isQuote,
  isSecretValue,
  MAX_JUDGED,
  type NameStrength,
  quotedEnd,
  skipBlanks,
  skipSpace,
  wordEnd,
} from './values.ts'

const COLON = 0x3a
const EQUALS = 0x3d
const GREATER = 0x3e
const BACKSLASH = 0x5c
const BRACE = 0x7b
const BRACKET = 0x5b
const SEPARATORS = new Set([COLON, EQUALS, GREATER])
const HYPHEN = 0x2d
const QUOTE = 0x22
const LETTER_T = 0x74
const UNDERSCORE = 0x5f
/** Bytes before a separator in which a name is looked for. */
const MAX_NAME = 16
const KEY_BLOCK_NAME = 40

/** Form of a key with a prefix that its issuer has chosen: the classes of the bytes after it, and how many there must be. */
interface KeyForm {
  prefix: string
  bits: number
  least: number
  /** Exact number of bytes. */
  most?: number
  /** There must be a digit: other words begin like this, too. */
  needsDigit?: true
}

const keys = (prefixes: string, bits: number, least: number, most?: number): KeyForm[] =>
  prefixes.split(' ').map((prefix) => ({ prefix, bits, least, ...(most && { most }) }))

export const KEY_FORMS: readonly KeyForm[] = [
  ...keys('AKIA ASIA ABIA ACCA', UPPER | DIGIT, 16, 16), // AWS access key ids
  ...keys('ghp_ gho_ ghu_ ghs_ ghr_', ALNUM, 36), // GitHub
  ...keys('github_pat_', BASE64URL, 22),
  ...keys('glpat-', BASE64URL, 20), // GitLab
  ...keys('xoxb- xoxa- xoxp- xoxr- xoxs- xoxe- xapp-', BASE64URL, 10), // Slack
  ...keys('sk_live_ sk_test_ rk_live_ rk_test_', ALNUM, 16), // Stripe
  ...keys('sk-proj- sk-ant- sk-svcacct- sk-admin- sk-or-v1-', BASE64URL, 20), // OpenAI, Anthropic, OpenRouter
  ...keys('sk-', ALNUM, 32).map((form): KeyForm => ({ ...form, needsDigit: true })),
  ...keys('AIza', BASE64URL, 35, 35), // Google
]

/** Finds a key of this form whose prefix is at `at`. */
export function findKey(
  buf: Buffer,
  begin: number,
  at: number,
  end: number,
  { prefix, bits, least, most, needsDigit }: KeyForm,
  span: Span,
): boolean {
  if (isWithinWord(buf, begin, at)) return false
  const from = at + prefix.length
  const stop = runEnd(buf, from, most === undefined ? end : Math.min(end, from + most + 1), bits)
  if (stop - from < least || (most !== undefined && stop - from !== most)) return false
  if (most !== undefined && stop < end && is(buf, stop, ALNUM)) return false
  if (needsDigit && !hasDigit(buf, from, stop)) return false
  span.start = at
  span.end = stop
  return true
}

const PRIVATE_KEY = Buffer.from('PRIVATE KEY')
const DASHES = Buffer.from('-----')
const END_MARK = Buffer.from('-----END ')
export const BEGIN_MARK = Buffer.from('-----BEGIN ')

/** Finds a block of a private key whose `-----BEGIN ` is at `at`; without an end it reaches to the end of the text. */
export function findKeyBlock(buf: Buffer, at: number, end: number, span: Span): boolean {
  const name = at + BEGIN_MARK.length
  const close = indexIn(buf, DASHES, name, Math.min(end, name + KEY_BLOCK_NAME))
  if (close < 0 || indexIn(buf, PRIVATE_KEY, name, close) < 0) return false
  const mark = indexIn(buf, END_MARK, close, end)
  const last = mark < 0 ? -1 : indexIn(buf, DASHES, mark + END_MARK.length, end)
  span.start = at
  span.end = last < 0 ? end : last + DASHES.length
  return true
}

function indexIn(buf: Buffer, text: Buffer, from: number, end: number): number {
  return buf.subarray(0, end).indexOf(text, from)
}

/** Names whose value is a secret; a name may begin with anything. */
export const NAMES: readonly (readonly [name: string, strength: NameStrength])[] = [
  ['password', 'loose'],
  ['passwd', 'no database'],
  ['passphrase', 'loose'],
  ['pwd', 'no folder'],
  ['secret', 'strict'],
  ['token', 'strict'],
  ['api_key', 'strict'],
  ['api-key', 'strict'],
  ['apikey', 'strict'],
  ['access_key', 'strict'],
  ['access-key', 'strict'],
  ['secret_key', 'strict'],
  ['secret-key', 'strict'],
  ['secretkey', 'strict'],
  ['private_key', 'strict'],
  ['private-key', 'strict'],
  ['accesskey', 'strict'],
  ['account_key', 'strict'],
  ['accountkey', 'strict'],
]
export const AUTHORIZATION = 'authorization'

/**
 * Finds the value of a name that ends at `at`:
 *
 * ```
 *   pair    = name [ quote ] blanks ( "=" / ":" / "=>" / ":=" / "==" ) space ( quote text quote / word )
 *   quote   = DQUOTE / "'" / "`" / "\" DQUOTE      ; the last one in JSON within JSON
 *   blanks  = *64( SP / TAB )
 *   space   = blanks / *64( SP / TAB / CR / LF / "\n" / "\r" / "\t" ) ; see valueStart
 * ```
 *
 * In place of the value there may be a list or map of values.
 */
export function findPairValue(
  buf: Buffer,
  at: number,
  end: number,
  strength: NameStrength,
  span: Span,
): boolean {
  let p = at
  if (p < end && buf[p] === BACKSLASH) p++
  const isNameQuoted = p < end && isQuote(buf[p])
  if (isNameQuoted) p++
  p = skipBlanks(buf, p, end)
  if (p >= end || (buf[p] !== EQUALS && buf[p] !== COLON)) return false
  p++
  if (p < end && (buf[p] === EQUALS || buf[p] === GREATER)) p++
  p = valueStart(buf, p, end, isNameQuoted)
  if (strength === 'authorization' && p < end && buf[p] === BRACKET) {
    const item = skipSpace(buf, p + 1, end)
    if (item < end && isOpening(buf, item)) return findInContainer(buf, p, end, strength, span)
    // A list of headers, as Go prints them.
    p = item
  }
  const isEscaped = p + 1 < end && buf[p] === BACKSLASH && isQuote(buf[p + 1])
  if (isEscaped) p++
  if (startsWith(buf, p, end, BEGIN_MARK, false)) return findKeyBlock(buf, p, end, span)
  const isQuoted = p < end && isQuote(buf[p])
  const start = isQuoted ? p + 1 : p
  const judged = Math.min(end, start + MAX_JUDGED)
  const quote = buf[p] as number
  if (strength === 'authorization') {
    if (!isQuoted && start < end && buf[start] === BRACE)
      return findInContainer(buf, start, end, strength, span)
    // Mostly there is an end: one that is far away is looked for only once it is known that there is a credential.
    const near = isQuoted ? quotedEnd(buf, start, judged, quote, isEscaped) : end
    if (!findCredential(buf, start, near, isQuoted, span)) return false
    if (isQuoted && near === judged) span.end = quotedEnd(buf, start, end, quote, isEscaped)
    return true
  }
  if (!isQuoted && start < end && (buf[start] === BRACE || buf[start] === BRACKET))
    return findInContainer(buf, start, end, strength, span)
  const most = isQuoted ? quotedEnd(buf, start, judged, quote, isEscaped) : wordEnd(buf, start, judged)
  if (!isSecretValue(buf, start, most, strength)) return false
  span.start = start
  span.end =
    most < judged ? most : isQuoted ? quotedEnd(buf, start, end, quote, isEscaped) : wordEnd(buf, start, end)
  return true
}

/**
 * Returns the offset of the value after a separator that ends at `at`. A value on the line after it is indented, or in quotation marks or
 * brackets after a name in quotation marks. A word that ends with a colon there is a key, and `at` before a blank a line of a stack; `"- "`
 * before a word is an item of YAML.
 */
function valueStart(buf: Buffer, at: number, end: number, isNameQuoted: boolean): number {
  const from = skipBlanks(buf, at, end)
  if (from >= end || is(buf, from, ALNUM)) return from
  const p = skipSpace(buf, from, end)
  if (p === from || p >= end) return from
  const isEscaped = buf[from] === BACKSLASH
  // The text around an escaped line break ends here.
  if (isEscaped && buf[p] === QUOTE) return from
  const isIndented = isBlank(buf[p - 1]) || (buf[p - 1] === LETTER_T && buf[p - 2] === BACKSLASH)
  if (isOpening(buf, p)) return isIndented || isNameQuoted ? p : from
  if (!isIndented) return from
  if (buf[p] === HYPHEN && p + 1 < end && isBlank(buf[p + 1])) return p + 2
  const stop = wordEnd(buf, p, Math.min(end, p + MAX_JUDGED))
  if (buf[stop - 1] === COLON) return from
  return startsWith(buf, p, end, STACK_LINE, false) ? from : p
}

const STACK_LINE = Buffer.from('at ')

/** True when a quotation mark, escaped or not, or a bracket is at `at`. */
function isOpening(buf: Buffer, at: number): boolean {
  const byte = buf[at]
  return byte === BRACE || byte === BRACKET || isQuote(byte) || (byte === BACKSLASH && isQuote(buf[at + 1]))
}

/** Extends a value that ends with a name which has a value, as in `password=token: abc`, by that value. */
export function extendByNames(buf: Buffer, end: number, span: Span): void {
  for (;;) {
    const { start, end: stop } = span
    const name = nameEnd(buf, start, stop)
    const strength = nameStrength(buf, Math.max(start, name - MAX_NAME), name)
    const isLonger = strength !== undefined && findPairValue(buf, name, end, strength, span)
    span.start = start
    if (isLonger && span.end > stop) continue
    span.end = stop
    return
  }
}

/** Returns the offset after the name before a separator with blanks that ends at `stop`. */
function nameEnd(buf: Buffer, start: number, stop: number): number {
  const least = Math.max(start, stop - MAX_NAME)
  let p = stop
  while (p > least && (isBlank(buf[p - 1]) || SEPARATORS.has(buf[p - 1] as number))) p--
  return p
}

/** True when `max_` stands before the name of a number of tokens at `at`. */
export function isLimit(buf: Buffer, begin: number, at: number): boolean {
  const p = at > begin && (buf[at - 1] === HYPHEN || buf[at - 1] === UNDERSCORE) ? at - 1 : at
  return p - MAX_WORD.length >= begin && startsWith(buf, p - MAX_WORD.length, p, MAX_WORD, true)
}

const MAX_WORD = Buffer.from('max')
export const COUNTED_NAME = 'token'

/** Returns what the value of a key with this name has to look like; undefined: it is no secret's name. */
export function nameStrength(buf: Buffer, start: number, end: number): NameStrength | undefined {
  if (end - start < 3 || !LAST_BYTES.has((buf[end - 1] as number) | 0x20)) return undefined
  for (const [name, strength] of ALL_NAMES) {
    const at = end - name.length
    if (at < start || !startsWith(buf, at, end, name, true)) continue
    return name === COUNTED && isLimit(buf, start, at) ? undefined : strength
  }
  return undefined
}

const ALL_NAMES = [...NAMES, [AUTHORIZATION, 'authorization'] as const].map(
  ([name, strength]) => [Buffer.from(name), strength] as const,
)
const COUNTED = ALL_NAMES.find(([name]) => name.toString() === COUNTED_NAME)?.[0]
const LAST_BYTES = new Set(ALL_NAMES.map(([name]) => name.at(-1)))
