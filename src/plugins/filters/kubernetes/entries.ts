import type { BufferSource } from '../../../core/buffers.ts'
import { type Chunk, headRoom, TAIL_ROOM } from '../../../core/chunk.ts'
import { skip, writeMapHead } from '../../../core/msgpack.ts'
import type { Parser } from '../../../core/plugin.ts'
import { entryMap, mapBody, mapPairs } from '../../../core/record.ts'
import { closeMap, mapHeadSize } from '../../../lib/map-head.ts'
import { UniqueKeys } from '../../../lib/unique-keys.ts'
import type { Stream } from './annotations.ts'
import { Merge, type MergeOptions } from './merge.ts'
import { KUBERNETES, type Pairs } from './metadata.ts'
import { RecordFields } from './record-fields.ts'

/** What the records of one container get, and how they are read. */
export interface Meta {
  pairs: Pairs
  /** Undefined: nothing of its pod is excluded, and no parser named. */
  streams: Record<Stream, { exclude: boolean; parser: Parser | undefined }> | undefined
}

export interface EntriesOptions extends MergeOptions {
  /** MessagePack of the key of the line. */
  logKey: Buffer
  /** The line is to be read also without the wish of a pod. */
  merge: boolean
  keepLog: boolean
  buffers: BufferSource
}

/** The Meta of a record, where that is not the same for all of a chunk; undefined: it stays as it is. */
export type MetaOf = (buf: Buffer, map: number, end: number) => Meta | undefined

/** Room for a larger head of the map. */
const HEAD_ROOM = 16

/**
 * Rewrites the entries of a chunk, byte to byte:
 *
 * ```
 *   [time, {time, stream, log}]  ->  [time, {time, stream, <fields of log>, kubernetes: {...}}]
 *                                                          |-- transcoded --|------ copied ------|
 * ```
 * Of keys that come twice the last one stays.
 */
export class Entries {
  readonly #o: EntriesOptions
  readonly #keys = new UniqueKeys()
  readonly #merge: Merge
  readonly #fields: RecordFields
  #out: Buffer = Buffer.alloc(0)

  constructor(options: EntriesOptions) {
    this.#o = options
    this.#merge = new Merge(options, this.#keys)
    this.#fields = new RecordFields(options.logKey)
  }

  apply(chunk: Chunk, meta: Meta | MetaOf): void {
    const { buf, start, end } = chunk
    if (typeof meta !== 'function' && meta.streams?.stdout.exclude && meta.streams.stderr.exclude) {
      chunk.end = start
      chunk.count = 0
      return
    }
    const head = headRoom(chunk.tag)
    const more = typeof meta === 'function' ? 0 : chunk.count * (meta.pairs.bytes.length + HEAD_ROOM)
    this.#out = this.#o.buffers.force(head + chunk.size + more + TAIL_ROOM)
    // A key of ours within the chunk is rare, and one search shows that there is none.
    const found = buf.indexOf(KUBERNETES, start)
    const simple = !this.#o.merge && (found < 0 || found >= end)
    let to = head
    let count = 0
    for (let at = start; at < end; ) {
      const next = skip(buf, at, end)
      const written = this.#entry(buf, at, next, meta, simple, to)
      if (written > to) count++
      to = written
      at = next
    }
    chunk.replace(this.#out, head, to, count)
  }

  #entry(buf: Buffer, at: number, end: number, meta: Meta | MetaOf, simple: boolean, to: number): number {
    const map = entryMap(buf, at, end)
    if (map < 0) return this.#copy(buf, at, end, to)
    const own = typeof meta === 'function' ? meta(buf, map, end) : meta
    if (own === undefined) return this.#copy(buf, at, end, to)
    if (simple && own.streams === undefined) return this.#append(buf, at, map, end, own.pairs, to)
    return this.#rewrite(buf, at, map, end, own, to)
  }

  #copy(buf: Buffer, at: number, end: number, to: number): number {
    this.#room(to, end - at)
    return to + buf.copy(this.#out, to, at, end)
  }

  #append(buf: Buffer, at: number, map: number, end: number, pairs: Pairs, to: number): number {
    this.#room(to, end - at + pairs.bytes.length + HEAD_ROOM)
    const out = this.#out
    let o = to + buf.copy(out, to, at, map)
    o = writeMapHead(out, o, mapPairs(buf, map) + pairs.count)
    o += buf.copy(out, o, mapBody(buf, map), end)
    return o + pairs.bytes.copy(out, o)
  }

  #rewrite(buf: Buffer, at: number, map: number, end: number, meta: Meta, to: number): number {
    const fields = this.#fields
    fields.read(buf, map, end)
    const wish =
      meta.streams === undefined || fields.stream === undefined ? undefined : meta.streams[fields.stream]
    if (wish?.exclude) return to
    const parser = wish?.parser
    const merging = (this.#o.merge || parser !== undefined) && fields.logLength >= 0
    const bound = merging ? this.#merge.bound(fields.logLength, parser) : 0
    this.#room(to, end - at + bound + meta.pairs.bytes.length + HEAD_ROOM * 2)
    const out = this.#out
    const head = to + buf.copy(out, to, at, map)
    const body = head + mapHeadSize(fields.count + meta.pairs.count)
    const without = merging && !this.#o.keepLog
    let o = this.#original(buf, end, body, without)
    if (merging) {
      const merged = this.#merge.write(buf, fields, out, o, to, parser)
      if (merged >= 0) o = merged
      else if (without) o = this.#original(buf, end, body, false)
    }
    o = this.#meta(meta.pairs, o)
    o = this.#keys.settle(out, 0, o)
    return closeMap(out, head, body, o, this.#keys.count)
  }

  /** The record's own pairs, with or without the line. */
  #original(buf: Buffer, end: number, body: number, without: boolean): number {
    const fields = this.#fields
    const keys = this.#keys
    const out = this.#out
    keys.count = 0
    let shift = body - fields.body
    for (let i = 0; i < fields.count; i++) {
      const pair = fields.pairs[i] as number
      if (without && pair === fields.logPair) shift -= fields.logEnd - pair
      else keys.push(pair + shift)
    }
    if (!without) return body + buf.copy(out, body, fields.body, end)
    const o = body + buf.copy(out, body, fields.body, fields.logPair)
    return o + buf.copy(out, o, fields.logEnd, end)
  }

  #meta(pairs: Pairs, at: number): number {
    const out = this.#out
    const end = at + pairs.bytes.copy(out, at)
    for (let o = at, i = 0; i < pairs.count; i++) {
      this.#keys.push(o)
      if (i + 1 < pairs.count) o = skip(out, skip(out, o, end), end)
    }
    return end
  }

  /** Makes sure that so many bytes fit behind `to`, with the tail room: by a larger buffer, if need be. */
  #room(to: number, bytes: number): void {
    const need = to + bytes + TAIL_ROOM
    if (need <= this.#out.length) return
    const { buffers } = this.#o
    const larger = buffers.force(Math.max(need, Math.ceil(this.#out.length * 1.5)))
    this.#out.copy(larger, 0, 0, to)
    buffers.give(this.#out)
    this.#out = larger
  }
}
