import { skip, writeEventTime, writeStrHead } from '../../../../core/msgpack/encode.ts'
import { closeMap, mapHeadSize } from '../../../../core/msgpack/map-head.ts'
import { mapBody, mapPairs, textHead, textLength } from '../../../../core/msgpack/record.ts'
import type { UniqueKeys } from '../../../../core/msgpack/unique-keys.ts'
import type { EntryWriter, Parser } from '../../../../core/parser.ts'
import { JsonTranscoder, jsonBound, skipBlanks } from '../../../../lib/json/json-to-msgpack.ts'
import type { RecordFields } from './record-fields.ts'

export interface MergeOptions {
  /** MessagePack of the key for the fields; undefined: they go among those of the record. */
  mergeKey: Buffer | undefined
  trim: boolean
  /** Instead of JSON. */
  parser: Parser | undefined
}

const NEWLINE = 0x0a
const RETURN = 0x0d
/** Of an entry `92 d7 00 <sec> <nsec>`. */
const FIXEXT8 = 0xd7
const TIME_AT = 3

/** Puts the fields of a line into its record. */
export class LogMerger {
  readonly #o: MergeOptions
  readonly #keys: UniqueKeys
  readonly #json: JsonTranscoder
  readonly #writer: EntryWriter = { buf: Buffer.alloc(0), at: 0, sec: 0, nsec: 0, extraPairs: 0 }

  constructor(options: MergeOptions, keys: UniqueKeys) {
    this.#o = options
    this.#keys = keys
    this.#json = new JsonTranscoder(undefined, keys)
  }

  bound(length: number, parser: Parser | undefined): number {
    const reader = parser ?? this.#o.parser
    const bytes = reader === undefined ? jsonBound(length) : reader.bound(length)
    return bytes + (this.#o.mergeKey?.length ?? 0)
  }

  /**
   * Writes the fields of the line at `out[at]` and notes their keys; -1 when it is not of the form. `entry`: where in
   * `out` the entry begins, whose time a parser may replace.
   */
  write(
    buf: Buffer,
    fields: RecordFields,
    out: Buffer,
    at: number,
    entry: number,
    suggested: Parser | undefined,
  ): number {
    const { mergeKey, trim } = this.#o
    const keys = this.#keys
    const first = keys.count
    // Among the fields of the record the map's head is in the way: it is written over the byte before, which comes back.
    const kept = out[at - 1] as number
    const map = mergeKey === undefined ? at - 1 : at + mergeKey.copy(out, at)
    const parser = suggested ?? this.#o.parser
    const { logStart, logLength } = fields
    let end =
      parser === undefined
        ? this.#transcode(buf, logStart, logStart + logLength, out, map)
        : this.#parse(parser, buf, logStart, logLength, out, map, entry)
    if (mergeKey === undefined && end < 0) out[at - 1] = kept
    if (end < 0) {
      keys.count = first
      return -1
    }
    const from = keys.count > first ? (keys.offsets[first] as number) : mapBody(out, map)
    if (trim) end = this.#trim(out, first, end)
    if (mergeKey !== undefined) {
      keys.count = first
      keys.push(at)
      return end
    }
    out[at - 1] = kept
    if (from === at) return end
    out.copyWithin(at, from, end)
    keys.shift(first, at - from)
    return end - (from - at)
  }

  /** Exactly one object, with nothing but blanks around it. */
  #transcode(buf: Buffer, start: number, stop: number, out: Buffer, at: number): number {
    const json = this.#json
    const from = skipBlanks(buf, start, stop)
    if (from >= stop || buf[from] !== 0x7b) return -1
    const first = this.#keys.count
    const end = json.transcode(buf, from, stop, out, at)
    if (end < 0 || skipBlanks(buf, json.end, stop) < stop) return -1
    // Keys were noted behind a head of one byte.
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

  /** Of the map that ends at `end`; of keys that come twice the last one stays. */
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

  /** Takes line ends off the end of texts. Nearly no value has one, which its last byte shows. */
  #trim(out: Buffer, first: number, end: number): number {
    const keys = this.#keys
    for (let i = first; i < keys.count; i++) {
      const next = i + 1 < keys.count ? (keys.offsets[i + 1] as number) : end
      if (isLineEnd(out[next - 1] as number)) return this.#trimAll(out, first, end)
    }
    return end
  }

  /** One pass forward: what is written is never longer than what was read. */
  #trimAll(out: Buffer, first: number, end: number): number {
    const keys = this.#keys
    let o = keys.offsets[first] as number
    for (let i = first; i < keys.count; i++) {
      const pair = keys.offsets[i] as number
      const next = i + 1 < keys.count ? (keys.offsets[i + 1] as number) : end
      const value = skip(out, pair, end)
      const left = trimmedLength(out, value)
      keys.offsets[i] = o
      out.copyWithin(o, pair, left < 0 ? next : value)
      o += (left < 0 ? next : value) - pair
      if (left < 0) continue
      const start = value + textHead(out, value)
      o = writeStrHead(out, o, left)
      out.copyWithin(o, start, start + left)
      o += left
    }
    return o
  }
}

/** Length of the text at `value` without line ends at its end; -1 when it has none, or is no text. */
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
