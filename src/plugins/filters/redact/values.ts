import { CLASSES, DIGIT, is, LETTER, STOP, UPPER } from './bytes.ts'

const SLASH = 0x2f
const PLUS = 0x2b
const EQUALS = 0x3d
const BACKSLASH = 0x5c
const QUOTE = 0x22
const APOSTROPHE = 0x27
const BACKQUOTE = 0x60
const BLANK = 0x20
const TAB = 0x09
const LF = 0x0a
const CR = 0x0d
const SPACE_ESCAPES = new Set(Buffer.from('nrt'))
const STAR = 0x2a
/** More blanks are not passed, so that a text of names and blanks takes linear time. */
const MAX_BLANKS = 64
const MIN_STRICT_VALUE = 8
/** Bytes of a value that decide whether it looks like a secret: what fails is looked at again for the next name in it. */
export const MAX_JUDGED = 256

/** How much a value has to look like a secret: `loose` not at all, `strict`: eight characters with a digit. */
export type NameStrength = 'loose' | 'no folder' | 'no database' | 'strict' | 'authorization'

const CONSTANTS = new Set(['null', 'nil', 'none', 'true', 'false', 'undefined', '(null)'])
/** Sources of the line `passwd:` in nsswitch.conf, which are in lower case. */
const DATABASES = new Set(['compat', 'files', 'sss', 'systemd', 'ldap', 'nis', 'nisplus', 'db', 'winbind'])
const MAX_CONSTANT = 9

/** True when buf[start, end) may be the value of a name of this strength. */
export function isSecretValue(buf: Buffer, start: number, end: number, strength: NameStrength): boolean {
  const stop = Math.min(end, start + MAX_JUDGED)
  if (stop <= start) return false
  if (strength === 'strict') {
    const first = skipSpace(buf, start, stop)
    let last = stop
    while (last > first && isBlank(buf[last - 1])) last--
    return last - first >= MIN_STRICT_VALUE && hasDigit(buf, first, last) && !isNameOrProse(buf, first, last)
  }
  // The variable of a shell.
  if (strength === 'no folder' && buf[start] === SLASH) return false
  return !isConstant(buf, start, stop, strength)
}

function isConstant(buf: Buffer, start: number, stop: number, strength: NameStrength): boolean {
  let p = start
  while (p < stop && buf[p] === STAR) p++
  if (p === stop) return true
  if (stop - start > MAX_CONSTANT) return false
  const text = buf.toString('latin1', start, stop)
  return CONSTANTS.has(text.toLowerCase()) || (strength === 'no database' && DATABASES.has(text))
}

/** True for a text with blanks, and for a name with a slash and no upper-case letter, as `namespace/name` of Kubernetes. */
function isNameOrProse(buf: Buffer, start: number, stop: number): boolean {
  let slashes = 0
  let others = 0
  for (let p = start; p < stop; p++) {
    const byte = buf[p]
    if (byte === BLANK) return true
    if (byte === SLASH) slashes++
    else if (is(buf, p, UPPER) || byte === PLUS || byte === EQUALS) others++
  }
  return slashes > 0 && others === 0
}

export function isQuote(byte: number | undefined): boolean {
  return byte === QUOTE || byte === APOSTROPHE || byte === BACKQUOTE
}

export function isBlank(byte: number | undefined): boolean {
  return byte === BLANK || byte === TAB
}

export function skipBlanks(buf: Buffer, at: number, end: number): number {
  const most = Math.min(end, at + MAX_BLANKS)
  let p = at
  while (p < most && isBlank(buf[p])) p++
  return p
}

/** Returns the offset after blanks and line breaks, escaped as in JSON or not. */
export function skipSpace(buf: Buffer, at: number, end: number): number {
  const most = Math.min(end, at + MAX_BLANKS)
  for (let p = at; p < most; ) {
    if (isBlank(buf[p]) || buf[p] === LF || buf[p] === CR) p++
    else if (isEscapedSpace(buf, p, most)) p += 2
    else return p
  }
  return most
}

/** True for the escape sequence of a line break or tabulator. */
export function isEscapedSpace(buf: Buffer, at: number, end: number): boolean {
  return buf[at] === BACKSLASH && at + 1 < end && SPACE_ESCAPES.has(buf[at + 1] as number)
}

export function hasDigit(buf: Buffer, start: number, stop: number): boolean {
  for (let p = start; p < stop; p++) if (is(buf, p, DIGIT)) return true
  return false
}

/** True when buf[start, stop) has letters of both cases, the first letter not counted. */
export function hasMixedCase(buf: Buffer, start: number, stop: number): boolean {
  let seen = 0
  for (let p = start + 1; p < stop; p++) seen |= (CLASSES[buf[p] as number] as number) & LETTER
  return seen === LETTER
}

export function wordEnd(buf: Buffer, start: number, end: number): number {
  let p = start
  while (p < end && !is(buf, p, STOP)) p++
  return p
}

/** Returns the offset of the closing quotation mark, or `end`; a backslash escapes what follows it. */
export function quotedEnd(
  buf: Buffer,
  start: number,
  end: number,
  quote: number,
  isEscaped: boolean,
): number {
  for (let p = start; p < end; p++) {
    const byte = buf[p]
    if (byte === BACKSLASH) {
      if (isEscaped && p + 1 < end && buf[p + 1] === quote) return p
      p++
    } else if (byte === quote) return p
  }
  return end
}
