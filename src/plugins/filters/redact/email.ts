import {
  ALNUM,
  CLASSES,
  DIGIT,
  HEX,
  is,
  isWithinWord,
  LETTER,
  LINK,
  LOCAL,
  runEnd,
  type Span,
  STOP,
  startsWith,
} from './bytes.ts'

const DOT = 0x2e
const HYPHEN = 0x2d
const COLON = 0x3a
const SLASH = 0x2f
const MAX_LOCAL = 64
const MAX_DOMAIN = 253
const MAX_USER_INFO = 300
const MIN_LITERAL = 3
const MAX_LITERAL = 52
const BACKSLASH = 0x5c
const UNDERSCORE = 0x5f
const PERCENT = 0x25
const PLUS = 0x2b
const SEMICOLON = 0x3b
const AMPERSAND = 0x26
const AT = 0x40
const OPEN = 0x5b
const CLOSE = 0x5d
const QUESTION = 0x3f
const NUMBER_SIGN = 0x23
const GIT = Buffer.from('git')
const IPV6 = Buffer.from('ipv6:')

/** Endings of the names of systemd's units, `getty@tty1.service`, which are no domains. */
const UNIT_SUFFIXES = new Set([
  'service',
  'socket',
  'timer',
  'target',
  'mount',
  'automount',
  'slice',
  'scope',
  'path',
  'device',
  'swap',
])

/** Types of files, as in `logo@2x.png`, that are no top-level domains. */
const FILE_TYPES = new Set(
  'png jpg jpeg gif svg webp ico avif css scss js mjs cjs jsx tsx html htm json xml yaml yml txt log map pdf woff woff2 ttf exe dll jar'.split(
    ' ',
  ),
)

/**
 * Finds an e-mail address whose `@` is at `at`; it does not begin before `begin`. `isCut`: what is before `begin` was a secret of its own,
 * so there may be nothing left before the `@`.
 */
export function findEmail(
  buf: Buffer,
  begin: number,
  at: number,
  end: number,
  span: Span,
  isCut: boolean,
): boolean {
  let start = at
  const least = Math.max(begin, at - MAX_LOCAL)
  while (start > least && ((CLASSES[buf[start - 1] as number] as number) & (ALNUM | LOCAL)) !== 0) start--
  if (start < at && start > begin && isEscapeLetter(buf, begin, start)) start++
  while (
    start < at &&
    !is(buf, start, ALNUM) &&
    buf[start] !== UNDERSCORE &&
    buf[start] !== PERCENT &&
    buf[start] !== PLUS
  )
    start++
  if ((start === at && !(isCut && at === begin)) || buf[at - 1] === DOT) return false
  const most = Math.min(end, at + 1 + MAX_DOMAIN)
  const stop = buf[at + 1] === OPEN ? literalEnd(buf, at + 1, most) : domainEnd(buf, at + 1, most)
  if (stop < 0 || isRemote(buf, start, at, stop, end)) return false
  span.start = start
  span.end = stop
  return true
}

/** True for a letter that is an escape sequence with the backslash before it. */
function isEscapeLetter(buf: Buffer, begin: number, at: number): boolean {
  return buf[at - 1] === BACKSLASH && is(buf, at, ALNUM) && !isWithinWord(buf, begin, at + 1)
}

/** True for the address of a repository, as `git@github.com:owner/name`. */
function isRemote(buf: Buffer, start: number, at: number, stop: number, end: number): boolean {
  return (
    at - start === GIT.length &&
    startsWith(buf, start, at, GIT, false) &&
    stop < end &&
    (buf[stop] === COLON || buf[stop] === SLASH)
  )
}

/** Returns the offset after an IP address in brackets, or -1. */
function literalEnd(buf: Buffer, open: number, end: number): number {
  const most = Math.min(end, open + MAX_LITERAL)
  let p = startsWith(buf, open + 1, end, IPV6, true) ? open + 1 + IPV6.length : open + 1
  const first = p
  while (p < most && (is(buf, p, HEX) || buf[p] === DOT || buf[p] === COLON)) p++
  return p - first >= MIN_LITERAL && p < end && buf[p] === CLOSE ? p + 1 : -1
}

