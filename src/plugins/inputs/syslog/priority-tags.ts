const LESS = 0x3c
const MORE = 0x3e
const DIGIT_0 = 0x30
const DIGIT_9 = 0x39
const MAX_DIGITS = 3
/** The names that fluentd has for them, by number. */
const FACILITY_NAMES =
  'kern user mail daemon auth syslog lpr news uucp cron authpriv ftp ntp audit alert at local0 local1 local2 local3 local4 local5 local6 local7'
const SEVERITY_NAMES = 'emerg alert crit err warn notice info debug'

/** Returns the offset after the priority with which src[start, end) begins, "<" 1*3DIGIT ">"; 0 when it has none. */
export function afterPriority(src: Buffer, start: number, end: number): number {
  if (src[start] !== LESS) return 0
  let at = start + 1
  while (at < end && at - start <= MAX_DIGITS && isDigit(src[at] as number)) at++
  return at > start + 1 && at < end && src[at] === MORE ? at + 1 : 0
}

function isDigit(c: number): boolean {
  return c >= DIGIT_0 && c <= DIGIT_9
}

/** Tags of messages by their facility and severity. */
export class PriorityTags {
  readonly #tags: string[]
  readonly #unmatched: string

  /** `pattern` has a `*`, in whose place both stand, or `unmatched`. */
  constructor(pattern: string) {
    const severities = SEVERITY_NAMES.split(' ')
    this.#tags = FACILITY_NAMES.split(' ').flatMap((facility) =>
      severities.map((severity) => pattern.replaceAll('*', `${facility}.${severity}`)),
    )
    this.#unmatched = pattern.replaceAll('*', 'unmatched')
  }

  /** Returns the tag of a message: that of its priority, if it has one. */
  tagOf(src: Buffer, start: number, end: number): string {
    let priority = 0
    const next = afterPriority(src, start, end)
    for (let at = start + 1; at < next - 1; at++) priority = priority * 10 + (src[at] as number) - DIGIT_0
    return (next === 0 ? undefined : this.#tags[priority]) ?? this.#unmatched
  }
}
