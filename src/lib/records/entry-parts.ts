import { ENTRY_HEAD, skip } from '../../core/msgpack/encode.ts'

/** First bytes of an entry without metadata: an array of two, EventTime. */
const EVENT_TIME = 0xd7
const PAIR = 0x92

/** Returns the offset of the second item of the entry `[time, map]` or `[[time, metadata], map]` at `entry`; -1: none. */
export function bodyAt(buf: Buffer, entry: number, end: number): number {
  if (entry >= end || buf[entry] !== PAIR) return -1
  const body = buf[entry + 1] === EVENT_TIME ? entry + ENTRY_HEAD : skip(buf, entry + 1, end)
  return body < end ? body : -1
}

/** Returns the offset of the metadata of the entry at `entry`, or -1. */
export function metadataAt(buf: Buffer, entry: number, end: number): number {
  return entry < end && buf[entry] === PAIR ? bodyAt(buf, entry + 1, end) : -1
}
