import type { BufferSource } from '../../../../core/buffer-source.ts'
import { type Chunk, headRoom, TAIL_ROOM } from '../../../../core/chunk.ts'
import { ENTRY_HEAD, skip, writeMapHead } from '../../../../core/msgpack/encode.ts'
import { closeMap, mapHeadSize } from '../../../../core/msgpack/map-head.ts'
import { entryMap, mapBody, mapPairs } from '../../../../core/msgpack/record.ts'
import { UniqueKeys } from '../../../../core/msgpack/unique-keys.ts'
import type { Parser } from '../../../../core/parser.ts'
import type { Stream } from './annotations.ts'
import { LogMerger, type MergeOptions } from './merge-log.ts'
import { KUBERNETES, NAMESPACE, type Pairs } from './metadata.ts'
import { RecordFields } from './record-fields.ts'
import { WasmEnricher } from './wasm-enricher.ts'

/** What the records of one container get, and how they are read. */
export interface Meta {
  pairs: Pairs
  /** Undefined: nothing of its pod is excluded, and no parser named. */
  streams: Record<Stream, { exclude: boolean; parser: Parser | undefined }> | undefined
}

export interface EnricherOptions extends MergeOptions {
  /** MessagePack of the key of the line. */
  logKey: Buffer
  /** The line is to be read also without the wish of a pod. */
  merge: boolean
  keepLog: boolean
  buffers: BufferSource
}

/** The Meta of a record, where that is not the same for all of a chunk; undefined: it stays as it is. */
type MetaOf = (buf: Buffer, map: number, end: number) => Meta | undefined

/** Room for a larger head of the map. */
const HEAD_ROOM = 16
/** Smaller chunks are not worth loading the kernel: where there are no others, that is never done. */
const KERNEL_BYTES = 8192
/** So many entries in a row that are not for the kernel, and the rest of the chunk goes without it. */
const ODD_ENTRIES = 16

/**
 * Rewrites the entries of a chunk, byte to byte:
 *
 * ```
 *   [time, {time, stream, log}]  ->  [time, {time, stream, <fields of log>, kubernetes: {...}}]
 *                                                          |-- transcoded --|------ copied ------|
 * ```
 * Of keys that come twice the last one stays.
 */
export class Enricher {
  readonly #o: EnricherOptions
  readonly #keys = new UniqueKeys()
  readonly #merge: LogMerger
  readonly #fields: RecordFields
  readonly #usual: WasmEnricher
  #out: Buffer = Buffer.alloc(0)
  /** Where the next entry begins. */
  #next = 0
  #lastCount = 1

  constructor(options: EnricherOptions) {
    this.#o = options
    this.#merge = new LogMerger(options, this.#keys)
    this.#fields = new RecordFields(options.logKey)
    this.#usual = new WasmEnricher(options)
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
    let to = head
    let count = 0
    this.#next = start
    let simple: boolean | undefined
    let odd = this.#isForKernel(chunk, meta) ? 0 : ODD_ENTRIES
    while (this.#next < end) {
      if (odd < ODD_ENTRIES && this.#usual.run(buf, this.#next, end)) {
        to = this.#take(to)
        count += this.#usual.records
        odd = 0
        continue
      }
      odd++
      simple ??= this.#isSimple(chunk)
      const written = this.#entry(buf, this.#next, end, meta, simple, to)
      if (written > to) count++
      to = written
    }
    chunk.replace(this.#out, head, to, count)
  }

  #isForKernel(chunk: Chunk, meta: Meta | MetaOf): boolean {
    if (typeof meta === 'function' || meta.streams !== undefined) return false
    return (chunk.size >= KERNEL_BYTES || this.#usual.loaded) && this.#usual.begin(meta.pairs)
  }

  /** Nothing to merge, and none has a key of ours: that is rare, and one search shows that there is none. */
  #isSimple({ buf, start, end }: Chunk): boolean {
    if (this.#o.merge) return false
    for (const key of [KUBERNETES, NAMESPACE]) {
      const found = buf.indexOf(key, start)
      if (found >= 0 && found < end) return false
    }
    return true
  }

  /** What the kernel has written. */
  #take(to: number): number {
    const { output, size, next } = this.#usual
    this.#room(to, size)
    this.#next = next
    return to + output.copy(this.#out, to, 0, size)
  }

  /** Writes the entry at `at` and moves `next` behind it. Its end is found with its fields, not by a walk of its own. */
  #entry(buf: Buffer, at: number, end: number, meta: Meta | MetaOf, simple: boolean, to: number): number {
    const map = mapOf(buf, at, end)
    if (map >= 0 && typeof meta !== 'function' && !(simple && meta.streams === undefined)) {
      this.#next = this.#fields.read(buf, map, end)
      return this.#rewrite(buf, at, map, this.#next, meta, to)
    }
    const next = skip(buf, map < 0 ? at : map, end)
    this.#next = next
    const own = map < 0 ? undefined : typeof meta === 'function' ? meta(buf, map, next) : meta
    if (own === undefined) return this.#copy(buf, at, next, to)
    if (simple && own.streams === undefined) return this.#append(buf, at, map, next, own.pairs, to)
    this.#fields.read(buf, map, next)
    return this.#rewrite(buf, at, map, next, own, to)
  }

