import { writeBinHead, writeMapHead, writeNumber } from '../../../core/msgpack/encode.ts'
import type { HttpAnswer } from '../../../lib/http-input/answers.ts'
import type { EntryBlocks } from '../../../lib/http-input/entry-blocks.ts'
import type { RecordReader } from '../../../lib/http-input/received-request.ts'
import { type AnyValueWriter, bound, copyText, writeUint64 } from '../../../protocol/otlp/any-value.ts'
import { BYTES, FIXED32, FIXED64, ProtoCursor, VARINT } from '../../../protocol/otlp/proto-cursor.ts'
import { beginEntry, ENTRY_BYTES, KEYS, LOG_KEY, type LogFrame, readNanos, type Time } from './log-entry.ts'
import { LogGroup } from './log-group.ts'

const TURN_BYTES = 500_000
const NIL = 0xc0
const MAX_SEVERITY = 24
/** Field of an AnyValue that is a map. */
const KVLIST = 6

/** A part of the body: buf[start, end), or nothing. */
interface Span {
  start: number
  end: number
}

const none = (): Span => ({ start: -1, end: -1 })

/** Fields of the LogRecord that is being written. */
class LogRecord {
  low = 0
  high = 0
  observedLow = 0
  observedHigh = 0
  severity = 0
  dropped = 0
  flags = 0
  hasAttributes = false
  readonly severityText = none()
  readonly body = none()
  readonly traceId = none()
  readonly spanId = none()
  readonly eventName = none()

  /** Reads a message; throws Malformed. */
  read(cursor: ProtoCursor): void {
    this.low = this.high = this.observedLow = this.observedHigh = 0
    this.severity = this.dropped = this.flags = 0
    this.hasAttributes = false
    for (const span of [this.severityText, this.body, this.traceId, this.spanId, this.eventName])
      span.start = span.end = -1
    while (cursor.next()) this.#readField(cursor)
  }

  #readField(cursor: ProtoCursor): void {
    const { field, wire, low, high } = cursor
    if (wire === FIXED64) {
      if (field === 1) {
        this.low = low
        this.high = high
      } else if (field === 11) {
        this.observedLow = low
        this.observedHigh = high
      }
    } else if (wire === VARINT) {
      if (field === 2) this.severity = high === 0 ? low : 0
      else if (field === 7) this.dropped = low
    } else if (wire === FIXED32) {
      if (field === 8) this.flags = low
    } else if (field === 3) take(this.severityText, cursor)
    else if (field === 5) take(this.body, cursor)
    else if (field === 6) this.hasAttributes = true
    else if (field === 9) take(this.traceId, cursor)
    else if (field === 10) take(this.spanId, cursor)
    else if (field === 12) take(this.eventName, cursor)
  }
}

function take(span: Span, { start, stop }: ProtoCursor): void {
  span.start = start
  span.end = stop
}

/**
 * Reads an ExportLogsServiceRequest of protobuf, bytes to bytes:
 *
 * ```
 *   request       1 *ResourceLogs
 *   ResourceLogs  1 Resource (1 *KeyValue attributes, 2 dropped)    2 *ScopeLogs    3 schema_url
 *   ScopeLogs     1 scope (1 name, 2 version, 3 *KeyValue attributes, 4 dropped)    2 *LogRecord    3 schema_url
 *   LogRecord     1 time  2 severity_number  3 severity_text  5 body  6 *KeyValue attributes  7 dropped  8 flags  9 trace_id
 *                 10 span_id  11 observed_time  12 event_name
 * ```
 * Fields in any order, and others, which are passed over.
 */
export class ProtobufReader implements RecordReader {
  readonly answer: HttpAnswer
  readonly #frame: LogFrame
  readonly #values: AnyValueWriter
  readonly #time: Time = { sec: 0, nsec: 0 }
  readonly #requests = new ProtoCursor()
  readonly #resources = new ProtoCursor()
  readonly #scopes = new ProtoCursor()
  /** For messages that are read at once. */
  readonly #inner = new ProtoCursor()
  readonly #record = new LogRecord()
  #resourceId = -1
  #scopeId = -1
  readonly #resource = none()
  readonly #resourceUrl = none()
  readonly #scope = none()
  readonly #scopeUrl = none()
  /** The group of the current scope, once it has a record. */
  readonly #group = new LogGroup()
  #hasGroup = false
  /** True when the record at the cursor could not be written yet. */
  #isHeld = false

  /** `values`: for the requests of one input, one record after the other. */
  constructor(frame: LogFrame, values: AnyValueWriter) {
    this.#frame = frame
    this.#values = values
    this.answer = frame.answer
  }

  begin(buf: Buffer, start: number, end: number): void {
    this.#requests.begin(buf, start, end)
    this.#resources.begin(buf, end, end)
    this.#scopes.begin(buf, end, end)
    this.#resourceId = -1
    this.#isHeld = false
    this.#group.reset()
  }

