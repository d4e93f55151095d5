import { textHead, textLength } from '../../core/msgpack/record.ts'

/** Words for the severities of syslog, in lower case; the first of each is the one of its header file. */
const WORDS: readonly (readonly string[])[] = [
  ['emerg', 'panic', 'emergency'],
  ['alert'],
  ['crit', 'critical'],
  ['err', 'error'],
  ['warning', 'warn'],
  ['notice'],
  ['info', 'informational'],
  ['debug'],
]
const SEVERITIES = WORDS.flatMap((words, value) => words.map((word) => ({ bytes: Buffer.from(word), value })))

/** Names of the facilities of syslog, by their numbers; 15 has none that is common. */
const FACILITIES =
  'kern user mail daemon auth syslog lpr news uucp cron authpriv ftp ntp security console - local0 local1 local2 local3 local4 local5 local6 local7'
    .split(' ')
    .map((word, value) => ({ bytes: Buffer.from(word), value }))
const MAX_FACILITY = 23

/** Words and their numbers. */
type WordTable = readonly { readonly bytes: Buffer; readonly value: number }[]

/** Returns the severity of syslog that a value means: a number from 0 to 7, its digit, or a word in any case; -1 for others. */
export function severityOf(buf: Buffer, at: number): number {
  return numberOrWord(buf, at, 7, SEVERITIES)
}

/** Returns the facility of syslog that a value means: a number from 0 to 23, its digits, or a name in any case; -1 for others. */
export function facilityOf(buf: Buffer, at: number): number {
  return numberOrWord(buf, at, MAX_FACILITY, FACILITIES)
}

/** Returns a number up to `max` (two digits at most), its digits, or the number of a word in any case; -1 for others. */
function numberOrWord(buf: Buffer, at: number, max: number, words: WordTable): number {
  const head = textHead(buf, at)
  const t = buf[at] as number
  if (head < 0) {
    const value = t < 0x80 ? t : t === 0xcc ? (buf[at + 1] as number) : -1
    return value <= max ? value : -1
  }
  const start = at + head
  const length = textLength(buf, at)
  if (length === 0) return -1
  if (length <= 2) {
    const value = digits(buf, start, start + length)
    if (value >= 0) return value <= max ? value : -1
  }
  for (const { bytes, value } of words) if (isWord(buf, start, length, bytes)) return value
  return -1
}

function digits(buf: Buffer, start: number, end: number): number {
  let value = 0
  for (let p = start; p < end; p++) {
    const c = (buf[p] as number) - 0x30
    if (c < 0 || c > 9) return -1
    value = value * 10 + c
  }
  return value
}

/** Returns true for the bytes of a word in lower case letters and digits, in any case. */
function isWord(buf: Buffer, start: number, length: number, word: Buffer): boolean {
  if (length !== word.length) return false
  for (let i = 0; i < length; i++) {
    const c = buf[start + i] as number
    if ((c >= 0x41 && c <= 0x5a ? c | 0x20 : c) !== word[i]) return false
  }
  return true
}