  #copy(buf: Buffer, at: number, end: number, to: number): number {
    this.#room(to, end - at)
    return to + buf.copy(this.#out, to, at, end)
  }

  #append(buf: Buffer, at: number, map: number, end: number, pairs: Pairs, to: number): number {
    this.#room(to, end - at + pairs.bytes.length + HEAD_ROOM)
    const out = this.#out
    let o = copyShort(buf, at, map, out, to)
    o = writeMapHead(out, o, mapPairs(buf, map) + pairs.starts.length)
    o += buf.copy(out, o, mapBody(buf, map), end)
    return o + pairs.bytes.copy(out, o)
  }

  #rewrite(buf: Buffer, at: number, map: number, end: number, meta: Meta, to: number): number {
    const fields = this.#fields
    const wish =
      meta.streams === undefined || fields.stream === undefined ? undefined : meta.streams[fields.stream]
    if (wish?.exclude) return to
    const parser = wish?.parser
    const merging = (this.#o.merge || parser !== undefined) && fields.logLength >= 0
    const bound = merging ? this.#merge.bound(fields.logLength, parser) : 0
    this.#room(to, end - at + bound + meta.pairs.bytes.length + HEAD_ROOM * 2)
    const out = this.#out
    const head = copyShort(buf, at, map, out, to)
    // As the record before, since those of one program are alike: the head then need not be moved for.
    const body = head + mapHeadSize(Math.max(this.#lastCount, 1))
    const without = merging && !this.#o.keepLog
    let o = this.#original(buf, end, body, without)
    if (merging) {
      const merged = this.#merge.write(buf, fields, out, o, to, parser)
      if (merged >= 0) o = merged
      else if (without) o = this.#original(buf, end, body, false)
    }
    o = this.#meta(meta.pairs, o)
    o = this.#keys.removeDuplicates(out, 0, o)
    this.#lastCount = this.#keys.count
    return closeMap(out, head, body, o, this.#lastCount)
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
    if (!without) return copyShort(buf, fields.body, end, out, body)
    const o = copyShort(buf, fields.body, fields.logPair, out, body)
    return copyShort(buf, fields.logEnd, end, out, o)
  }

  #meta({ bytes, starts }: Pairs, at: number): number {
    for (let i = 0; i < starts.length; i++) this.#keys.push(at + (starts[i] as number))
    return at + bytes.copy(this.#out, at)
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

/** Up to so many bytes a loop is faster than `copy`. */
const SHORT = 20

function copyShort(src: Buffer, start: number, end: number, to: Buffer, at: number): number {
  if (end - start > SHORT) return at + src.copy(to, at, start, end)
  let o = at
  for (let p = start; p < end; p++) to[o++] = src[p] as number
  return o
}

/** Where the map of the entry at `at` begins, or -1 when that is no entry; nearly all have an EventTime of ten bytes. */
function mapOf(buf: Buffer, at: number, end: number): number {
  const quick = buf[at] === 0x92 && buf[at + 1] === 0xd7 && at + ENTRY_HEAD < end
  return quick && mapPairs(buf, at + ENTRY_HEAD) >= 0 ? at + ENTRY_HEAD : entryMap(buf, at, end)
}
