import { ByteSet } from './byte-set.ts'

const DIGIT = ByteSet.of('09')
const WORD = ByteSet.of('azAZ09__')
const HEX = ByteSet.of('afAF09')
/** Blanks without A0, which is a part of other characters in UTF-8. */
const SPACE = ByteSet.of('\t\r  ')

/** Sets of `\d`, `\W` and so on; ASCII only. */
export const CLASS_ESCAPES: Record<string, ByteSet> = {
  d: DIGIT,
  D: DIGIT.complement(),
  w: WORD,
  W: WORD.complement(),
  s: SPACE,
  S: SPACE.complement(),
  h: HEX,
  H: HEX.complement(),
}

/** Sets of `[:alpha:]` and so on; ASCII only. */
const POSIX: Record<string, ByteSet> = {
  alpha: ByteSet.of('azAZ'),
  digit: DIGIT,
  alnum: ByteSet.of('azAZ09'),
  upper: ByteSet.of('AZ'),
  lower: ByteSet.of('az'),
  space: SPACE,
  blank: ByteSet.of('  \t\t'),
  punct: ByteSet.of('!/:@[`{~'),
  cntrl: ByteSet.of('\x00\x1f\x7f\x7f'),
  graph: ByteSet.of('!~'),
  print: ByteSet.of(' ~'),
  xdigit: HEX,
  word: WORD,
  ascii: ByteSet.of('\x00\x7f'),
}

/** Control characters by the letter of their escape. */
const CHARACTER_ESCAPES: Record<string, number> = {
  t: 9,
  n: 10,
  v: 11,
  f: 12,
  r: 13,
  a: 7,
  e: 27,
}

interface ClassResult {
  set: ByteSet
  /** Characters of several bytes that are in the class too. */
  wide: string[]
  /** Offset after the closing bracket. */
  end: number
}

const POSIX_FORM = /^\[:(\^?)([a-z]{1,9}):\]/
/** Maximum length of the form of a POSIX class. */
const POSIX_CHARS = 14
/** Maximum depth of classes within classes. */
const MAX_DEPTH = 50
const HEX_FORM = /^\\(?:x([0-9a-fA-F]{1,2})|x\{([0-9a-fA-F]{1,6})\}|u([0-9a-fA-F]{4}))/
const ALPHANUMERIC = /[a-zA-Z0-9]/
const OCTAL_FORM = /^\\(0[0-7]{0,2}|[1-3][0-7]{2})/

/** Reads the class whose opening bracket is at `start`; calls `refuse`, which throws, for unsupported syntax. */
export function readClass(
  text: string,
  start: number,
  refuse: (what: string) => never,
  depth = 0,
): ClassResult {
  if (depth > MAX_DEPTH) refuse(`classes within classes, more than ${MAX_DEPTH} deep`)
  let p = start + 1
  const negated = text[p] === '^'
  if (negated) p++
  let set = new ByteSet()
  const wide: string[] = []
  const first = p
  for (;;) {
    const char = text[p]
    if (char === undefined) return refuse('a class without a closing bracket')
    if (char === ']' && p > first) break
    if (char === '&' && text[p + 1] === '&') {
      // What follows is read like a class that begins with the second sign.
      const other = readClass(text, p + 1, refuse, depth + 1)
      if (wide.length + other.wide.length > 0) refuse('&& with characters outside ASCII')
      set = set.intersection(other.set)
      return { set: negated ? set.complement() : set, wide, end: other.end }
    }
    const posix = char === '[' ? POSIX_FORM.exec(text.slice(p, p + POSIX_CHARS)) : null
    if (posix !== null) {
      const named = POSIX[posix[2] as string] ?? refuse(`the class [:${posix[2]}:]`)
      set.addAll(posix[1] === '^' ? named.complement() : named)
      p += posix[0].length
    } else if (char === '[') {
      const inner = readClass(text, p, refuse, depth + 1)
      set.addAll(inner.set)
      wide.push(...inner.wide)
      p = inner.end
    } else p = readItem(text, p, set, wide, refuse)
  }
  if (negated && wide.length > 0) refuse('a negated class with characters outside ASCII')
  return { set: negated ? set.complement() : set, wide, end: p + 1 }
}

/** Adds a character, an escape or a range to `set` or `wide`; returns the offset after it. */
function readItem(
  text: string,
  start: number,
  set: ByteSet,
  wide: string[],
  refuse: (what: string) => never,
): number {
  const shorthand = text[start] === '\\' ? CLASS_ESCAPES[text[start + 1] ?? ''] : undefined
  if (shorthand !== undefined) {
    set.addAll(shorthand)
    return start + 2
  }
  const first = readCharacter(text, start, true, refuse)
  const isRange = text[first.end] === '-' && text[first.end + 1] !== ']' && first.end + 1 < text.length
  const last = isRange ? readCharacter(text, first.end + 1, true, refuse) : first
  const ascii = first.byte >= 0 && last.byte >= 0
  if (isRange && (!ascii || last.byte < first.byte)) refuse(`the range ${text.slice(start, last.end)}`)
  if (ascii) set.addRange(first.byte, last.byte)
  else wide.push(first.char)
  return last.end
}

/** Reads one character or escape: its byte, or -1 and the character when it takes several bytes. */
export function readCharacter(
  text: string,
  start: number,
  inClass: boolean,
  refuse: (what: string) => never,
): { byte: number; char: string; end: number } {
  const point = text.codePointAt(start) as number
  const char = point < 0x80 ? (text[start] as string) : String.fromCodePoint(point)
  if (char !== '\\') return { byte: char < '\x80' ? char.charCodeAt(0) : -1, char, end: start + char.length }
  const rest = text.slice(start, start + 12)
  const hex = HEX_FORM.exec(rest)
  if (hex !== null) {
    const code = Number.parseInt((hex[1] ?? hex[2] ?? hex[3]) as string, 16)
    const end = start + hex[0].length
    if (code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
      refuse(`the escape ${hex[0]}, which is no character of Unicode`)
    // \xe9 is a byte, \x{e9} and \u00e9 a character.
    if (hex[1] !== undefined || code < 0x80) return { byte: code, char: '', end }
    return { byte: -1, char: String.fromCodePoint(code), end }
  }
  const octal = OCTAL_FORM.exec(rest)
  if (octal !== null)
    return { byte: Number.parseInt(octal[1] as string, 8), char: '', end: start + octal[0].length }
  const letter = rest[1] ?? refuse('a backslash at the end')
  if (inClass && letter === 'b') return { byte: 8, char: '', end: start + 2 }
  const control = CHARACTER_ESCAPES[letter]
  if (control !== undefined) return { byte: control, char: '', end: start + 2 }
  if (ALPHANUMERIC.test(letter)) refuse(`the escape \\${letter}`)
  const plain = String.fromCodePoint(text.codePointAt(start + 1) as number)
  return { byte: plain < '\x80' ? plain.charCodeAt(0) : -1, char: plain, end: start + 1 + plain.length }
}
