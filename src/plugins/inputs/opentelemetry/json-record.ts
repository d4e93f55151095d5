import { encodeStr, NIL, skip, writeMapHead, writeNumber } from '../../../core/msgpack/encode.ts'
import { mapBody, mapPairs, textHead } from '../../../core/msgpack/record.ts'
import type { EntryBlocks } from '../../../lib/http-input/entry-blocks.ts'
import { flagsOf, hasId, isDigits, isInteger, isText, readJsonNanos, writeId } from './json-fields.ts'
import { isNamed, nameOf } from './json-names.ts'
import { BadRecord, type JsonValues } from './json-values.ts'
import { beginEntry, KEYS, LOG_KEY, type LogFrame, type Time } from './log-entry.ts'
import type { LogGroup } from './log-group.ts'

/** Key of the fields in the metadata: fluent-bit does not use Logs_Metadata_Key here. */
const OTLP_KEY = encodeStr('otlp')
const FIELDS = [
  'timeUnixNano',
  'observedTimeUnixNano',
  'severityNumber',
  'severityText',
  'attributes',
  'droppedAttributesCount',
  'traceId',
  'spanId',
  'traceFlags',
  'body',
  'eventName',
] as const
const FIELD_NAMES = FIELDS.map(nameOf)
const FIRST_LETTERS = FIELD_NAMES.map((name) => name[0])
type Field = (typeof FIELDS)[number]

/** Writes a log record of JSON, which has been made MessagePack, as an entry. */
export class JsonRecord {
  readonly #frame: LogFrame
  readonly #values: JsonValues
  readonly #time: Time = { sec: 0, nsec: 0 }
  /** Offsets of the fields of the record in its MessagePack; -1: none. */
  readonly #fields = Object.fromEntries(FIELDS.map((name) => [name, -1])) as Record<Field, number>

  constructor(frame: LogFrame, values: JsonValues) {
    this.#frame = frame
    this.#values = values
  }

  /** Writes the record msgpack[0, end) at `out.at`, where it takes at most ENTRY_BYTES more; returns the offset of its body. Throws BadRecord. */
  write(msgpack: Buffer, end: number, group: LogGroup, out: EntryBlocks): number {
    this.#values.begin(msgpack, end)
    this.#readFields(msgpack, end)
    this.#readTime(msgpack)
    const map = beginEntry(out.buf, out.at, this.#time, OTLP_KEY, true)
    const body = group.copy(out, this.#writeFields(msgpack, out.buf, map))
    out.at = this.#writeBody(msgpack, out.buf, body)
    return body
  }

  #readFields(msgpack: Buffer, end: number): void {
    const fields = this.#fields
    for (const name of FIELDS) fields[name] = -1
    const pairs = mapPairs(msgpack, 0)
    if (pairs < 0) throw new BadRecord('a log record must be an object')
    for (let i = 0, pair = mapBody(msgpack, 0); i < pairs; i++) {
      const value = skip(msgpack, pair, end)
      const first = (msgpack[pair + textHead(msgpack, pair)] as number) | 0x20
      for (let f = 0; f < FIELD_NAMES.length; f++) {
        if (FIRST_LETTERS[f] !== first || !isNamed(msgpack, pair, FIELD_NAMES[f] as Buffer)) continue
        const name = FIELDS[f] as Field
        if (fields[name] < 0 && msgpack[value] !== NIL) fields[name] = value
        break
      }
      pair = skip(msgpack, value, end)
    }
  }

  /** Reads the time of the record, else the observed one, else that of arrival: 0 is what protobuf has for none. */
  #readTime(msgpack: Buffer): void {
    const { timeUnixNano, observedTimeUnixNano } = this.#fields
    const time = this.#time
    time.sec = time.nsec = 0
    if (timeUnixNano >= 0 && !readJsonNanos(msgpack, timeUnixNano, time)) throw badTime('timeUnixNano')
    if (time.sec !== 0 || time.nsec !== 0) return
    if (observedTimeUnixNano >= 0 && !readJsonNanos(msgpack, observedTimeUnixNano, time))
      throw badTime('observedTimeUnixNano')
    if (time.sec !== 0 || time.nsec !== 0) return
    time.sec = this.#frame.sec
    time.nsec = this.#frame.nsec
  }

  #writeFields(msgpack: Buffer, out: Buffer, map: number): number {
    const values = this.#values
    const { observedTimeUnixNano, severityNumber, severityText, attributes, droppedAttributesCount } =
      this.#fields
    const { traceId, spanId, traceFlags, eventName } = this.#fields
    let pairs = 0
    let to = map + 1
    const add = (key: Buffer): number => {
      pairs++
      return to + key.copy(out, to)
    }
    if (observedTimeUnixNano >= 0 && isDigits(msgpack, observedTimeUnixNano))
      to = values.integer(observedTimeUnixNano, out, add(KEYS.observedTimestamp))
    if (severityNumber >= 0) to = values.value(severityNumber, out, add(KEYS.severityNumber))
    if (isText(msgpack, severityText)) to = values.value(severityText, out, add(KEYS.severityText))
    if (attributes >= 0) to = values.pairs(attributes, out, add(KEYS.attributes))
    if (isInteger(msgpack, droppedAttributesCount))
      to = values.value(droppedAttributesCount, out, add(KEYS.droppedAttributesCount))
    if (hasId(msgpack, traceId, 16, 'traceId'))
      to = writeId(msgpack, traceId, 16, out, add(KEYS.traceId), 'traceId')
    if (hasId(msgpack, spanId, 8, 'spanId')) to = writeId(msgpack, spanId, 8, out, add(KEYS.spanId), 'spanId')
    const flags = flagsOf(msgpack, traceFlags)
    if (flags >= 0) to = writeNumber(out, add(KEYS.traceFlags), flags)
    if (isText(msgpack, eventName)) to = values.value(eventName, out, add(KEYS.eventName))
    out[map] = 0x80 | pairs
    return to
  }

  #writeBody(msgpack: Buffer, out: Buffer, at: number): number {
    const { body } = this.#fields
    if (body < 0) {
      out[at] = 0x80
      return at + 1
    }
    if (mapPairs(msgpack, body) < 0) throw new BadRecord('body must be an object')
    const { bodyKey } = this.#frame
    const values = this.#values
    if (!values.isAnyValue(body) || (bodyKey === undefined && values.isMap(body)))
      return values.value(body, out, at)
    const to = writeMapHead(out, at, 1)
    return values.value(body, out, to + (bodyKey ?? LOG_KEY).copy(out, to))
  }
}

function badTime(name: Field): BadRecord {
  return new BadRecord(`${name} must be a number of nanoseconds`)
}
