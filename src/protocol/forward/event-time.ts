import { skip } from '../../core/msgpack/encode.ts'
import { arrayBody, arrayItems } from '../../core/msgpack/record.ts'

/** A time of a record, filled in by `readTime`. */
export interface Time {
  sec: number
  nsec: number
}

/**
 * time: read · now: the peer leaves the time to the receiver · marker: begin or end of a group in fluent-bit's own stream, not a
 * record · none: not a time.
 */
type TimeKind = 'time' | 'now' | 'marker' | 'none'

/** fluent-bit marks groups with the seconds -1 and -2, here as unsigned numbers. */
const MIN_MARKER = 0xfffffffe

/**
 * Reads the time at `at` into `out`.
 *
 * ```
 *   time       uint | int | float32 | float64 | nil | EventTime | [time, metadata]
 *   EventTime  d7 00 <sec u32> <nsec u32>  |  c7 08 00 <sec u32> <nsec u32>
 * ```
 * Metadata is skipped: entries are `[EventTime, map]` in this program. The value at `at` must be complete.
 */
export function readTime(buf: Buffer, at: number, out: Time): TimeKind {
  const t = buf[at] as number
  if (arrayItems(buf, at) > 0) return readTime(buf, arrayBody(buf, at), out)
  if (t === 0xd7 && buf[at + 1] === 0) return eventTime(buf, at + 2, out)
  if (t === 0xc7 && buf[at + 1] === 8 && buf[at + 2] === 0) return eventTime(buf, at + 3, out)
  if (t === 0xc0) return 'now'
  const seconds = numberAt(buf, at)
  if (!(seconds >= 0 && seconds < MIN_MARKER)) return seconds === -1 || seconds === -2 ? 'marker' : 'none'
  if (seconds === 0) return 'now'
  out.sec = Math.floor(seconds)
  out.nsec = Math.min(999_999_999, Math.round((seconds - out.sec) * 1e9))
  return 'time'
}

function eventTime(buf: Buffer, at: number, out: Time): TimeKind {
  out.sec = buf.readUInt32BE(at)
  out.nsec = buf.readUInt32BE(at + 4)
  return out.sec >= MIN_MARKER ? 'marker' : 'time'
}

/** Returns the number at `at`; NaN if it is not a number. */
function numberAt(buf: Buffer, at: number): number {
  const t = buf[at] as number
  if (t < 0x80) return t
  if (t >= 0xe0) return t - 0x100
  if (t === 0xca) return buf.readFloatBE(at + 1)
  if (t === 0xcb) return buf.readDoubleBE(at + 1)
  if (t >= 0xcc && t <= 0xce) return buf.readUIntBE(at + 1, 1 << (t - 0xcc))
  if (t >= 0xd0 && t <= 0xd2) return buf.readIntBE(at + 1, 1 << (t - 0xd0))
  if (t === 0xcf) return Number(buf.readBigUInt64BE(at + 1))
  if (t === 0xd3) return Number(buf.readBigInt64BE(at + 1))
  return Number.NaN
}

/** Returns the offset of the time of the entry `[time, map]` at `at`; -1 if it is not an entry. */
export function entryTimeAt(buf: Buffer, at: number): number {
  return arrayItems(buf, at) === 2 ? arrayBody(buf, at) : -1
}

/** Returns the offset of the map after the time at `time`; -1 if there is none. */
export function entryMapAt(buf: Buffer, time: number, end: number): number {
  const map = skip(buf, time, end)
  return map > 0 && map < end && isMap(buf[map] as number) ? map : -1
}

/** True when a value with this type byte is a map. */
export function isMap(type: number): boolean {
  return (type >= 0x80 && type <= 0x8f) || type === 0xde || type === 0xdf
}

/** True for an entry in the form used by this program: `92 d7 00 <8 bytes> <map>`. The value must be complete. */
export function isPlainEntry(buf: Buffer, at: number): boolean {
  return buf[at] === 0x92 && buf[at + 1] === 0xd7 && buf[at + 2] === 0 && isMap(buf[at + 11] as number)
}
