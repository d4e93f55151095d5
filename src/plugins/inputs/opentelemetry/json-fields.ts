import { textHead, textLength } from '../../../core/msgpack/record.ts'
import { digitsAt } from '../../../lib/json/number.ts'
import { BadRecord, writeHex } from './json-values.ts'
import { readNanos, type Time } from './log-entry.ts'

/** Readers of the fields of a log record of JSON, which has been made MessagePack. An offset is -1 when there is no such field. */

const MAX_NANO_DIGITS = 20

export function isText(msgpack: Buffer, at: number): boolean {
  return at >= 0 && textHead(msgpack, at) > 0
}

export function isInteger(msgpack: Buffer, at: number): boolean {
  const t = at < 0 ? 0xc0 : (msgpack[at] as number)
  return t < 0x80 || t >= 0xe0 || (t >= 0xcc && t <= 0xd3)
}

function textAt(msgpack: Buffer, at: number, maxChars: number): string {
  const start = at + textHead(msgpack, at)
  return msgpack.toString('latin1', start, start + Math.min(maxChars, textLength(msgpack, at)))
}

export function isDigits(msgpack: Buffer, at: number): boolean {
  const length = isText(msgpack, at) ? textLength(msgpack, at) : 0
  if (length === 0 || length > MAX_NANO_DIGITS) return false
  const start = at + textHead(msgpack, at)
  for (let p = start; p < start + length; p++)
    if ((msgpack[p] as number) < 0x30 || (msgpack[p] as number) > 0x39) return false
  return true
}

/** Reads nanoseconds, a number or a text of digits; false when it is neither, or too late. */
export function readJsonNanos(msgpack: Buffer, at: number, time: Time): boolean {
  if (isText(msgpack, at)) {
    const length = textLength(msgpack, at)
    if (length === 0) return readNanos(0, 0, time)
    if (!isDigits(msgpack, at)) return false
    const end = at + textHead(msgpack, at) + length
    const sec = digitsAt(msgpack, end - length, end - 9)
    if (sec > 0xffffffff) return false
    time.sec = sec
    time.nsec = digitsAt(msgpack, Math.max(end - length, end - 9), end)
    return true
  }
  const t = msgpack[at] as number
  if (t === 0xcf) return readNanos(msgpack.readUInt32BE(at + 5), msgpack.readUInt32BE(at + 1), time)
  if (t < 0x80) return readNanos(t, 0, time)
  if (t >= 0xcc && t <= 0xce) return readNanos(msgpack.readUIntBE(at + 1, 1 << (t & 3)), 0, time)
  return false
}

/** True when there is an id; throws BadRecord for one of another length. An empty one is none. */
export function hasId(msgpack: Buffer, at: number, bytes: number, name: string): boolean {
  if (at < 0) return false
  const length = isText(msgpack, at) ? textLength(msgpack, at) : -1
  if (length !== 0 && length !== 2 * bytes) throw badId(name, bytes)
  return length > 0
}

function badId(name: string, bytes: number): BadRecord {
  return new BadRecord(`${name} must have ${2 * bytes} hex digits`)
}

export function writeId(
  msgpack: Buffer,
  at: number,
  bytes: number,
  out: Buffer,
  to: number,
  name: string,
): number {
  const end = writeHex(msgpack, at, bytes, out, to)
  if (end < 0) throw badId(name, bytes)
  return end
}

/** Returns the low byte of the flags; -1 when they are no number. */
export function flagsOf(msgpack: Buffer, at: number): number {
  if (at < 0) return -1
  const t = msgpack[at] as number
  if (t < 0x80) return t
  // Big-endian: the last byte is the lowest.
  if (t >= 0xcc && t <= 0xcf) return msgpack[at + (1 << (t & 3))] as number
  return isDigits(msgpack, at) ? Number(BigInt(textAt(msgpack, at, MAX_NANO_DIGITS)) & 0xffn) : -1
}