  read(out: EntryBlocks): 'done' | 'more' | 'memory' {
    let left = TURN_BYTES
    while (left > 0) {
      if (this.#isHeld || this.#scopes.next()) {
        const { field, wire, start, stop } = this.#scopes
        left -= stop - start + 10
        if (field !== 2 || wire !== BYTES) continue
        this.#isHeld = !this.#write(start, stop, out)
        if (this.#isHeld) return 'memory'
      } else if (this.#resources.next()) this.#beginScope()
      else if (this.#requests.next()) this.#beginResource()
      else return 'done'
    }
    return 'more'
  }

  #beginResource(): void {
    const { field, wire, buf, start, stop } = this.#requests
    if (field !== 1 || wire !== BYTES) return
    this.#resourceId++
    this.#scopeId = -1
    this.#group.resource.length = -1
    this.#outline(buf, start, stop, this.#resource, this.#resourceUrl)
    this.#resources.begin(buf, start, stop)
  }

  #beginScope(): void {
    const { field, wire, buf, start, stop } = this.#resources
    if (field !== 2 || wire !== BYTES) return
    this.#scopeId++
    this.#outline(buf, start, stop, this.#scope, this.#scopeUrl)
    this.#group.scope.length = -1
    this.#hasGroup = false
    this.#scopes.begin(buf, start, stop)
  }

  /** Finds the fields 1 and 3 of a message. */
  #outline(buf: Buffer, start: number, end: number, first: Span, third: Span): void {
    const cursor = this.#inner
    first.start = third.start = -1
    cursor.begin(buf, start, end)
    while (cursor.next())
      if (cursor.wire === BYTES) {
        if (cursor.field === 1) take(first, cursor)
        else if (cursor.field === 3) take(third, cursor)
      }
  }

