/** Suffixes of compressed files; only gzip can be read. */
const COMPRESSED = /\.(gz|bz2|xz|zst|lz4|Z|zip)$/
/** Words that rotation appends: `x.log.old`. */
const OLD_WORD = /[._-](old|bak|prev)$/i
/** Runs of dates, times, numbers and the separators around them; `T`, `Z` and `+` only within. */
const NUMBER_RUN = /[._-]*\d(?:[\dTZ:.,_+@-]*[\dZ])?[._-]*/g
const SEPARATOR = /[._-]/
const DIGIT = /\d/
/** A date of eight digits and more, which may be appended without a separator: `x.log20261121`. */
const LONG_DATE = /^(19|20)\d{6}/
/** Insertions in one name: a date before the extension and a number after it. */
const MAX_INSERTIONS = 2
/** Limits for names that somebody made to be expensive: places at which an insertion may begin, and names to examine. */
const MAX_PLACES = 12
const MAX_NAMES = 32
/** Names are at most 255 bytes on Linux; a longer text is no name, and is not worth examining. */
const MAX_NAME_LENGTH = 255

/**
 * Returns the names from which rotation may have made `name`: those that result when a date, a number or both, a word as `.old`, or the
 * suffix of a compression is taken out.
 *
 * ```
 *   x.log.1   x.log-20261121.gz   x.1.log   x-2026-11-21T06-00-00.000.log   x20261121.log   20261121-x.log   -> x.log
 * ```
 * Digits that follow a letter directly count only before an extension (`x1.log`, not `x.log2`). Digits are never split: `x12.log` is
 * not made from `x1.log`.
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

/** True when rotation may have made `name` from `live`. */
export function isRotatedName(name: string, live: string): boolean {
  if (name.length <= live.length) return false
  // Most names of a directory are told apart by their first letter.
  if (name[0] !== live[0] && !DIGIT.test(name[0] as string)) return false
  return liveNamesOf(name).has(live)
}

/** True when the names differ in their digits only, as those of the files that a link points to in turn: `2026-11-21.log`. */
export function differInDigitsOnly(a: string, b: string): boolean {
  return a !== b && maskDigits(a) === maskDigits(b)
}

const DIGITS = /\d+/g

/** Returns the name with each run of digits replaced by one. */
export function maskDigits(name: string): string {
  return name.replace(DIGITS, '0')
}

/** Returns the name or path without the suffix of its compression. */
export function uncompressedName(name: string): string {
  return name.replace(COMPRESSED, '')
}

/** True for a compressed file that cannot be read: only gzip can. */
export function isUnreadableFormat(name: string): boolean {
  return COMPRESSED.test(name) && !name.endsWith('.gz')
}

/**
 * Compares the dates that rotation put into two names of one log; 0 when they have none, or the same. The number in a name does not
 * decide: logrotate's grows with age, that of others does not.
 */
export function compareDatesOfNames(a: string, b: string): number {
  const [dateA, dateB] = [dateIn(a), dateIn(b)]
  if (dateA === undefined || dateB === undefined || dateA === dateB) return 0
  return dateA < dateB ? -1 : 1
}

const DATE = /(?:19|20)\d\d([._-]?)[01]\d\1[0-3]\d(?:[T._-]?[\d:.-]*\d)?/

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
    // The separators after the digits stay: they belong to what follows. At the start of a name they go.
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

/** True when the text from `at` to `end`, which ends with a digit, may stand for itself: see `liveNamesOf`. */
function isInsertion(name: string, at: number, end: number): boolean {
  if (!DIGIT.test(name[at] as string)) return true
  // Digits right behind a letter, or at the start of the name.
  if (at === 0) return end < name.length && SEPARATOR.test(name[end] as string)
  return name[end] === '.' || (end === name.length && LONG_DATE.test(name.slice(at, end)))
}
