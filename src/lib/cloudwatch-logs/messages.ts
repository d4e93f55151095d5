import { isAscii } from 'node:buffer'
import { ShipperError } from '../../core/error.ts'
import { mapPairs, textHead, textLength } from '../../core/msgpack/record.ts'
import { replacedUtf8 } from '../../core/replaced-utf8.ts'
import type { Counters } from '../../core/services.ts'
import type { RecordRange } from '../http-output/api.ts'
import { writeAsciiJson } from '../json/ascii-json.ts'
import { JsonText } from '../json/msgpack-to-json.ts'
import { Entry } from '../records/entry.ts'
import { JsonLines } from '../records/json-lines.ts'
import { KeyTable } from '../records/key-table.ts'
import { RecordEnds } from '../records/record-ends.ts'
import { type EmbeddedMetrics, metricUnitOf } from './metrics.ts'

/** Minimum number of records of a range for which the WebAssembly kernel pays off. */
const MIN_KERNEL_RECORDS = 8
/** A larger buffer is not kept. */
const MAX_KEPT_BYTES = 4_000_000

interface MessageForm {
  logKey: string | undefined
  omitted: readonly string[]
  metrics: EmbeddedMetrics
}

/**
 * Makes the messages of records, one after the other: the record as JSON, in which non-ASCII characters are escaped as in fluent-bit, or
 * the text of one field. The message of record `i` is `bytes[end(i - 1), end(i))`, as UTF-8.
 */
export class Messages {
  bytes: Buffer = Buffer.alloc(0)
  count = 0
  readonly #form: MessageForm
  readonly #logKey: Buffer | undefined
  readonly #lines: JsonLines
  readonly #omitted: KeyTable
  readonly #entry = new Entry()
  readonly #text = new JsonText()
  readonly #ends = new RecordEnds()
  #ascii: Buffer = Buffer.alloc(0)
  /** Ends in `#ascii`. */
  #asciiEnds: Uint32Array | undefined
  /** Milliseconds since the epoch. */
  times = new Float64Array(256)

  /** `counters`: of a plugin that has those of pathCounters. */
  constructor(form: MessageForm, counters?: Counters) {
    const { logKey, omitted } = form
    this.#form = form
    this.#logKey = logKey === undefined ? undefined : Buffer.from(logKey)
    this.#lines = new JsonLines({ omitted }, counters)
    this.#omitted = new KeyTable(omitted.map((key) => Buffer.from(key)))
  }

  /**
   * Makes messages for the records of the ranges, about as many as there are in `maxBytes`, but one at least. Throws E_OUTPUT_REJECTED
   * for a first record without the field, and TextTooLarge for one whose message is more than twice as large.
   */
  write(ranges: readonly RecordRange[], maxBytes: number): void {
    this.#text.reset()
    this.#text.maxBytes = 2 * maxBytes
    this.#ends.count = this.count = 0
    this.#asciiEnds = undefined
    for (const range of ranges) {
      const isWhole = this.#writeRange(range, maxBytes)
      this.#readTimes(range)
      if (!isWhole) break
    }
    this.bytes = this.#text.buf
    if (this.#logKey === undefined && !isAscii(this.#text.bytes())) this.#escape()
  }

  /** Returns where the message of a record ends; 0 for -1. */
  end(record: number): number {
    if (record < 0) return 0
    return this.#asciiEnds === undefined ? this.#ends.textEnd(record) : (this.#asciiEnds[record] as number)
  }

  /** Writes messages of a range; false when there is no space for all. */
  #writeRange(range: RecordRange, maxBytes: number): boolean {
    const { chunk, start, count } = range
    const unit = this.#logKey === undefined ? metricUnitOf(chunk.input) : undefined
    if (this.#logKey !== undefined || unit !== undefined || count < MIN_KERNEL_RECORDS)
      return this.#writeEach(range, unit, maxBytes)
    const [text, ends] = [this.#text, this.#ends]
    const before = ends.count
    this.#lines.append(text, chunk, start, { ends, maxBytes, maxRecords: count })
    // A single message larger than the limit is written nevertheless, to be refused.
    if (ends.count === 0) this.#lines.append(text, chunk, start, { ends, maxRecords: 1 })
    return ends.count - before === count
  }

  #writeEach({ chunk, start, count }: RecordRange, unit: string | undefined, maxBytes: number): boolean {
    const [text, entry, ends] = [this.#text, this.#entry, this.#ends]
    let at = start
    for (let i = 0; i < count; i++) {
      if (text.at > maxBytes) return false
      entry.read(chunk, at, this.#logKey)
      if (this.#logKey !== undefined) {
        if (entry.value < 0) {
          if (ends.count > 0) return false
          throw noField(this.#form.logKey)
        }
        this.#field(chunk.buf, entry.value)
      } else if (unit !== undefined) this.#form.metrics.write(text, chunk.buf, entry.map, entry.time, unit)
      else this.#object(chunk.buf, entry.map)
      at = entry.end
      ends.push(at, text.at)
    }
    return true
  }

  #object(buf: Buffer, map: number): void {
    const text = this.#text
    text.byte(0x7b)
    if (mapPairs(buf, map) > 0) text.pairsAfter(buf, map, [], this.#omitted)
    text.byte(0x7d)
  }

  #field(buf: Buffer, at: number): void {
    const text = this.#text
    const head = textHead(buf, at)
    if (head < 0) text.value(buf, at)
    else {
      const [start, end] = [at + head, at + head + textLength(buf, at)]
      const replaced = replacedUtf8(buf, start, end)
      if (replaced !== undefined) text.copy(replaced, 0, replaced.length)
      else if (end > start) text.copy(buf, start, end)
      else text.byte(0x20)
    }
  }

  #readTimes({ chunk, start }: RecordRange): void {
    const [ends, { time }] = [this.#ends, this.#entry]
    if (ends.count > this.times.length) {
      const larger = new Float64Array(Math.max(ends.count, this.times.length * 2))
      larger.set(this.times)
      this.times = larger
    }
    let at = start
    for (let i = this.count; i < ends.count; i++) {
      time.read(chunk.buf, at)
      this.times[i] = time.ms
      at = ends.entryEnd(i)
    }
    this.count = ends.count
  }

  /** Escapes non-ASCII characters. */
  #escape(): void {
    const { buf, at } = this.#text
    if (this.#ascii.length < at * 3 || this.#ascii.length > MAX_KEPT_BYTES)
      this.#ascii = Buffer.allocUnsafe(at * 3)
    const ends = new Uint32Array(this.count)
    let dst = 0
    for (let i = 0; i < this.count; i++) {
      dst = writeAsciiJson(buf, this.end(i - 1), this.#ends.textEnd(i), this.#ascii, dst)
      ends[i] = dst
    }
    this.#asciiEnds = ends
    this.bytes = this.#ascii
  }
}

function noField(name = ''): ShipperError {
  return new ShipperError('E_OUTPUT_REJECTED', `the record has no field "${name}", which Log_Key names`)
}
