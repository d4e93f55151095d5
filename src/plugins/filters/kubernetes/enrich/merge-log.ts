import { skip, writeEventTime, writeStrHead } from '../../../../core/msgpack/encode.ts'
import { closeMap, mapHeadSize } from '../../../../core/msgpack/map-head.ts'
import { mapBody, mapPairs, textHead, textLength } from '../../../../core/msgpack/record.ts'
import type { UniqueKeys } from '../../../../core/msgpack/unique-keys.ts'
import type { EntryWriter, Parser } from '../../../../core/parser.ts'
import { JsonTranscoder, jsonBound, skipBlanks } from '../../../../lib/json/json-to-msgpack.ts'
import type { RecordFields } from './record-fields.ts'

/** Options for merging the line of a record into the record. */
export interface MergeOptions {
  /** MessagePack of the key of the line. */
  logKey: Buffer
  /** True to merge the line even when no pod annotation requests it. */
  merge: boolean
  /** False to remove a line that was merged. */
  keepLog: boolean
  /** MessagePack of the key that the fields are put under; undefined: they become fields of the record. */
  mergeKey: Buffer | undefined
  /** True to remove line ends at the end of the merged values. */
  trim: boolean
  /** Parser to use instead of JSON. */
  parser: Parser | undefined
}

const NEWLINE = 0x0a
const RETURN = 0x0d
/** Type byte and offset of the time in an entry `92 d7 00 <sec> <nsec>`. */
const FIXEXT8 = 0xd7
const TIME_AT = 3

/** Writes the fields of a line, parsed as JSON or by a parser, into its record. */
export class LogMerger {
  readonly #mergeKey: Buffer | undefined
  readonly #trim: boolean
  readonly #parser: Parser | undefined
  readonly #keys: UniqueKeys
  readonly #json: JsonTranscoder
  readonly #writer: EntryWriter = { buf: Buffer.alloc(0), at: 0, sec: 0, nsec: 0, extraPairs: 0 }

  constructor(options: MergeOptions, keys: UniqueKeys) {
    this.#mergeKey = options.mergeKey
    this.#trim = options.trim
    this.#parser = options.parser
    this.#keys = keys
    this.#json = new JsonTranscoder(undefined, keys, true)
  }

  /** Returns the maximum number of bytes that `write` produces for a line of `length` bytes. */
  bound(length: number, parser: Parser | undefined): number {
    const effective = parser ?? this.#parser
    const bytes = effective === undefined ? jsonBound(length) : effective.bound(length)
    return bytes + (this.#mergeKey?.length ?? 0)
  }

  /**
   * Writes the fields of the line at `out[at]`, adds their keys to `keys` and returns the end; returns -1 when the line
   * cannot be parsed. `entry` is the offset in `out` of the entry, whose time a parser may replace.
   */
  write(
    buf: Buffer,
    fields: RecordFields,
    out: Buffer,
    at: number,
    entry: number,
    suggested: Parser | undefined,
  ): number {
    const mergeKey = this.#mergeKey
    const keys = this.#keys
    const first = keys.count
    // Without a merge key the map head is not wanted: it overwrites the byte before, which is restored afterwards.
    const saved = out[at - 1] as number
    const map = mergeKey === undefined ? at - 1 : at + mergeKey.copy(out, at)
    const parser = suggested ?? this.#parser
    const { logStart, logLength } = fields
    let end =
      parser === undefined
        ? this.#transcode(buf, logStart, logStart + logLength, out, map)
        : this.#parse(parser, buf, logStart, logLength, out, map, entry)
    if (mergeKey === undefined && end < 0) out[at - 1] = saved
    if (end < 0) {
      keys.count = first
      return -1
    }
    const from = keys.count > first ? (keys.offsets[first] as number) : mapBody(out, map)
    if (this.#trim) end = this.#trimValues(out, first, end)
    if (mergeKey !== undefined) {
      keys.count = first
      keys.push(at)
      return end
    }
    out[at - 1] = saved
    if (from === at) return end
    out.copyWithin(at, from, end)
    keys.shift(first, at - from)
    return end - (from - at)
  }

  /** Transcodes a line that is exactly one JSON object, surrounded by whitespace only; else returns -1. */
  #transcode(buf: Buffer, start: number, stop: number, out: Buffer, at: number): number {
    const json = this.#json
    const from = skipBlanks(buf, start, stop)
    if (from >= stop || buf[from] !== 0x7b) return -1
    const first = this.#keys.count
    const end = json.transcode(buf, from, stop, out, at)
    if (end < 0 || skipBlanks(buf, json.end, stop) < stop) return -1
    // Keys were recorded after a map head of one byte.
    this.#keys.shift(first, json.bodyAt - at - 1)
    return end
  }

  #parse(
    parser: Parser,
    buf: Buffer,
    start: number,
    length: number,
    out: Buffer,
    at: number,
    entry: number,
  ): number {
    const writer = this.#writer
    const timed = out[entry + 1] === FIXEXT8
    const sec = timed ? out.readUInt32BE(entry + TIME_AT) : 0
    const nsec = timed ? out.readUInt32BE(entry + TIME_AT + 4) : 0
    writer.buf = out
    writer.at = at
    writer.sec = sec
    writer.nsec = nsec
    let stop = start + length
    while (stop > start && isLineEnd(buf[stop - 1] as number)) stop--
    if (!parser.parse(buf, start, stop, writer)) return -1
    if (timed && (writer.sec !== sec || writer.nsec !== nsec))
      writeEventTime(out, entry + TIME_AT, writer.sec, writer.nsec)
    return this.#pushKeys(out, at, writer.at)
  }

