import { findCredential, isScheme } from './authorization.ts'
import { is, type Span, STOP, startsWith } from './bytes.ts'
import { isPlaceholder } from './placeholder.ts'
import {
  isBlank,
  isEscapedSpace,
  isQuote,
  isSecretValue,
  MAX_JUDGED,
  type NameStrength,
  quotedEnd,
  skipBlanks,
} from './values.ts'

const BACKSLASH = 0x5c
const COLON = 0x3a
const EQUALS = 0x3d
const OPENING = new Set([0x5b, 0x7b])
const CLOSING = new Set([0x5d, 0x7d])

/**
 * Finds the values in the list or map in a text whose bracket is at `open`, for the name of a secret before it: from the first one that
 * may be a secret to the last one in it, so that JSON stays JSON. One that is not closed reaches to the end of the text.
 */
export function findInContainer(
  buf: Buffer,
  open: number,
  end: number,
  strength: NameStrength,
  span: Span,
): boolean {
  const inner = open + 1 < end && buf[open + 1] === buf[open] ? open + 2 : open + 1
  if (isPlaceholder(buf, inner, end)) return false
  const judged = Math.min(end, open + MAX_JUDGED)
  let first = -1
  let firstText = -1
  let last = -1
  let firstHead = 0
  let lastHead = 0
  let isNamed = false
  let isItem = true
  let isAfterScheme = false
  let depth = 0
  for (let p = open; p < (first < 0 ? judged : end); ) {
    const byte = buf[p] as number
    if (CLOSING.has(byte) && --depth === 0) break
    const isEscaped = byte === BACKSLASH && p + 1 < end && isQuote(buf[p + 1])
    const isQuoted = isEscaped || isQuote(byte)
    if (!isQuoted && (OPENING.has(byte) || byte === COLON || byte === EQUALS || is(buf, p, STOP))) {
      if (OPENING.has(byte)) depth++
      p += !isQuoted && isEscapedSpace(buf, p, end) ? 2 : 1
      continue
    }
    const head = isEscaped ? 2 : isQuoted ? 1 : 0
    const start = p + head
    const stop = isQuoted
      ? quotedEnd(buf, start, end, buf[start - 1] as number, isEscaped)
      : plainEnd(buf, start, end)
    p = Math.max(stop + head, p + 1)
    if (isKey(buf, Math.min(p, end), end)) {
      isNamed = (strength === 'strict' || strength === 'authorization') && isPlainName(buf, start, stop)
      isItem = false
      continue
    }
    if (first < 0 && !isNamed && findValue(buf, start, stop, strength, isQuoted, isAfterScheme, span)) {
      first = span.start
      firstText = start
      firstHead = head
    }
    isAfterScheme = isItem && strength === 'authorization' && isScheme(buf, start, stop)
    isNamed = false
    isItem = true
    last = stop
    lastHead = head
  }
  if (first < 0 || last <= first) return false
  // Either both quotation marks are left, or none.
  const isBare = firstHead !== lastHead
  span.start = isBare ? firstText - firstHead : first
  span.end = isBare ? Math.min(end, last + lastHead) : last
  return true
}

/** Finds what is secret in the value buf[start, end). `isAfterScheme`: the item before it in a list is a scheme such as `Basic`. */
function findValue(
  buf: Buffer,
  start: number,
  end: number,
  strength: NameStrength,
  isQuoted: boolean,
  isAfterScheme: boolean,
  span: Span,
): boolean {
  span.start = start
  if (strength !== 'authorization') return isSecretValue(buf, start, end, strength)
  if (isAfterScheme) return end > start && !isPlaceholder(buf, start + 1, end)
  if (isQuoted && findCredential(buf, start, end, true, span)) return true
  return isSecretValue(buf, start, end, 'strict')
}

/** True for a key such as `secretName`: what it names is not secret. */
export function isPlainName(buf: Buffer, start: number, end: number): boolean {
  return end - start >= NAME.length && startsWith(buf, end - NAME.length, end, NAME, true)
}

const NAME = Buffer.from('name')

/** Returns the offset after a word without quotation marks. */
function plainEnd(buf: Buffer, start: number, end: number): number {
  let p = start
  while (p < end && !is(buf, p, STOP) && buf[p] !== COLON && buf[p] !== EQUALS) p++
  return p
}

function isKey(buf: Buffer, at: number, end: number): boolean {
  const p = isBlank(buf[at]) ? skipBlanks(buf, at, end) : at
  return p < end && (buf[p] === COLON || buf[p] === EQUALS)
}
