import type { Chunk } from '../../core/chunk.ts'
import type { Counters } from '../../core/services.ts'
import type { JsonText } from '../json/msgpack-to-json.ts'
import { type FallbackReason, FastPath } from '../wasm/fast-path.ts'
import { type LinesKernel, sharedLinesKernel } from '../wasm/lines-kernel.ts'
import { Entry } from './entry.ts'
import { JsonTime, type TimeForm } from './json-time.ts'
import { KeyTable } from './key-table.ts'
import type { RecordEnds } from './record-ends.ts'

/** Size of an id, as in core/record-ids.ts. */
const ID_BYTES = 26
/** Minimum records of a chunk for which the WebAssembly kernel pays off. */
const MIN_FAST_PATH_RECORDS = 32
const EMPTY = Buffer.alloc(0)
const LAST_SECOND = 0xffffffff

/** A pair before those of a record. A field of the record with its key replaces it. */
export interface LeadingPair {
  key: string
  /** The time of the record, the tag of the chunk, or a value as JSON text. */
  value: 'time' | 'tag' | { json: string }
}

/** Bytes before a line that depend on the second of its time, such as an index with a date in its name. */
export interface DatedPrefix {
  /** Seconds for which the bytes that `of` returned last stay the same. */
  first: number
  last: number
  of(sec: number): Buffer
}

export interface JsonLinesForm {
  /** Form of the time, of a pair `time` or with `timeFirst`. */
  time?: TimeForm
  /** True when the time stands between the prefix and the infix, which have its quotation marks, if any. */
  timeFirst?: boolean
  /** True when an id stands after the prefix. */
  hasIds?: boolean
  infix?: string
  suffix?: string
  pairs?: readonly LeadingPair[]
  /** Keys of a record that are left out. */
  omitted?: readonly string[]
  /** True when points in keys, on all levels, become underscores. */
  replaceDots?: boolean
}

/** What `append` takes of a chunk, and up to which size of the text. */
export interface AppendLimits {
  /** Ids of the entries of the chunk, and the number of the entry at `at` in them. */
  ids?: Buffer
  index?: number
  /** Largest size of the text, with what it has already. */
  maxBytes?: number
  maxRecords?: number
  /** Gets the end of each record. */
  ends?: RecordEnds
}

/**
 * Appends the records of chunks to a text, each as an object with bytes around it:
 *
 * ```
 *   prefix [id] [time] infix { [pairs] pairs of the record } suffix
 * ```
 *
 * Most records are written by a WebAssembly kernel; the others, byte for byte alike, by JsonText.
 */
export class JsonLines {
  /** Bytes before each line; may be changed before a call of `append`. */
  prefix: Buffer | DatedPrefix = EMPTY
  /** Number of records that the last call of `append` wrote. */
  records = 0
  readonly #form: JsonLinesForm
  readonly #counters: Counters | undefined
  readonly #time: JsonTime | undefined
  readonly #infix: Buffer
  readonly #suffix: Buffer
  readonly #omitted: readonly Buffer[]
  readonly #omittedTable: KeyTable | undefined
  readonly #entry = new Entry()
  readonly #path = new FastPath()
  readonly #starts: number[] = []
  readonly #leading: readonly LeadingPair[]
  /** Texts of the pairs, up to the value when that is the time; of the tag they are made for. */
  #pairs: { text: Buffer; key: Buffer }[] = []
  #tag: string | undefined
  /** Number of the pair of the time, or -1. */
  readonly #timePair: number
  readonly #close: string

  /** `counters`: of a plugin that has those of pathCounters. */
  constructor(form: JsonLinesForm, counters?: Counters) {
    this.#form = form
    this.#counters = counters
    const { time, infix = '', omitted = [] } = form
    this.#time = time === undefined ? undefined : new JsonTime(time)
    this.#close = time?.quoted === true ? '"' : ''
    this.#infix = Buffer.from(infix)
    this.#suffix = Buffer.from(form.suffix ?? '')
    this.#leading = (form.pairs ?? []).filter(({ value }) => value !== 'time' || time !== undefined)
    this.#timePair = this.#leading.findIndex(({ value }) => value === 'time')
    this.#omitted = omitted.map((key) => Buffer.from(key))
    this.#omittedTable = omitted.length === 0 ? undefined : new KeyTable(this.#omitted)
  }

