import { skip } from '../../core/msgpack/encode.ts'
import { mapBody, mapPairs, textHead, textLength } from '../../core/msgpack/record.ts'
import { replacedUtf8 } from '../../core/replaced-utf8.ts'
import { fieldSize, type MessageBuffer, varintSize } from '../protobuf/message-buffer.ts'
import { ValueEncoder } from './value-encoder.ts'

const BILLION = 1_000_000_000
const TWO_32 = 0x100000000
const MAX_SEVERITY = 24
const TRACE_ID_BYTES = 16
const SPAN_ID_BYTES = 8
const EMPTY = Buffer.alloc(0)
const NONE: readonly number[] = []

/** A field of bytes: buf[start, end), or none when `end` is 0. */
class Bytes {
  buf: Buffer = EMPTY
  start = 0
  end = 0

  set(buf: Buffer, start: number, end: number): void {
    this.buf = buf
    this.start = start
    this.end = end
  }

  get size(): number {
    return this.end > this.start ? fieldSize(this.end - this.start) : 0
  }
}

/**
 * A LogRecord of OTLP that is being made; one object for all of them. `reset`, set the fields, then `append`.
 *
 * ```
 *   1 time  2 severity_number  3 severity_text  5 body  6 *attributes  7 dropped  8 flags  9 trace_id  10 span_id
 *   11 observed_time  12 event_name
 * ```
 * Fields with the value 0 and empty ones are left out, as in protobuf.
 */
export class LogRecord {
  timeLow = 0
  timeHigh = 0
  observedLow = 0
  observedHigh = 0
  severityNumber = 0
  droppedAttributes = 0
  flags = 0
  readonly severityText = new Bytes()
  readonly traceId = new Bytes()
  readonly spanId = new Bytes()
  readonly eventName = new Bytes()
  readonly #values = new ValueEncoder()
  #src: Buffer = EMPTY
  #body = -1
  #bodyOmitted: readonly number[] = NONE
  /** Maps whose pairs are attributes, and the offsets of keys that are not; the first `#mapCount` of them. */
  readonly #maps: number[] = []
  readonly #omitted: (readonly number[])[] = []
  #mapCount = 0

  /** Begins a record whose values are in `src`. */
  reset(src: Buffer): void {
    this.#src = src
    this.timeLow = this.timeHigh = this.observedLow = this.observedHigh = 0
    this.severityNumber = this.droppedAttributes = this.flags = 0
    this.severityText.end = this.traceId.end = this.spanId.end = this.eventName.end = 0
    this.#body = -1
    this.#mapCount = 0
  }

  setTime(sec: number, nsec: number): void {
    // Products of 16 bits and a billion are exact.
    const upper = (sec >>> 16) * BILLION
    const lower = (upper % 0x10000) * 0x10000 + (sec & 0xffff) * BILLION + nsec
    this.timeLow = lower % TWO_32
    this.timeHigh = Math.floor(upper / 0x10000) + Math.floor(lower / TWO_32)
  }

  /** Sets the body: the value at `at`, of a map without the keys at the offsets in `omitted`. */
  setBody(at: number, omitted: readonly number[] = NONE): void {
    this.#body = at
    this.#bodyOmitted = omitted
  }

  /**
   * Adds the pairs of the map at `map` to the attributes, without those whose keys are at the offsets in `omitted`. The last of equal keys
   * counts.
   */
  addAttributes(map: number, omitted: readonly number[] = NONE): void {
    this.#maps[this.#mapCount] = map
    this.#omitted[this.#mapCount++] = omitted
  }

  /** Sets trace or span id from the value at `at`: bytes, or their hexadecimal digits. Anything else is not an id. */
  setId(id: 'traceId' | 'spanId', at: number): void {
    const size = id === 'traceId' ? TRACE_ID_BYTES : SPAN_ID_BYTES
    const src = this.#src
    const head = textHead(src, at)
    if (head < 0) return
    const length = textLength(src, at)
    const start = at + head
    if (length === size) this[id].set(src, start, start + size)
    else if (length === size * 2) {
      const bytes = Buffer.from(src.toString('latin1', start, start + length), 'hex')
      if (bytes.length === size) this[id].set(bytes, 0, size)
    }
  }

  /** Sets a text from the str at `at`; false for another value. */
  setText(field: 'severityText' | 'eventName', at: number): boolean {
    const src = this.#src
    const head = textHead(src, at)
    if (head < 0) return false
    const start = at + head
    const end = start + textLength(src, at)
    const replaced = replacedUtf8(src, start, end)
    if (replaced === undefined) this[field].set(src, start, end)
    else this[field].set(replaced, 0, replaced.length)
    return true
  }

