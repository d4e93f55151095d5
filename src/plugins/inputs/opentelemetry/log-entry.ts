import { encodeStr, writeEventTime, writeMapHead, writeNumber } from '../../../core/msgpack/encode.ts'
import type { HttpAnswer } from '../../../lib/http-input/answers.ts'

/** What the records of a request have in common. */
export interface LogFrame {
  tag: string
  /** Time of arrival, for records without a time. */
  sec: number
  nsec: number
  /** Key of the fields in the metadata, encoded. */
  metadataKey: Buffer
  /** Key of the body, encoded; undefined: a map is the record. */
  bodyKey: Buffer | undefined
  answer: HttpAnswer
  tagOf?(buf: Buffer, map: number, end: number): string
}

/** Key of a body that is no map. */
export const LOG_KEY = encodeStr('log')

/** Keys of fluent-bit's in the metadata, encoded. */
export const KEYS = {
  observedTimestamp: encodeStr('observed_timestamp'),
  timestamp: encodeStr('timestamp'),
  severityNumber: encodeStr('severity_number'),
  severityText: encodeStr('severity_text'),
  attributes: encodeStr('attributes'),
  droppedAttributesCount: encodeStr('dropped_attributes_count'),
  traceId: encodeStr('trace_id'),
  spanId: encodeStr('span_id'),
  traceFlags: encodeStr('trace_flags'),
  eventName: encodeStr('event_name'),
  resource: encodeStr('resource'),
  scope: encodeStr('scope'),
  name: encodeStr('name'),
  version: encodeStr('version'),
  schemaUrl: encodeStr('schema_url'),
}

/** Bytes of an entry besides the values and the group, with numbers and short heads. */
export const ENTRY_BYTES = 400

const BILLION = 1_000_000_000
const MAX_SECONDS = 0xffffffff

/** Seconds and nanoseconds of a time. */
export interface Time {
  sec: number
  nsec: number
}

/** Sets `time` to nanoseconds since 1970, given in two halves of 32 bits; false when the time of a record cannot be that late. */
export function readNanos(low: number, high: number, time: Time): boolean {
  let sec = Math.floor((high * 0x100000000 + low) / BILLION)
  // The quotient is rounded: it is wrong by one at most. The difference is below 2^32, so that its lower half is all of it.
  let nsec = (low - Math.imul(sec, BILLION)) >>> 0
  if (nsec > 0x80000000) {
    sec--
    nsec = (nsec + BILLION) >>> 0
  } else if (nsec >= BILLION) {
    sec++
    nsec -= BILLION
  }
  if (sec > MAX_SECONDS) return false
  time.sec = sec
  time.nsec = nsec
  return true
}

/** Writes `[[time, {key: {`, with one byte left for the head of the inner map; returns the offset of that byte. */
export function beginEntry(
  out: Buffer,
  at: number,
  time: Time,
  metadataKey: Buffer,
  hasGroup: boolean,
): number {
  out[at] = out[at + 1] = 0x92
  out[at + 2] = 0xd7
  out[at + 3] = 0
  writeEventTime(out, at + 4, time.sec, time.nsec)
  const map = writeMapHead(out, at + 12, hasGroup ? 2 : 1)
  return map + metadataKey.copy(out, map)
}