  /** Adds the keys of the map that ends at `end`, keeping the last of duplicate keys; returns the new end. */
  #pushKeys(out: Buffer, map: number, end: number): number {
    const keys = this.#keys
    const first = keys.count
    const body = mapBody(out, map)
    const pairs = mapPairs(out, map)
    let pair = body
    for (let i = 0; i < pairs; i++) {
      keys.push(pair)
      pair = skip(out, skip(out, pair, end), end)
    }
    const settled = keys.removeDuplicates(out, first, end)
    const left = keys.count - first
    if (left === pairs) return end
    keys.shift(first, mapHeadSize(left) - (body - map))
    return closeMap(out, map, body, settled, left)
  }

  /** Removes line ends at the end of strings. Hardly any value has one, which its last byte shows. */
  #trimValues(out: Buffer, first: number, end: number): number {
    const keys = this.#keys
    for (let i = first; i < keys.count; i++) {
      const next = i + 1 < keys.count ? (keys.offsets[i + 1] as number) : end
      if (isLineEnd(out[next - 1] as number)) return this.#trimAll(out, first, end)
    }
    return end
  }

  /** Rewrites all values in one forward pass: the output is never longer than the input. */
  #trimAll(out: Buffer, first: number, end: number): number {
    const keys = this.#keys
    let pos = keys.offsets[first] as number
    for (let i = first; i < keys.count; i++) {
      const pair = keys.offsets[i] as number
      const next = i + 1 < keys.count ? (keys.offsets[i + 1] as number) : end
      const value = skip(out, pair, end)
      const left = trimmedLength(out, value)
      keys.offsets[i] = pos
      out.copyWithin(pos, pair, left < 0 ? next : value)
      pos += (left < 0 ? next : value) - pair
      if (left < 0) continue
      const start = value + textHead(out, value)
      pos = writeStrHead(out, pos, left)
      out.copyWithin(pos, start, start + left)
      pos += left
    }
    return pos
  }
}

/** Returns the length of the string at `value` without trailing line ends; -1 when it has none or is not a string. */
function trimmedLength(out: Buffer, value: number): number {
  const head = textHead(out, value)
  if (head < 0) return -1
  const length = textLength(out, value)
  let left = length
  while (left > 0 && isLineEnd(out[value + head + left - 1] as number)) left--
  return left === length ? -1 : left
}

function isLineEnd(byte: number): boolean {
  return byte === NEWLINE || byte === RETURN
}
