/** What an ingester says about a stream of a push request. */
export interface RefusedStream {
  /** The refused entries that are named, by their times in nanoseconds since 1970: one reason, and how many have that time. */
  readonly entries: Map<bigint, { readonly reason: string; count: number }>
  /** Number of all refused entries, of which the answer names only some. */
  readonly total: number
  /** Number of all entries of the stream that have come to the ingester. */
  readonly of: number
}

/** Limits that an answer tells of a stream: entries of it beyond them are refused. */
export interface StreamRules {
  /** Entries with lines that are longer are refused. */
  maxLineBytes?: { readonly bytes: number; readonly reason: string }
  /** Entries that are older are refused. */
  oldest?: { readonly ns: bigint; readonly reason: string }
}

/** What an answer with status 400 says about the entries of a push request, by the labels. */
interface Refusal {
  readonly streams: Map<string, RefusedStream>
  readonly rules: Map<string, StreamRules>
}

/** Labels of a stream: the texts in quotes are those of records. */
const LABELS = String.raw`\{(?:[^"{}]|"(?:[^"\\]|\\.)*")*\}`
const ALL_LABELS = new RegExp(LABELS, 'g')
/** What may stand before and between the messages. */
const BETWEEN =
  /(?:[\s,;]|\d{1,9} errors?(?: like)?:|rpc error: code = [\w() ]{1,40}? desc =|user '\S{0,300}',)*/y
// Newlines are blanks in the text of an answer. A reason may have labels.
const ENTRY = new RegExp(
  `entry with timestamp ([^,;'"{}]{1,80}?) ignored, reason: '((?:'?${LABELS}'?|[^'{]){1,400})'`,
  'y',
)
const TOTAL = new RegExp(
  `total ignored: (\\d{1,9}) out of (\\d{1,9})(?: for stream: (${LABELS}))?(?=[\\s,;]|$)`,
  'y',
)
const LINE = new RegExp(
  `(max entry size '?(\\d{1,12})'? bytes exceeded) for stream '(${LABELS})' while adding an entry with length '?\\d{1,12}'? bytes`,
  'iy',
)
const OLD = new RegExp(
  `entry for stream '(${LABELS})' (has timestamp too old: [^,;'"{}]{1,60}, oldest acceptable timestamp is: ([\\dTZ:.+-]{1,40}))`,
  'y',
)
const NEW = new RegExp(`entry for stream '${LABELS}' has timestamp too new: [\\dTZ:.+-]{1,40}`, 'y')

/** A reason that is about the load and not about the entry. */
const LOAD = /rate limit/i

/** Returns a text without the labels of streams, and so without the texts of records in them. */
export function withoutLabels(text: string): string {
  return text.replace(ALL_LABELS, '{}')
}

/**
 * Reads the text of an answer with status 400; undefined when it says nothing about single entries. Entries whose stream is not named, as
 * the text is cut off there, are left out.
 *
 * ```
 *   entry with timestamp TIME ignored, reason: 'REASON',     ; of the ingester; some of them
 *   user 'TENANT', total ignored: N out of M for stream: {LABELS}
 *   max entry size 'N' bytes exceeded for stream 'LABELS' while adding an entry with length 'L' bytes
 *   entry for stream 'LABELS' has timestamp too old: TIME, oldest acceptable timestamp is: TIME
 * ```
 * It is read from its beginning, one message after the other, up to the first one of another form. Searching it for the messages would
 * find them in what it quotes of records, too: in values of labels, in a value that is too long, in JSON that cannot be read.
 */
export function readRefusal(text: string): Refusal | undefined {
  const reader = new RefusalReader(text)
  while (reader.next()) {}
  const { streams, rules } = reader
  return streams.size === 0 && rules.size === 0 ? undefined : { streams, rules }
}

class RefusalReader implements Refusal {
  readonly streams = new Map<string, RefusedStream>()
  readonly rules = new Map<string, StreamRules>()
  readonly #text: string
  /** True with a reason that is about the load: the totals are not about entries that are refused for good then. */
  readonly #isLoad: boolean
  /** Entries of the stream whose labels follow. */
  #entries: { ns: bigint; reason: string }[] = []
  #at = 0

  constructor(text: string) {
    this.#text = text
    this.#isLoad = LOAD.test(withoutLabels(text))
  }

  /** Reads a message; false: there is none of known form. */
  next(): boolean {
    this.#take(BETWEEN)
    const entry = this.#take(ENTRY)
    if (entry !== null) return this.#entry(entry)
    const total = this.#take(TOTAL)
    if (total !== null) return this.#total(total)
    const line = this.#take(LINE)
    if (line !== null) return this.#line(line)
    const old = this.#take(OLD)
    return old === null ? this.#take(NEW) !== null : this.#old(old)
  }

  #take(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.#at
    const match = pattern.exec(this.#text)
    if (match !== null) this.#at = pattern.lastIndex
    return match
  }

  #entry([, time = '', reason = '']: RegExpExecArray): boolean {
    const ns = nanoseconds(time)
    if (ns !== undefined && !LOAD.test(withoutLabels(reason))) this.#entries.push({ ns, reason })
    return true
  }

  #total([, total, of, labels]: RegExpExecArray): boolean {
    const named = this.#entries
    this.#entries = []
    if (labels === undefined || named.length === 0) return true
    let stream = this.streams.get(labels)
    if (stream === undefined) {
      stream = { entries: new Map(), total: Number(total), of: this.#isLoad ? -1 : Number(of) }
      this.streams.set(labels, stream)
    }
    for (const { ns, reason } of named) {
      const entry = stream.entries.get(ns)
      if (entry === undefined) stream.entries.set(ns, { reason, count: 1 })
      else entry.count++
    }
    return true
  }

  #line([, reason = '', bytes, labels = '']: RegExpExecArray): boolean {
    const rules = this.#rulesOf(labels)
    rules.maxLineBytes ??= { bytes: Number(bytes), reason }
    return true
  }

  #old([, labels = '', reason = '', time = '']: RegExpExecArray): boolean {
    const ns = nanoseconds(time)
    if (ns !== undefined) this.#rulesOf(labels).oldest ??= { ns, reason }
    return true
  }

  #rulesOf(labels: string): StreamRules {
    const rules = this.rules.get(labels) ?? {}
    this.rules.set(labels, rules)
    return rules
  }
}

/** Reads `2023-11-14 22:13:20.5 +0000 UTC`, `2023-11-14T22:13:20.5Z` or nanoseconds. */
function nanoseconds(text: string): bigint | undefined {
  if (/^\d{1,19}$/.test(text)) return BigInt(text)
  const match = /^(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(?:Z| \+0000 UTC)$/.exec(text)
  if (match === null) return undefined
  const [, day, time, fraction = ''] = match
  const ms = Date.parse(`${day}T${time}Z`)
  return Number.isNaN(ms) ? undefined : BigInt(ms) * 1_000_000n + BigInt(fraction.padEnd(9, '0'))
}
