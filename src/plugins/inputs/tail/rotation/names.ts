import { isGzipName } from '../file/compression.ts'

/** Suffixes of compressed files; only gzip can be read. */
const COMPRESSED = /\.(gz|bz2|xz|zst|lz4|Z|zip)$/
/** Words that rotation appends: `x.log.old`. */
const OLD_WORD = /[._-](old|bak|prev)$/i
/** Runs of dates, times, numbers and the separators around them; `T`, `Z` and `+` only within. */
const NUMBER_RUN = /[._-]*\d(?:[\dTZ:.,_+@-]*[\dZ])?[._-]*/g
/** What those runs, and the first character of a word or suffix, consist of. */
const INSERTED = /[\dTZ:.,_+@-]/
const SEPARATOR = /[._-]/
const DIGIT = /\d/
/** A date of eight digits and more, which may be appended without a separator: `x.log20261121`. */
const LONG_DATE = /^(19|20)\d{6}/
/** Maximum number of insertions in one name: a date before the extension and a number after it. */
const MAX_INSERTIONS = 2
/**
 * Limits for names made to be expensive: number of places at which an insertion may begin, and of names
 * examined.
 */
const MAX_PLACES = 12
const MAX_NAMES = 32
/** Maximum length of a name on Linux; a longer text is not examined. */
const MAX_NAME_LENGTH = 255

/**
 * Returns the names from which rotation may have made `name`: those without a date, a number or both,
 * without a word such as `.old`, or without the suffix of a compression.
 *
 * ```
 *   x.log.1   x.log-20261121.gz   x.1.log   x20261121.log   20261121-x.log   ->   x.log
 *   x-2026-11-21T06-00-00.000.log                                            ->   x.log
 * ```
 * Digits directly after a letter count only before an extension (`x1.log`, not `x.log2`). Digits are never
 * split: `x12.log` is not made from `x1.log`.
 */
export function liveNamesOf(name: string): Set<string> {
  const found = new Set<string>()
  if (name.length > MAX_NAME_LENGTH) return found
  let names = [name]
  const plain = name.replace(COMPRESSED, '')
  if (plain !== name && plain !== '') {
    found.add(plain)
    names = [plain]
  }
  for (let n = 0; n < MAX_INSERTIONS; n++) {
    const shorter = names.flatMap(withoutInsertion).slice(0, MAX_NAMES)
    for (const one of shorter) found.add(one)
    names = shorter
  }
  return found
}

/** True when rotation may have made `name` from `live`, which is one of `liveNamesOf(name)` then. */
export function isRotatedName(name: string, live: string): boolean {
  return mayBeRotatedName(name, live) && liveNamesOf(name).has(live)
}

/** True when rotation may have made the name from one of `names`, as it made another file of that log. */
export function isOfSameLog(name: string, names: ReadonlySet<string>): boolean {
  // Called for every open file: nearly all names are told apart without their live names.
  for (const live of names) if (isRotatedName(name, live)) return true
  return false
}

/**
 * False for nearly all names that are not made from `live`, in a fraction of the time, as a directory may
 * have 100,000 names. The part of `live` between the common beginning and the common end must be in `name`
 * too, after the insertion, with its numbers complete.
 */
function mayBeRotatedName(name: string, live: string): boolean {
  if (name.length <= live.length) return false
  let start = 0
  while (start < live.length && name.charCodeAt(start) === live.charCodeAt(start)) start++
  if (!INSERTED.test(name[start] as string)) return false
  const plain = name.replace(COMPRESSED, '')
  let end = live.length
  for (let at = plain.length; end > start && plain.charCodeAt(at - 1) === live.charCodeAt(end - 1); at--)
    end--
  if (start === end) return true
  while (isWithinDigits(live, start)) start--
  while (isWithinDigits(live, end)) end++
  const middle = live.slice(start, end)
  for (let at = plain.indexOf(middle, start); at >= 0; at = plain.indexOf(middle, at + 1))
    if (!isWithinDigits(plain, at) && !isWithinDigits(plain, at + middle.length)) return true
  return false
}

