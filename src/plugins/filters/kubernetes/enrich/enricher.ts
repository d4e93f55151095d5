import type { BufferSource } from '../../../../core/buffer-source.ts'
import { type Chunk, headRoom, TAIL_ROOM } from '../../../../core/chunk.ts'
import { ENTRY_HEAD, skip, writeMapHead } from '../../../../core/msgpack/encode.ts'
import { closeMap, mapHeadSize } from '../../../../core/msgpack/map-head.ts'
import { entryMap, mapBody, mapPairs } from '../../../../core/msgpack/record.ts'
import { UniqueKeys } from '../../../../core/msgpack/unique-keys.ts'
import type { Parser } from '../../../../core/parser.ts'
import { FastPath } from '../../../../lib/wasm/fast-path.ts'
import type { Stream } from './annotations.ts'
import { LogMerger, type MergeOptions } from './merge-log.ts'
import { KUBERNETES_KEY, type MetadataPairs, NAMESPACE_KEY } from './metadata.ts'
import { RecordFields } from './record-fields.ts'
import { WasmEnricher } from './wasm-enricher.ts'

/** What the records of one container get, and how they are read. */
export interface ContainerMetadata {
  pairs: MetadataPairs
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
export type MetadataLookup = (buf: Buffer, map: number, end: number) => ContainerMetadata | undefined

/** Room for a larger head of the map. */
const MAP_HEAD_ROOM = 16
/** Smaller chunks are not worth loading the kernel: where there are no others, that is never done. */
const KERNEL_BYTES = 8192

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
  readonly #merger: LogMerger
  readonly #fields: RecordFields
  readonly #usual: WasmEnricher
  readonly #fastPath = new FastPath()
  #out: Buffer = Buffer.alloc(0)
  /** Where the next entry begins. */
  #next = 0
  #lastPairs = 1

  constructor(options: EnricherOptions) {
    this.#o = options
    this.#merger = new LogMerger(options, this.#keys)
    this.#fields = new RecordFields(options.logKey)
    this.#usual = new WasmEnricher(options)
  }

