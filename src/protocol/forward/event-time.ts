import { skip } from '../../core/msgpack/encode.ts'
import { arrayBody, arrayItems } from '../../core/msgpack/record.ts'

/** A time of a record, filled in by `readTime`. */
export interface Time {
  sec: number
  nsec: number
}

/**
 * time: read · now: the peer leaves the time to the receiver · repaired: read, in another unit than the protocol's seconds, or
 * with the nanoseconds cut to their range · unknown: not a time that an EventTime can hold · marker: begin or end of a group in
 * fluent-bit's own stream, not a record.
 */
type TimeKind = 'time' | 'now' | 'repaired' | 'unknown' | 'marker'

/** fluent-bit marks groups with the seconds -1 and -2, here as unsigned numbers. */
const MIN_MARKER = 0xfffffffe
const MAX_NSEC = 999_999_999

/**
 * Numbers from here on are not seconds of an EventTime, which end in 2106, but milliseconds, microseconds or nanoseconds since
 * 1970: loggers that send them are common, and their records are as good as others.
 */
const UNITS_PER_SECOND: readonly (readonly [min: number, unitsPerSecond: number])[] = [
  [1e17, 1e9],
  [1e14, 1e6],
  [1e11, 1e3],
]

/**
 * Reads the time at `at` into `out`.
 *
 * ```
 *   time       uint | int | float32 | float64 | nil | EventTime | Timestamp | [time, metadata]
 *   EventTime  d7 00 <sec u32> <nsec u32>  |  c7 08 00 <sec u32> <nsec u32>
 *   Timestamp  d6 ff <sec u32>  |  d7 ff <nsec u30, sec u34>  |  c7 0c ff <nsec u32> <sec i64>
 * ```
 * Timestamp is the extension of MessagePack. Metadata is skipped: entries are `[EventTime, map]` in this program. The value at
 * `at` must be complete.
 */
export function readTime(buf: Buffer, at: number, out: Time): TimeKind {
  if (arrayItems(buf, at) <= 0) return readPlainTime(buf, at, out)
  const kind = readPlainTime(buf, arrayBody(buf, at), out)
  const isMarker = kind === 'unknown' && isMarkerNumber(numberAt(buf, arrayBody(buf, at)))
  return isMarker ? 'marker' : kind
}

function readPlainTime(buf: Buffer, at: number, out: Time): TimeKind {
  const t = buf[at] as number
  if (t === 0xd7 && buf[at + 1] === 0) return eventTime(buf, at + 2, out)
  if (t === 0xc7 && buf[at + 1] === 8 && buf[at + 2] === 0) return eventTime(buf, at + 3, out)
  if (t === 0xc0) return 'now'
  if (t === 0xd6 && buf[at + 1] === 0xff) return timestamp(buf.readUInt32BE(at + 2), 0, out)
  if (t === 0xd7 && buf[at + 1] === 0xff) {
    const high = buf.readUInt32BE(at + 2)
    return timestamp((high & 3) * 0x100000000 + buf.readUInt32BE(at + 6), high >>> 2, out)
  }
  if (t === 0xc7 && buf[at + 1] === 12 && buf[at + 2] === 0xff)
    return timestamp(Number(buf.readBigInt64BE(at + 7)), buf.readUInt32BE(at + 3), out)
  return fromNumber(numberAt(buf, at), out)
}

function fromNumber(value: number, out: Time): TimeKind {
  if (value === 0) return 'now'
  if (value >= 0 && value < MIN_MARKER) {
    out.sec = Math.floor(value)
    out.nsec = Math.min(MAX_NSEC, Math.round((value - out.sec) * 1e9))
    return 'time'
  }
  const unit = unitsPerSecond(value)
  const sec = Math.floor(value / unit)
  if (!(sec < MIN_MARKER)) return 'unknown'
  out.sec = sec
  // Exact for whole numbers up to 2^53: a quotient would not be.
  out.nsec = Math.min(MAX_NSEC, Math.round((value - sec * unit) * (1e9 / unit)))
  return 'repaired'
}

/** Not a part of `fromNumber`: what a function captures costs an object in each call, also in those that do not come this far. */
function unitsPerSecond(value: number): number {
  return UNITS_PER_SECOND.find(([min]) => value >= min)?.[1] ?? Number.NaN
}

function timestamp(sec: number, nsec: number, out: Time): TimeKind {
  if (!(sec >= 0 && sec < MIN_MARKER)) return 'unknown'
  out.sec = sec
  out.nsec = Math.min(MAX_NSEC, nsec)
  return nsec > MAX_NSEC ? 'repaired' : 'time'
}

function eventTime(buf: Buffer, at: number, out: Time): TimeKind {
  const sec = buf.readUInt32BE(at)
  return sec >= MIN_MARKER ? 'marker' : timestamp(sec, buf.readUInt32BE(at + 4), out)
}

function isMarkerNumber(value: number): boolean {
  return value === -1 || value === -2
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

/** Returns the offset of the time of the entry `[time, map, ...]` at `at`; -1 if it is not an entry. */
export function entryTimeAt(buf: Buffer, at: number): number {
  return arrayItems(buf, at) >= 2 ? arrayBody(buf, at) : -1
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

/** First byte of 1e9 as a number of four bytes. */
const FIRST_OF_NSEC = 0x3b

/**
 * True for an entry in the form used by this program: `92 d7 00 <8 bytes> <map>`, with a time that is passed on as it is: not a
 * marker, and nanoseconds below 1e9. The value must be complete.
 */
export function isPlainEntry(buf: Buffer, at: number): boolean {
  return (
    buf[at] === 0x92 &&
    buf[at + 1] === 0xd7 &&
    buf[at + 2] === 0 &&
    isMap(buf[at + 11] as number) &&
    buf[at + 3] !== 0xff &&
    ((buf[at + 7] as number) < FIRST_OF_NSEC || buf.readUInt32BE(at + 7) <= MAX_NSEC)
  )
}
