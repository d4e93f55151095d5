const MONTHS = 'January February March April May June July August September October November December'.split(
  ' ',
)
const WEEKDAYS = 'Sunday Monday Tuesday Wednesday Thursday Friday Saturday'.split(' ')
/** %, flags, width, colons, conversion. */
const DIRECTIVE = /%([-0^#_]*)(\d{0,3})(:{0,2})([A-Za-z%+])/g
const COMPOUND: Record<string, string> = {
  c: '%a %b %e %H:%M:%S %Y',
  D: '%m/%d/%y',
  F: '%Y-%m-%d',
  T: '%H:%M:%S',
  X: '%H:%M:%S',
  x: '%m/%d/%y',
  R: '%H:%M',
  r: '%I:%M:%S %p',
  v: '%e-%^b-%Y',
  '+': '%a %b %e %H:%M:%S %Z %Y',
}
const MAX_WIDTH = 100
const DAY_S = 86_400

/** Zone of a time that is formatted: UTC, that of this machine, or seconds east of UTC. */
export type TimeZone = 'utc' | 'local' | number

/** Parts of a local time. */
interface Parts {
  /** Wall time as if it were UTC. */
  date: Date
  sec: number
  nsec: number
  /** Seconds east of UTC. */
  offset: number
  zone: TimeZone
}

/** Returns the seconds east of UTC of this machine's zone at a time. */
function localOffset(sec: number): number {
  return new Date(sec * 1000).getTimezoneOffset() * -60
}

/**
 * Formats a time as strftime of Ruby does, in a zone: with its flags (`-` `0` `^` `#` `_`), widths,
 * `%L`, `%N`, `%3N` and `%:z`. A directive that does not exist stays as it is.
 */
export function strftime(format: string, sec: number, nsec: number, timeZone: TimeZone): string {
  const offset = timeZone === 'utc' ? 0 : timeZone === 'local' ? localOffset(sec) : timeZone
  return formatParts(format, { date: new Date((sec + offset) * 1000), sec, nsec, offset, zone: timeZone })
}

function formatParts(format: string, parts: Parts): string {
  return format.replaceAll(DIRECTIVE, (all, flags: string, width: string, colons: string, letter: string) => {
    const size = Math.min(Number(width), MAX_WIDTH)
    if (letter === 'z') return offsetText(parts.offset, colons.length, flags, size)
    if (colons !== '') return all
    if (letter === 'N' || letter === 'L') return fraction(parts.nsec, letter, size)
    const compound = COMPOUND[letter]
    if (compound !== undefined) return padded(cased(formatParts(compound, parts), flags), flags, size, 0, ' ')
    const text = names(letter, parts, flags)
    if (text !== undefined) return padded(text, flags, size, 0, ' ')
    const number = numbers(letter, parts)
    if (number === undefined) return all
    const [value, digits, fill] = number
    return padded(String(value), flags, size, digits, fill)
  })
}

function cased(text: string, flags: string): string {
  return flags.includes('^') ? text.toUpperCase() : text
}

function padded(text: string, flags: string, width: number, digits: number, fill: string): string {
  if (flags.includes('-')) return text
  const char = flags.includes('0') ? '0' : flags.includes('_') ? ' ' : fill
  const isNegative = text.startsWith('-') && char === '0'
  const size = width === 0 ? digits : width
  return isNegative ? `-${text.slice(1).padStart(size - 1, char)}` : text.padStart(size, char)
}

function names(
  letter: string,
  { date, sec, offset, zone: timeZone }: Parts,
  flags: string,
): string | undefined {
  const month = MONTHS[date.getUTCMonth()] ?? ''
  const day = WEEKDAYS[date.getUTCDay()] ?? ''
  const upper = flags.includes('#')
    ? (text: string) => text.toUpperCase()
    : (text: string) => cased(text, flags)
  const noon = date.getUTCHours() < 12 ? 'AM' : 'PM'
  switch (letter) {
    case 'B':
      return upper(month)
    case 'b':
    case 'h':
      return upper(month.slice(0, 3))
    case 'A':
      return upper(day)
    case 'a':
      return upper(day.slice(0, 3))
    case 'p':
      return flags.includes('#') ? noon.toLowerCase() : noon
    case 'P':
      return cased(noon.toLowerCase(), flags)
    case 'Z':
      return flags.includes('#')
        ? zoneName(sec, offset, timeZone).toLowerCase()
        : zoneName(sec, offset, timeZone)
    case 'n':
      return '\n'
    case 't':
      return '\t'
    case '%':
      return '%'
  }
  return undefined
}

/** Returns a number, its width and what fills it. */
function numbers(letter: string, { date, sec }: Parts): [number, number, string] | undefined {
  const hour = date.getUTCHours()
  const year = date.getUTCFullYear()
  switch (letter) {
    case 'Y':
      return [year, 4, '0']
    case 'C':
      return [Math.floor(year / 100), 2, '0']
    case 'y':
      return [((year % 100) + 100) % 100, 2, '0']
    case 'm':
      return [date.getUTCMonth() + 1, 2, '0']
    case 'd':
      return [date.getUTCDate(), 2, '0']
    case 'e':
      return [date.getUTCDate(), 2, ' ']
    case 'j':
      return [dayOfYear(date) + 1, 3, '0']
    case 'H':
      return [hour, 2, '0']
    case 'k':
      return [hour, 2, ' ']
    case 'I':
      return [hour % 12 || 12, 2, '0']
    case 'l':
      return [hour % 12 || 12, 2, ' ']
    case 'M':
      return [date.getUTCMinutes(), 2, '0']
    case 'S':
      return [date.getUTCSeconds(), 2, '0']
    case 's':
      return [sec, 1, '0']
    default:
      return weeks(letter, date)
  }
}

function weeks(letter: string, date: Date): [number, number, string] | undefined {
  const day = date.getUTCDay()
  const yearDay = dayOfYear(date)
  switch (letter) {
    case 'u':
      return [day === 0 ? 7 : day, 1, '0']
    case 'w':
      return [day, 1, '0']
    case 'U':
      return [Math.floor((yearDay + 7 - day) / 7), 2, '0']
    case 'W':
      return [Math.floor((yearDay + 7 - ((day + 6) % 7)) / 7), 2, '0']
    case 'G':
      return [thursday(date).getUTCFullYear(), 4, '0']
    case 'g':
      return [thursday(date).getUTCFullYear() % 100, 2, '0']
    case 'V':
      return [Math.floor(dayOfYear(thursday(date)) / 7) + 1, 2, '0']
  }
  return undefined
}

function dayOfYear(date: Date): number {
  return Math.floor((date.getTime() - Date.UTC(date.getUTCFullYear(), 0, 1)) / (DAY_S * 1000))
}

/** Returns the Thursday of the ISO week of a date. */
function thursday(date: Date): Date {
  return new Date(date.getTime() + (4 - (date.getUTCDay() || 7)) * DAY_S * 1000)
}

function fraction(nsec: number, letter: 'N' | 'L', width: number): string {
  const digits = width === 0 ? (letter === 'N' ? 9 : 3) : width
  return String(nsec).padStart(9, '0').slice(0, digits).padEnd(digits, '0')
}

function offsetText(offset: number, colons: number, flags: string, width: number): string {
  const sign = offset < 0 ? '-' : '+'
  const abs = Math.abs(offset)
  const two = (n: number): string => String(Math.floor(n)).padStart(2, '0')
  const [hours, minutes, seconds] = [two(abs / 3600), two((abs % 3600) / 60), two(abs % 60)]
  const rest = colons === 0 ? minutes : colons === 1 ? `:${minutes}` : `:${minutes}:${seconds}`
  if (flags.includes('-') || flags.includes('_')) return `${sign}${hours}${rest}`
  return `${sign}${`${hours}${rest}`.padStart(width - 1, '0')}`
}

/**
 * Returns `UTC`, nothing for an offset, or the name that the runtime knows: `EST`, or `GMT+9` where it knows
 * no abbreviation.
 */
function zoneName(sec: number, offset: number, timeZone: TimeZone): string {
  if (typeof timeZone === 'number') return ''
  if (timeZone === 'utc' || (offset === 0 && process.env.TZ === 'UTC')) return 'UTC'
  const parts = new Intl.DateTimeFormat('en-US', { timeZoneName: 'short' }).formatToParts(sec * 1000)
  return parts.find(({ type }) => type === 'timeZoneName')?.value ?? ''
}