  apply(chunk: Chunk, meta: ContainerMetadata | MetadataLookup): void {
    const { buf, start, end } = chunk
    if (typeof meta !== 'function' && meta.streams?.stdout.exclude && meta.streams.stderr.exclude) {
      chunk.end = start
      chunk.count = 0
      return
    }
    const head = headRoom(chunk.tag)
    const more = typeof meta === 'function' ? 0 : chunk.count * (meta.pairs.bytes.length + MAP_HEAD_ROOM)
    this.#out = this.#o.buffers.force(head + chunk.size + more + TAIL_ROOM)
    let to = head
    let count = 0
    this.#next = start
    let simple: boolean | undefined
    const fastPath = this.#fastPath
    fastPath.begin(this.#isForKernel(chunk, meta))
    while (this.#next < end) {
      if (fastPath.isOpen) {
        if (this.#usual.run(buf, this.#next, end)) {
          to = this.#copyWasmOutput(to)
          count += this.#usual.records
          fastPath.hit(this.#usual.records)
          continue
        }
        fastPath.miss()
      }
      simple ??= this.#canAppend(chunk)
      const written = this.#writeEntry(buf, this.#next, end, meta, simple, to)
      if (written > to) count++
      to = written
    }
    chunk.replace(this.#out, head, to, count)
  }

  #isForKernel(chunk: Chunk, meta: ContainerMetadata | MetadataLookup): boolean {
    if (typeof meta === 'function' || meta.streams !== undefined) return false
    return (chunk.size >= KERNEL_BYTES || this.#usual.loaded) && this.#usual.begin(meta.pairs)
  }

  /** Nothing to merge, and none has a key of ours: that is rare, and one search shows that there is none. */
  #canAppend({ buf, start, end }: Chunk): boolean {
    if (this.#o.merge) return false
    for (const key of [KUBERNETES_KEY, NAMESPACE_KEY]) {
      const found = buf.indexOf(key, start)
      if (found >= 0 && found < end) return false
    }
    return true
  }

  /** What the kernel has written. */
  #copyWasmOutput(to: number): number {
    const { output, size, next } = this.#usual
    this.#ensureRoom(to, size)
    this.#next = next
    return to + output.copy(this.#out, to, 0, size)
  }

  /** Writes the entry at `at` and moves `next` behind it. Its end is found with its fields, not by a walk of its own. */
  #writeEntry(
    buf: Buffer,
    at: number,
    end: number,
    meta: ContainerMetadata | MetadataLookup,
    simple: boolean,
    to: number,
  ): number {
    const map = findMap(buf, at, end)
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
    this.#ensureRoom(to, end - at)
    return to + buf.copy(this.#out, to, at, end)
  }

  #append(buf: Buffer, at: number, map: number, end: number, pairs: MetadataPairs, to: number): number {
    this.#ensureRoom(to, end - at + pairs.bytes.length + MAP_HEAD_ROOM)
    const out = this.#out
    let o = copyShort(buf, at, map, out, to)
    o = writeMapHead(out, o, mapPairs(buf, map) + pairs.starts.length)
    o += buf.copy(out, o, mapBody(buf, map), end)
    return o + pairs.bytes.copy(out, o)
  }

  #rewrite(buf: Buffer, at: number, map: number, end: number, meta: ContainerMetadata, to: number): number {
    const fields = this.#fields
    const wish =
      meta.streams === undefined || fields.stream === undefined ? undefined : meta.streams[fields.stream]
    if (wish?.exclude) return to
    const parser = wish?.parser
    const merging = (this.#o.merge || parser !== undefined) && fields.logLength >= 0
    const bound = merging ? this.#merger.bound(fields.logLength, parser) : 0
    this.#ensureRoom(to, end - at + bound + meta.pairs.bytes.length + MAP_HEAD_ROOM * 2)
    const out = this.#out
    const head = copyShort(buf, at, map, out, to)
    // As the record before, since those of one program are alike: the head then need not be moved for.
    const body = head + mapHeadSize(Math.max(this.#lastPairs, 1))
    const without = merging && !this.#o.keepLog
    let o = this.#copyPairs(buf, end, body, without)
    if (merging) {
      const merged = this.#merger.write(buf, fields, out, o, to, parser)
      if (merged >= 0) o = merged
      else if (without) o = this.#copyPairs(buf, end, body, false)
    }
    o = this.#addMetadata(meta.pairs, o)
    o = this.#keys.removeDuplicates(out, 0, o)
    this.#lastPairs = this.#keys.count
    return closeMap(out, head, body, o, this.#lastPairs)
  }

  /** The record's own pairs, with or without the line. */
  #copyPairs(buf: Buffer, end: number, body: number, without: boolean): number {
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

  #addMetadata({ bytes, starts }: MetadataPairs, at: number): number {
    for (let i = 0; i < starts.length; i++) this.#keys.push(at + (starts[i] as number))
    return at + bytes.copy(this.#out, at)
  }

  /** Makes sure that so many bytes fit behind `to`, with the tail room: by a larger buffer, if need be. */
  #ensureRoom(to: number, bytes: number): void {
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
const MAX_SHORT_BYTES = 20

function copyShort(src: Buffer, start: number, end: number, to: Buffer, at: number): number {
  if (end - start > MAX_SHORT_BYTES) return at + src.copy(to, at, start, end)
  let o = at
  for (let p = start; p < end; p++) to[o++] = src[p] as number
  return o
}

/** Where the map of the entry at `at` begins, or -1 when that is no entry; nearly all have an EventTime of ten bytes. */
function findMap(buf: Buffer, at: number, end: number): number {
  const quick = buf[at] === 0x92 && buf[at + 1] === 0xd7 && at + ENTRY_HEAD < end
  return quick && mapPairs(buf, at + ENTRY_HEAD) >= 0 ? at + ENTRY_HEAD : entryMap(buf, at, end)
}