/** True when the position is between two digits. */
function isWithinDigits(text: string, at: number): boolean {
  return isDigit(text.charCodeAt(at - 1)) && isDigit(text.charCodeAt(at))
}

function isDigit(code: number): boolean {
  return code >= 0x30 && code <= 0x39
}

/**
 * True when the names differ only in digits, as those of the files to which a link leads in turn:
 * `2026-11-21.log`. The suffix of a compression does not count.
 */
export function differInDigitsOnly(a: string, b: string): boolean {
  return a.replace(COMPRESSED, '') !== b.replace(COMPRESSED, '') && maskDigits(a) === maskDigits(b)
}

const DIGITS = /\d+/g

/** Returns the name with one digit instead of each number, without the suffix of a compression. */
export function maskDigits(name: string): string {
  return name.replace(COMPRESSED, '').replace(DIGITS, '0')
}

/** Returns the name or path without the suffix of its compression. */
export function uncompressedName(name: string): string {
  return name.replace(COMPRESSED, '')
}

/** True for a compressed file that cannot be read: only gzip can. */
export function isUnreadableFormat(name: string): boolean {
  return COMPRESSED.test(name) && !isGzipName(name)
}

/**
 * Compares the dates in two rotated names of one log; 0 when they have none, or the same. A number does not
 * count: that of logrotate grows with age, that of others does not.
 */
export function compareDatesOfNames(a: string, b: string): number {
  const [dateA, dateB] = [dateIn(a), dateIn(b)]
  if (dateA !== undefined && dateB !== undefined) return compareTexts(dateA, dateB)
  const [epochA, epochB] = [epochIn(a), epochIn(b)]
  const isComparable = epochA !== undefined && epochB !== undefined && epochA.length === epochB.length
  return isComparable ? compareTexts(epochA, epochB) : 0
}

function compareTexts(a: string, b: string): number {
  return a === b ? 0 : a < b ? -1 : 1
}

/** Seconds, milli-, micro- or nanoseconds since 1970, from 2001 to 2033. */
const EPOCH = /(?<!\d)1\d{9}(?:\d{3}){0,3}(?!\d)/

function epochIn(name: string): string | undefined {
  return EPOCH.exec(name)?.[0]
}

const DATE = /(?<!\d)(?:19|20)\d\d([._-]?)[01]\d\1[0-3]\d(?:[T._-]?[\d:.-]*\d)?/

/** Returns the date and time in a name with the year first, as text that sorts by time. */
function dateIn(name: string): string | undefined {
  return DATE.exec(name.replace(COMPRESSED, ''))?.[0].replace(/\D/g, '')
}

function withoutInsertion(name: string): string[] {
  const found: string[] = []
  const word = OLD_WORD.exec(name)
  if (word !== null && word.index > 0) found.push(name.slice(0, word.index))
  for (const run of name.matchAll(NUMBER_RUN)) {
    const start = run.index
    const runEnd = start + run[0].length
    // The separators after the digits belong to what follows, and stay. At the start of a name they are
    // removed.
    let end = runEnd
    while (end > start && SEPARATOR.test(name[end - 1] as string)) end--
    if (runEnd === name.length && end < runEnd) continue
    const cutEnd = start === 0 ? runEnd : end
    for (let at = start, places = 0; at < end && places < MAX_PLACES; at++) {
      const isStart = at === start || SEPARATOR.test(name[at] as string)
      if (!isStart) continue
      places++
      if (!isInsertion(name, at, end)) continue
      const live = name.slice(0, at) + name.slice(at === 0 ? cutEnd : end)
      if (live !== '' && !live.startsWith('.')) found.push(live)
    }
  }
  return found
}

/**
 * True when the text from `at` to `end`, which ends with a digit, is an insertion of its own: see
 * `liveNamesOf`.
 */
function isInsertion(name: string, at: number, end: number): boolean {
  if (!DIGIT.test(name[at] as string)) return true
  // Digits directly after a letter, or at the start of the name.
  if (at === 0) return end < name.length && SEPARATOR.test(name[end] as string)
  return name[end] === '.' || (end === name.length && LONG_DATE.test(name.slice(at, end)))
}