  /** Writes the LogRecord in [start, end) of the body; false when there is no memory for it. */
  #write(start: number, end: number, out: EntryBlocks): boolean {
    const { buf } = this.#scopes
    this.#values.reset()
    if (!this.#hasGroup && !this.#makeGroup(buf, out)) return false
    const { metadataKey, bodyKey, tag, tagOf } = this.#frame
    const keys = metadataKey.length + (bodyKey?.length ?? 0)
    const needed = ENTRY_BYTES + keys + bound(end - start) + this.#group.bytesIn(out)
    if (!out.reserve(needed, 2 * this.#requests.end)) return false
    const record = this.#record
    this.#inner.begin(buf, start, end)
    record.read(this.#inner)
    this.#readTime()
    const map = beginEntry(out.buf, out.at, this.#time, metadataKey, true)
    const body = this.#group.copy(out, this.#writeFields(start, end, out.buf, map))
    out.at = this.#writeBody(out.buf, body)
    out.add(tagOf?.(out.buf, body, out.at) ?? tag, true)
    return true
  }

  #readTime(): void {
    const { low, high, observedLow, observedHigh } = this.#record
    const hasTime = low !== 0 || high !== 0
    const hasObserved = observedLow !== 0 || observedHigh !== 0
    const isRead = hasTime
      ? readNanos(low, high, this.#time)
      : hasObserved && readNanos(observedLow, observedHigh, this.#time)
    if (isRead) return
    this.#time.sec = this.#frame.sec
    this.#time.nsec = this.#frame.nsec
  }

  /** Writes the map of the fields at `map`; returns the offset after it. */
  #writeFields(start: number, end: number, out: Buffer, map: number): number {
    const { buf } = this.#scopes
    const record = this.#record
    let pairs = 1
    let to = map + 1
    if (record.observedLow !== 0 || record.observedHigh !== 0) {
      pairs++
      to = writeUint64(
        out,
        to + KEYS.observedTimestamp.copy(out, to),
        record.observedLow,
        record.observedHigh,
      )
    }
    if (record.low !== 0 || record.high !== 0) {
      pairs++
      to = writeUint64(out, to + KEYS.timestamp.copy(out, to), record.low, record.high)
    }
    if (record.severity >= 1 && record.severity <= MAX_SEVERITY) {
      pairs++
      to = writeNumber(out, to + KEYS.severityNumber.copy(out, to), record.severity)
    }
    if (isText(record.severityText)) {
      pairs++
      to = this.#text(record.severityText, KEYS.severityText, out, to)
    }
    if (record.hasAttributes) {
      pairs++
      to = this.#values.pairs(buf, start, end, 6, out, to + KEYS.attributes.copy(out, to))
    }
    if (record.dropped > 0) {
      pairs++
      to = writeNumber(out, to + KEYS.droppedAttributesCount.copy(out, to), record.dropped)
    }
    if (isText(record.traceId)) {
      pairs++
      to = this.#bytes(record.traceId, KEYS.traceId, out, to)
    }
    if (isText(record.spanId)) {
      pairs++
      to = this.#bytes(record.spanId, KEYS.spanId, out, to)
    }
    to = writeNumber(out, to + KEYS.traceFlags.copy(out, to), record.flags & 0xff)
    if (isText(record.eventName)) {
      pairs++
      to = this.#text(record.eventName, KEYS.eventName, out, to)
    }
    out[map] = 0x80 | pairs
    return to
  }

  #text({ start, end }: Span, key: Buffer, out: Buffer, at: number): number {
    return copyText(this.#scopes.buf, start, end, out, at + key.copy(out, at))
  }

  #bytes({ start, end }: Span, key: Buffer, out: Buffer, at: number): number {
    const to = writeBinHead(out, at + key.copy(out, at), end - start)
    return to + this.#scopes.buf.copy(out, to, start, end)
  }

  #writeBody(out: Buffer, at: number): number {
    const { buf } = this.#scopes
    const { start, end } = this.#record.body
    const { bodyKey } = this.#frame
    if (bodyKey === undefined && start >= 0 && this.#isMap(buf, start, end))
      return this.#values.value(buf, start, end, out, at)
    const key = bodyKey ?? LOG_KEY
    let to = writeMapHead(out, at, 1)
    to += key.copy(out, to)
    if (start >= 0) return this.#values.value(buf, start, end, out, to)
    out[to] = NIL
    return to + 1
  }

  /** True when the AnyValue in [start, end) is a map: the last of its fields counts. */
  #isMap(buf: Buffer, start: number, end: number): boolean {
    const cursor = this.#inner
    let kind = 0
    cursor.begin(buf, start, end)
    while (cursor.next())
      if (cursor.field <= 8) kind = cursor.field === KVLIST && cursor.wire !== BYTES ? 0 : cursor.field
    return kind === KVLIST
  }

  /** Encodes what the records of the scope have in common; false when there is no memory for it. */
  #makeGroup(buf: Buffer, out: EntryBlocks): boolean {
    const { resource, scope } = this.#group
    if (resource.length < 0) {
      if (!resource.reserve(boundOf(this.#resource) + boundOf(this.#resourceUrl), out)) return false
      resource.length = this.#writeResource(buf, resource.buf)
    }
    if (!scope.reserve(boundOf(this.#scope) + boundOf(this.#scopeUrl), out)) return false
    scope.length = this.#writeScope(buf, scope.buf, KEYS.scope.copy(scope.buf))
    this.#group.begin(this.#resourceId, this.#scopeId)
    this.#hasGroup = true
    return true
  }

  #writeResource(buf: Buffer, out: Buffer): number {
    const { start, end } = this.#resource
    let to = 1
    if (start < 0) {
      out[0] = 0x80
      return to
    }
    const { has, dropped } = this.#attributesOf(buf, start, end, 1, 2)
    let pairs = 1
    if (has) {
      pairs++
      to = this.#values.pairs(buf, start, end, 1, out, to + KEYS.attributes.copy(out, to))
    }
    if (dropped > 0) {
      pairs++
      to = writeNumber(out, to + KEYS.droppedAttributesCount.copy(out, to), dropped)
    }
    // There, also if it is empty, as in fluent-bit.
    const url = this.#resourceUrl
    to += KEYS.schemaUrl.copy(out, to)
    to = url.start < 0 ? copyText(buf, 0, 0, out, to) : copyText(buf, url.start, url.end, out, to)
    out[0] = 0x80 | pairs
    return to
  }

  #writeScope(buf: Buffer, out: Buffer, map: number): number {
    const { start, end } = this.#scope
    let pairs = 0
    let to = map + 1
    if (isText(this.#scopeUrl)) {
      pairs++
      to = copyText(buf, this.#scopeUrl.start, this.#scopeUrl.end, out, to + KEYS.schemaUrl.copy(out, to))
    }
    if (start >= 0) {
      const [name, version] = [none(), none()]
      const cursor = this.#inner
      cursor.begin(buf, start, end)
      while (cursor.next())
        if (cursor.wire === BYTES) {
          if (cursor.field === 1) take(name, cursor)
          else if (cursor.field === 2) take(version, cursor)
        }
      for (const [span, key] of [
        [name, KEYS.name],
        [version, KEYS.version],
      ] as const)
        if (isText(span)) {
          pairs++
          to = copyText(buf, span.start, span.end, out, to + key.copy(out, to))
        }
      const { has, dropped } = this.#attributesOf(buf, start, end, 3, 4)
      if (has) {
        pairs++
        to = this.#values.pairs(buf, start, end, 3, out, to + KEYS.attributes.copy(out, to))
      }
      if (dropped > 0) {
        pairs++
        to = writeNumber(out, to + KEYS.droppedAttributesCount.copy(out, to), dropped)
      }
    }
    out[map] = 0x80 | pairs
    return to
  }

  /** Returns whether a message has attributes under the first field, and how many were dropped, under the second. */
  #attributesOf(
    buf: Buffer,
    start: number,
    end: number,
    attributes: number,
    droppedField: number,
  ): { has: boolean; dropped: number } {
    const cursor = this.#inner
    let has = false
    let dropped = 0
    cursor.begin(buf, start, end)
    while (cursor.next()) {
      if (cursor.field === attributes && cursor.wire === BYTES) has = true
      if (cursor.field === droppedField && cursor.wire === VARINT) dropped = cursor.low
    }
    return { has, dropped }
  }
}

function isText({ start, end }: Span): boolean {
  return start >= 0 && end > start
}

function boundOf({ start, end }: Span): number {
  return start < 0 ? 0 : bound(end - start)
}