/**
 * Returns the offset after the longest domain from `start` on, whose last label has two letters or more and nothing else, and is not the
 * type of a file; -1: none.
 */
function domainEnd(buf: Buffer, start: number, end: number): number {
  let best = -1
  let label = start
  let letters = true
  let dots = 0
  let bestDots = 0
  let p = start
  for (; p < end; p++) {
    const byte = buf[p] as number
    if (byte === DOT) {
      if (p === label) break
      label = p + 1
      letters = true
      dots++
      continue
    }
    const isHigh = byte >= 0x80
    if (!isHigh && !is(buf, p, ALNUM | LINK)) break
    if (p === start && byte === HYPHEN) return -1
    // Letters that are not ASCII are part of the last label only if it begins with one: other text may follow an address.
    const isPart = isHigh ? (buf[label] as number) >= 0x80 : is(buf, p, LETTER)
    letters &&= isPart
    if (letters && dots > 0 && p > label) {
      best = p + 1
      bestDots = dots
    }
  }
  if (best < 0) return -1
  const last = buf.toString('latin1', buf.lastIndexOf(DOT, best - 1) + 1, best).toLowerCase()
  return FILE_TYPES.has(last) || (bestDots === 1 && UNIT_SUFFIXES.has(last)) ? -1 : best
}

/** Finds the password in `scheme://user:password@host` whose first `@` is at `at`; there may be more of them in the password. */
export function findUrlPassword(buf: Buffer, begin: number, at: number, end: number, span: Span): boolean {
  const least = Math.max(begin, at - MAX_USER_INFO)
  let colon = -1
  for (let p = at - 1; p >= least; p--) {
    const byte = buf[p] as number
    if (byte === COLON) colon = p
    else if (byte === SLASH) {
      const isUrl = p - 2 >= least && buf[p - 1] === SLASH && buf[p - 2] === COLON
      if (!isUrl || colon < 0) return false
      const last = hostMark(buf, at, end)
      if (last <= colon + 1) return false
      span.start = colon + 1
      span.end = last
      return true
    } else if (endsUserInfo(byte)) return false
  }
  return false
}

/** Returns the offset of the last `@` from `at` on that is followed by a host, before the end of the authority; -1: none. */
function hostMark(buf: Buffer, at: number, end: number): number {
  let last = -1
  for (let p = at; p + 1 < end && p < at + MAX_USER_INFO; p++) {
    const byte = buf[p] as number
    if (byte === AT) {
      if (is(buf, p + 1, ALNUM) || buf[p + 1] === OPEN) last = p
    } else if (byte === SLASH || byte === QUESTION || byte === NUMBER_SIGN || endsUserInfo(byte)) break
  }
  return last
}

function endsUserInfo(byte: number): boolean {
  return ((CLASSES[byte] as number) & STOP) !== 0 && byte !== SEMICOLON && byte !== AMPERSAND
}

/** Finds an IPv4 address whose first digit is at `start`. */
export function findIpv4(buf: Buffer, begin: number, start: number, end: number, span: Span): boolean {
  if (isWithinWord(buf, begin, start) || (start > begin && buf[start - 1] === DOT)) return false
  const stop = ipv4End(buf, start, end)
  if (stop < 0) return false
  span.start = start
  span.end = stop
  return true
}

/** Returns the offset after the IPv4 address at `start`, or -1. */
export function ipv4End(buf: Buffer, start: number, end: number): number {
  let p = start
  for (let part = 0; part < 4; part++) {
    if (part > 0 && (p >= end || buf[p++] !== DOT)) return -1
    const stop = runEnd(buf, p, Math.min(end, p + 4), DIGIT)
    if (stop === p || stop - p > 3 || Number(buf.toString('latin1', p, stop)) > 255) return -1
    p = stop
  }
  if (p < end && is(buf, p, ALNUM)) return -1
  return p + 1 < end && buf[p] === DOT && is(buf, p + 1, DIGIT) ? -1 : p
}
