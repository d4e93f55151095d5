import type { BufferSource } from '../../../core/buffer-source.ts'
import { ENTRY_HEAD, skip, writeEntryHead, writeEventTime } from '../../../core/msgpack/encode.ts'
import { mapBody, mapPairs, spanOf } from '../../../core/msgpack/record.ts'
import { JoinedRecord } from '../../../lib/multiline/joined-record.ts'
import type { GrowingRecord } from '../../../lib/multiline/open-record.ts'
import { metadataAt } from '../../../lib/records/entry-parts.ts'
import { EventTime } from '../../../lib/records/event-time.ts'
import { isOneOf } from '../../../lib/records/keys.ts'
import type { Part } from './classifier.ts'

/** Size of the head of the map of a joined record, whose number of pairs may still grow. */
const MAP_HEAD = 5
/** Bytes that a joined record may be larger than its parts: heads of entry, map and text. */
export const JOINED_OVERHEAD = ENTRY_HEAD + MAP_HEAD + 5

const PAIR = 0x92
/** Offset of the eight bytes of an EventTime in the head of an entry. */
const TIME_AT = 3

const time = new EventTime()

/** A record that is joined: the fields and the metadata of its first part, with the texts of all parts. */
export class JoinedParts implements GrowingRecord {
  readonly records = 1
  parts = 1
  readonly #joined: JoinedRecord
  /** Keys of the first part, as latin1. */
  readonly #names: readonly string[]
  readonly #removed: readonly Buffer[]
  /** Offsets in the entry: of the eight bytes of its time, and of its map. */
  readonly #timeAt: number
  readonly #mapAt: number
  #pairs: number
  #sec: number
  #nsec: number
  /** Fields that only the last part has. */
  #more: Buffer | undefined

  constructor(
    buf: Buffer,
    at: number,
    end: number,
    part: Part,
    removed: readonly Buffer[],
    buffers: BufferSource,
  ) {
    this.#removed = removed
    time.read(buf, at)
    this.#sec = time.sec
    this.#nsec = time.nsec
    const first = copyEntry(buf, at, end, part, removed)
    this.#timeAt = first.timeAt
    this.#mapAt = first.mapAt
    this.#pairs = first.pairs
    this.#names = first.names
    this.#joined = new JoinedRecord(first.entry, 0, first.size, first.text, buffers)
    this.#joined.isSeamless = true
  }

  /** Maximum size of the entry in bytes. */
  get bound(): number {
    return this.#joined.bound + (this.#more?.length ?? 0)
  }

  /** Size of the text in bytes. */
  get size(): number {
    return this.#joined.size
  }

  /** Adds the part that the entry buf[at, end) is. */
  append(buf: Buffer, at: number, end: number, part: Part, separator: Buffer, usesFirstTime: boolean): void {
    this.parts++
    this.#joined.appendText(separator, 0, separator.length)
    this.#joined.appendText(buf, part.textAt, part.textEnd)
    this.#joined.extend(buf, at, end)
    if (usesFirstTime) return
    time.read(buf, at)
    this.#sec = time.sec
    this.#nsec = time.nsec
  }

  /** Adds the fields of the last part that the first one does not have; of a key that it has twice, the last. */
  addFieldsOf(buf: Buffer, map: number, end: number): void {
    const pairs: number[] = []
    let at = mapBody(buf, map)
    for (let left = mapPairs(buf, map); left > 0; left--) {
      if (!isOneOf(buf, at, this.#removed)) pairs.push(at)
      at = skip(buf, skip(buf, at, end), end)
    }
    // A set: both parts may have thousands of keys.
    const taken = new Set(this.#names)
    const more: Buffer[] = []
    for (let i = pairs.length - 1; i >= 0; i--) {
      const pair = pairs[i] as number
      const name = nameAt(buf, pair, end)
      if (taken.has(name)) continue
      taken.add(name)
      more.push(buf.subarray(pair, skip(buf, skip(buf, pair, end), end)))
    }
    if (more.length === 0) return
    this.#more = Buffer.concat(more.reverse())
    this.#pairs += more.length
  }

  /** Writes the entry at `buf[at]` and returns the offset after it. */
  write(buf: Buffer, at: number): number {
    const end = this.#joined.write(buf, at)
    writeEventTime(buf, at + this.#timeAt, this.#sec, this.#nsec)
    buf.writeUInt32BE(this.#pairs, at + this.#mapAt + 1)
    return end + (this.#more?.copy(buf, end) ?? 0)
  }

  release(): void {
    this.#joined.release()
  }
}

/** Copies an entry without the removed keys, with heads of a known size. */
function copyEntry(buf: Buffer, start: number, end: number, part: Part, removed: readonly Buffer[]) {
  const { map, valueAt, textAt, textEnd } = part
  const metadata = metadataAt(buf, start, end)
  const entry = Buffer.alloc(1 + ENTRY_HEAD + MAP_HEAD + end - (metadata < 0 ? map : metadata))
  let to = 0
  // `[[time, metadata], map]`: the time and the metadata are an array of two, as the entry is.
  if (metadata >= 0) entry[to++] = PAIR
  const timeAt = to + TIME_AT
  to = writeEntryHead(entry, to, 0, 0)
  if (metadata >= 0) to += buf.copy(entry, to, metadata, map)
  const mapAt = to
  entry[to] = 0xdf
  to += MAP_HEAD
  let pairs = 0
  let text = { valueAt: 0, textAt: 0, textEnd: 0 }
  const names: string[] = []
  let at = mapBody(buf, map)
  for (let left = mapPairs(buf, map); left > 0; left--) {
    const value = skip(buf, at, end)
    const next = skip(buf, value, end)
    if (value === valueAt || !isOneOf(buf, at, removed)) {
      const move = to - at
      if (value === valueAt)
        text = { valueAt: valueAt + move, textAt: textAt + move, textEnd: textEnd + move }
      names.push(nameAt(buf, at, end))
      to += buf.copy(entry, to, at, next)
      pairs++
    }
    at = next
  }
  return { entry, size: to, timeAt, mapAt, pairs, names, text }
}

/** Returns the key at `at` as latin1; one that is no text as its bytes after a character that latin1 does not have. */
function nameAt(buf: Buffer, at: number, end: number): string {
  const span = spanOf(buf, at)
  if (span !== undefined) return buf.toString('latin1', span.start, span.end)
  return `\u0100${buf.toString('latin1', at, skip(buf, at, end))}`
}