  /**
   * Appends the entries of a chunk from the offset `at` on while they fit the limits; returns the offset of the first that was
   * not written. When that is `at` again with an empty text, the record alone is larger than the limit.
   */
  append(text: JsonText, chunk: Chunk, at: number, limits: AppendLimits = {}): number {
    const { ids = EMPTY, index = 0, maxBytes = Infinity, maxRecords = Infinity, ends } = limits
    this.#makePairs(chunk.tag)
    const kernel = this.#kernelFor(chunk)
    const path = this.#path
    let from = at
    /** Offset of the entry for whose second the kernel was set up last: once is enough for each. */
    let prepared = -1
    this.records = 0
    while (from < chunk.end && this.records < maxRecords) {
      if (kernel !== undefined && path.isOpen) {
        const left = maxRecords - this.records
        const size = kernel.run(
          chunk.buf,
          from,
          chunk.end,
          maxBytes - text.at,
          left,
          ids,
          index + this.records,
        )
        const { taken } = kernel
        if (ends !== undefined)
          for (let i = 0; i < taken; i++) ends.push(kernel.entryEnd(i), text.at + kernel.lineEnd(i))
        text.copy(kernel.output, 0, size)
        from = kernel.consumed
        this.records += taken
        if (taken > 0) path.hit(taken)
        if (kernel.needsSecond && from !== prepared && this.#setSecond(kernel, chunk, from)) {
          prepared = from
          continue
        }
        if (taken > 0) continue
        path.miss()
      }
      const before = text.at
      this.#write(text, chunk, from, ids, index + this.records)
      if (text.at > maxBytes) {
        text.at = before
        break
      }
      from = this.#entry.end
      this.records++
      ends?.push(from, text.at)
      path.fallback()
    }
    if (this.#counters !== undefined) path.report(this.#counters)
    return from
  }

  /** Makes the texts of the pairs, once for each tag. */
  #makePairs(tag: string): void {
    if (tag === this.#tag) return
    this.#tag = tag
    this.#pairs = this.#leading.map(({ key, value }) => {
      const json = value === 'time' ? this.#close : value === 'tag' ? JSON.stringify(tag) : value.json
      return { text: Buffer.from(`${JSON.stringify(key)}:${json}`), key: Buffer.from(key) }
    })
  }

  /** Sets the kernel up for a chunk, unless it cannot write its records or does not pay off. */
  #kernelFor(chunk: Chunk): LinesKernel | undefined {
    const kernel = chunk.count < MIN_FAST_PATH_RECORDS ? undefined : sharedLinesKernel()
    const reason: FallbackReason = kernel === undefined ? 'small' : 'options'
    const isUsable = kernel !== undefined && this.#use(kernel)
    this.#path.begin(isUsable, isUsable ? 'form' : reason)
    return isUsable ? kernel : undefined
  }

  #use(kernel: LinesKernel): boolean {
    const { time, hasIds = false, timeFirst = false, replaceDots = false } = this.#form
    // The kernel compares keys as they stand in the record.
    if (this.#pairs.some(({ text, key }) => text.indexOf(key) !== 1)) return false
    const { second = 'number', digits = 0, point = false, zone = false, quoted = false } = time ?? {}
    const isUsed = kernel.use({
      infix: this.#infix,
      suffix: this.#suffix,
      hasIds,
      time: time === undefined ? undefined : timeFirst ? 'infix' : this.#timePair,
      quoted,
      second: typeof second === 'object' ? 'given' : second,
      digits,
      point,
      zone,
      pairs: this.#pairs,
      omitted: this.#omitted,
      undots: replaceDots,
    })
    const { prefix } = this
    if (!isUsed || !Buffer.isBuffer(prefix)) return isUsed && kernel.setPrefix(EMPTY, LAST_SECOND, 0)
    return kernel.setPrefix(prefix, 0, LAST_SECOND)
  }

  /** Sets what depends on the second of the entry at `at`; false when that is too large for the kernel. */
  #setSecond(kernel: LinesKernel, { buf }: Chunk, at: number): boolean {
    const { prefix } = this
    const sec = buf.readUInt32BE(at + (buf[at + 1] === 0x92 ? 4 : 3))
    if (!Buffer.isBuffer(prefix)) {
      const bytes = prefix.of(sec)
      if (!kernel.setPrefix(bytes, prefix.first, Math.min(prefix.last, LAST_SECOND))) return false
    }
    if (typeof this.#form.time?.second !== 'object') return true
    return kernel.setSecond(sec, (this.#time as JsonTime).secondText(sec))
  }

  #write(text: JsonText, chunk: Chunk, at: number, ids: Buffer, index: number): void {
    const { prefix } = this
    const { hasIds = false, timeFirst = false, replaceDots = false } = this.#form
    const entry = this.#entry
    entry.read(chunk, at)
    const bytes = Buffer.isBuffer(prefix) ? prefix : prefix.of(entry.time.sec)
    text.copy(bytes, 0, bytes.length)
    if (hasIds) text.copy(ids, index * ID_BYTES, (index + 1) * ID_BYTES)
    if (timeFirst) this.#writeTime(text)
    text.copy(this.#infix, 0, this.#infix.length)
    text.byte(0x7b)
    text.undots = replaceDots
    try {
      text.pairsAfter(chunk.buf, entry.map, this.#writePairs(text), this.#omittedTable)
    } finally {
      text.undots = false
    }
    text.byte(0x7d)
    text.copy(this.#suffix, 0, this.#suffix.length)
  }

  #writePairs(text: JsonText): readonly number[] {
    const starts = this.#starts
    const pairs = this.#pairs
    starts.length = 0
    for (let i = 0; i < pairs.length; i++) {
      const { text: bytes } = pairs[i] as { text: Buffer }
      if (i > 0) text.byte(0x2c)
      starts.push(text.at)
      text.copy(bytes, 0, bytes.length)
      if (i !== this.#timePair) continue
      this.#writeTime(text)
      text.raw(this.#close)
    }
    return starts
  }

  #writeTime(text: JsonText): void {
    const time = this.#time as JsonTime
    const { sec, nsec } = this.#entry.time
    const length = time.set(sec, nsec)
    text.copy(time.bytes, 0, length)
  }
}