  /** Sets the number of a severity from the value at `at`; false when it is not from 1 to 24. */
  setSeverity(at: number): boolean {
    const t = this.#src[at] as number
    const value = t === 0xcc ? (this.#src[at + 1] as number) : t
    if (value < 1 || value > MAX_SEVERITY) return false
    this.severityNumber = value
    return true
  }

  /** Sets a field, by the name that the input `opentelemetry` gives it, from the value at `at`; one of another type is left out. */
  setField(name: string, at: number): void {
    READERS[name]?.(this, this.#src, at)
  }

  /** Appends the record under a field; returns the bytes that it took. */
  append(out: MessageBuffer, field = 2): number {
    const from = out.at
    const values = this.#values
    values.begin(this.#src)
    const body = this.#body < 0 ? 0 : values.measure(this.#body, this.#bodyOmitted)
    const size = this.#attributesSize() + (this.#body < 0 ? 0 : fieldSize(body)) + this.#fieldsSize()
    out.reserve(size + 32)
    out.head(field, size)
    this.#writeFirst(out)
    if (this.#body >= 0) {
      out.head(5, body)
      values.write(out, this.#body, this.#bodyOmitted)
    }
    for (let i = 0; i < this.#mapCount; i++)
      values.writePairs(out, 6, this.#maps[i] as number, this.#omitted[i])
    this.#writeLast(out)
    return out.at - from
  }

  #attributesSize(): number {
    const count = this.#mapCount
    if (count === 0) return 0
    const maps = this.#maps
    const values = this.#values
    if (count > 1) {
      let pairs = 0
      for (let i = 0; i < count; i++) pairs += mapPairs(this.#src, maps[i] as number)
      values.openMaps(pairs)
    }
    let size = 0
    for (let i = 0; i < count; i++) size += values.measurePairs(maps[i] as number, this.#omitted[i])
    return size
  }

  #fieldsSize(): number {
    let size = this.severityText.size + this.traceId.size + this.spanId.size + this.eventName.size
    if (this.timeLow !== 0 || this.timeHigh !== 0) size += 9
    if (this.observedLow !== 0 || this.observedHigh !== 0) size += 9
    if (this.severityNumber > 0) size += 2
    if (this.droppedAttributes > 0) size += 1 + varintSize(this.droppedAttributes)
    return this.flags > 0 ? size + 5 : size
  }

  #writeFirst(out: MessageBuffer): void {
    const { buf } = out
    if (this.timeLow !== 0 || this.timeHigh !== 0) {
      buf[out.at++] = 0x09
      out.fixed64(this.timeLow, this.timeHigh)
    }
    if (this.severityNumber > 0) {
      buf[out.at++] = 0x10
      buf[out.at++] = this.severityNumber
    }
    writeBytes(out, 3, this.severityText)
  }

  #writeLast(out: MessageBuffer): void {
    const { buf } = out
    if (this.droppedAttributes > 0) {
      buf[out.at++] = 0x38
      out.varint(this.droppedAttributes)
    }
    if (this.flags > 0) {
      buf[out.at++] = 0x45
      out.at = buf.writeUInt32LE(this.flags, out.at)
    }
    writeBytes(out, 9, this.traceId)
    writeBytes(out, 10, this.spanId)
    if (this.observedLow !== 0 || this.observedHigh !== 0) {
      buf[out.at++] = 0x59
      out.fixed64(this.observedLow, this.observedHigh)
    }
    writeBytes(out, 12, this.eventName)
  }
}

function writeBytes(out: MessageBuffer, field: number, { buf, start, end }: Bytes): void {
  if (end > start) out.field(field, buf, start, end)
}

/** Setters of fields, by the names that the input `opentelemetry` gives them in the metadata of a record. */
const READERS: Record<string, (record: LogRecord, src: Buffer, at: number) => void> = {
  __proto__: null as never,
  timestamp: (record, src, at) => {
    const time = halves(src, at)
    if (time !== undefined) [record.timeLow, record.timeHigh] = time
  },
  observed_timestamp: (record, src, at) => {
    ;[record.observedLow, record.observedHigh] = halves(src, at) ?? [0, 0]
  },
  severity_number: (record, _, at) => record.setSeverity(at),
  severity_text: (record, _, at) => record.setText('severityText', at),
  attributes: (record, src, at) => {
    if (mapPairs(src, at) >= 0) record.addAttributes(at)
  },
  dropped_attributes_count: (record, src, at) => {
    record.droppedAttributes = halves(src, at)?.[0] ?? 0
  },
  trace_id: (record, _, at) => record.setId('traceId', at),
  span_id: (record, _, at) => record.setId('spanId', at),
  trace_flags: (record, src, at) => {
    record.flags = (halves(src, at)?.[0] ?? 0) & 0xff
  },
  event_name: (record, _, at) => record.setText('eventName', at),
}

/** Reads the fields of a record from the map at `map`, as the input `opentelemetry` writes it. */
export function readLogFields(record: LogRecord, src: Buffer, map: number): void {
  const pairs = mapPairs(src, map)
  let at = mapBody(src, map)
  for (let i = 0; i < pairs; i++) {
    const head = textHead(src, at)
    const value = skip(src, at, src.length)
    if (head > 0) READERS[src.toString('latin1', at + head, value)]?.(record, src, value)
    at = skip(src, value, src.length)
  }
}

/** Returns the halves of an unsigned integer; undefined for another value. */
function halves(src: Buffer, at: number): [low: number, high: number] | undefined {
  const t = src[at] as number
  if (t < 0x80) return [t, 0]
  if (t === 0xcc) return [src[at + 1] as number, 0]
  if (t === 0xcd) return [src.readUInt16BE(at + 1), 0]
  if (t === 0xce) return [src.readUInt32BE(at + 1), 0]
  return t === 0xcf ? [src.readUInt32BE(at + 5), src.readUInt32BE(at + 1)] : undefined
}
