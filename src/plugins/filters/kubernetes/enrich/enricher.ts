import type { BufferSource } from '../../../../core/buffer-source.ts'
import { type Chunk, headRoom, TAIL_ROOM } from '../../../../core/chunk.ts'
import { ENTRY_HEAD, skip, writeMapHead } from '../../../../core/msgpack/encode.ts'
import { closeMap, mapHeadSize } from '../../../../core/msgpack/map-head.ts'
import { entryMap, mapBody, mapPairs } from '../../../../core/msgpack/record.ts'
import { UniqueKeys } from '../../../../core/msgpack/unique-keys.ts'
import type { Counters } from '../../../../core/services.ts'
import { DistinctKeys } from '../../../../lib/records/distinct-keys.ts'
import { mayHaveKey } from '../../../../lib/records/may-have-key.ts'
import { type FallbackReason, FastPath } from '../../../../lib/wasm/fast-path.ts'
import { LogMerger, type MergeOptions } from './merge-log.ts'
import { type ContainerMetadata, KUBERNETES_KEY, type MetadataPairs, NAMESPACE_KEY } from './metadata.ts'
import { RecordFields } from './record-fields.ts'
import { WasmEnricher } from './wasm-enricher.ts'

export interface EnricherOptions extends MergeOptions {
  buffers: BufferSource
  /** Counters of `pathCounters`; undefined only in tests. */
  counters?: Counters | undefined
}

/**
 * Returns the metadata of one record, for chunks with records of several containers; undefined: leave it
 * unchanged.
 */
type MetadataLookup = (buf: Buffer, map: number, end: number) => ContainerMetadata | undefined

/** Space for a larger map head. */
const MAP_HEAD_ROOM = 16
/** Chunk size from which the wasm module is loaded: an agent with only smaller chunks never loads it. */
const MIN_WASM_CHUNK_BYTES = 8192

/**
 * Adds metadata, and the fields of merged lines, to the entries of a chunk without decoding them:
 *
 * ```
 *   [time, {time, stream, log}]  ->  [time, {time, stream, <fields of log>, kubernetes: {...}}]
 *                                                          |-- transcoded --|------ copied ------|
 * ```
 * Of duplicate keys the last one is kept.
 */
export class Enricher {
  readonly #buffers: BufferSource
  readonly #counters: Counters | undefined
  readonly #mergesLog: boolean
  readonly #keepsLog: boolean
  readonly #keys = new UniqueKeys()
  readonly #distinct = new DistinctKeys()
  readonly #merger: LogMerger
  readonly #fields: RecordFields
  readonly #wasm: WasmEnricher
  readonly #fastPath = new FastPath()
  #out: Buffer = Buffer.alloc(0)
  /** Offset of the next entry in the chunk. */
  #next = 0
  /** Number of pairs of the record written last. */
  #lastPairs = 1

  constructor(options: EnricherOptions) {
    this.#buffers = options.buffers
    this.#counters = options.counters
    this.#mergesLog = options.merge
    this.#keepsLog = options.keepLog
    this.#merger = new LogMerger(options, this.#keys)
    this.#fields = new RecordFields(options.logKey)
    this.#wasm = new WasmEnricher(options)
  }

  /** Rewrites the chunk in a new buffer; drops the records that annotations exclude. */
  apply(chunk: Chunk, meta: ContainerMetadata | MetadataLookup): void {
    const { buf, start, end } = chunk
    if (typeof meta !== 'function' && meta.streams?.stdout.exclude && meta.streams.stderr.exclude) {
      chunk.end = start
      chunk.count = 0
      return
    }
    const head = headRoom(chunk.tag)
    const growth = typeof meta === 'function' ? 0 : chunk.count * (meta.pairs.bytes.length + MAP_HEAD_ROOM)
    this.#out = this.#buffers.force(head + chunk.size + growth + TAIL_ROOM)
    let to = head
    let count = 0
    let dropped = 0
    this.#next = start
    let canAppend: boolean | undefined
    const fastPath = this.#fastPath
    const closed = this.#whyNoWasm(chunk, meta)
    fastPath.begin(closed === undefined, closed)
    while (this.#next < end) {
      if (fastPath.isOpen) {
        if (this.#wasm.run(buf, this.#next, end)) {
          to = this.#copyWasmOutput(to)
          const { records, called } = this.#wasm
          count += records
          fastPath.hit(records - called)
          if (called > 0) fastPath.assisted(called, this.#wasm.whyCalled)
          continue
        }
        fastPath.miss(this.#wasm.stopped)
      }
      canAppend ??= this.#canAppend(chunk)
      const written = this.#writeEntry(buf, this.#next, end, meta, canAppend, to)
      if (written > to) {
        count++
        fastPath.fallback()
      } else chunk.places?.drop(count + dropped++)
      to = written
    }
    if (this.#counters !== undefined) fastPath.report(this.#counters)
    chunk.replace(this.#out, head, to, count)
  }

  /** Prepares the wasm module for the chunk, or returns the reason why its records take the fallback. */
  #whyNoWasm(chunk: Chunk, meta: ContainerMetadata | MetadataLookup): FallbackReason | undefined {
    if (typeof meta === 'function') return 'options'
    if (chunk.size < MIN_WASM_CHUNK_BYTES && !this.#wasm.isLoaded) return 'small'
    return this.#wasm.begin(meta) ? undefined : 'options'
  }

  /**
   * True when there is nothing to merge and no record has one of our keys, which is rare and shown by one
   * search each.
   */
  #canAppend(chunk: Chunk): boolean {
    if (this.#mergesLog) return false
    return !mayHaveKey(chunk, KUBERNETES_KEY) && !mayHaveKey(chunk, NAMESPACE_KEY)
  }

  /** Copies the output of the last wasm run. */
  #copyWasmOutput(to: number): number {
    const { output, size, next } = this.#wasm
    this.#ensureRoom(to, size)
    this.#next = next
    return to + output.copy(this.#out, to, 0, size)
  }

  /**
   * Writes the entry at `at`, sets `next` to its end and returns the end of the output. The end of the entry
   * is found while reading its fields, without a walk of its own.
   */
  #writeEntry(
    buf: Buffer,
    at: number,
    end: number,
    meta: ContainerMetadata | MetadataLookup,
    canAppend: boolean,
    to: number,
  ): number {
    const map = findMap(buf, at, end)
    if (map >= 0 && typeof meta !== 'function' && !(canAppend && meta.streams === undefined)) {
      this.#next = this.#fields.read(buf, map, end)
      return this.#rewrite(buf, at, map, this.#next, meta, to)
    }
    const next = skip(buf, map < 0 ? at : map, end)
    this.#next = next
    const metadata = map < 0 ? undefined : typeof meta === 'function' ? meta(buf, map, next) : meta
    if (metadata === undefined) return this.#copy(buf, at, next, to)
    if (canAppend && metadata.streams === undefined)
      return this.#append(buf, at, map, next, metadata.pairs, to)
    this.#fields.read(buf, map, next)
    return this.#rewrite(buf, at, map, next, metadata, to)
  }

  #copy(buf: Buffer, at: number, end: number, to: number): number {
    this.#ensureRoom(to, end - at)
    return to + buf.copy(this.#out, to, at, end)
  }

  #append(buf: Buffer, at: number, map: number, end: number, pairs: MetadataPairs, to: number): number {
    this.#ensureRoom(to, end - at + pairs.bytes.length + MAP_HEAD_ROOM)
    const out = this.#out
    let pos = copyShort(buf, at, map, out, to)
    pos = writeMapHead(out, pos, mapPairs(buf, map) + pairs.starts.length)
    pos += buf.copy(out, pos, mapBody(buf, map), end)
    return pos + pairs.bytes.copy(out, pos)
  }

  #rewrite(buf: Buffer, at: number, map: number, end: number, meta: ContainerMetadata, to: number): number {
    const fields = this.#fields
    const rule =
      meta.streams === undefined || fields.stream === undefined ? undefined : meta.streams[fields.stream]
    if (rule?.exclude) return to
    const parser = rule?.parser
    const merges = (this.#mergesLog || parser !== undefined) && fields.logLength >= 0
    const bound = merges ? this.#merger.bound(fields.logLength, parser) : 0
    this.#ensureRoom(to, end - at + bound + meta.pairs.bytes.length + MAP_HEAD_ROOM * 2)
    const out = this.#out
    const head = copyShort(buf, at, map, out, to)
    // Expects as many pairs as the previous record, since records of one program are alike: the body then
    // need not move.
    const body = head + mapHeadSize(Math.max(this.#lastPairs, 1))
    const omitsLog = merges && !this.#keepsLog
    let pos = this.#copyPairs(buf, end, body, omitsLog)
    if (merges) {
      const merged = this.#merger.write(buf, fields, out, pos, to, parser)
      if (merged >= 0) pos = merged
      else if (omitsLog) pos = this.#copyPairs(buf, end, body, false)
    }
    pos = this.#addMetadata(meta.pairs, pos)
    pos = this.#keys.removeDuplicates(out, 0, pos)
    this.#lastPairs = this.#keys.count
    pos = closeMap(out, head, body, pos, this.#lastPairs)
    // Otherwise heads are compared with the keys, which costs less.
    return fields.hasLongHead ? this.#distinct.settle(out, head, pos) : pos
  }

  /** Copies the record's own pairs to `body`, with or without the line; returns their end. */
  #copyPairs(buf: Buffer, end: number, body: number, omitsLog: boolean): number {
    const fields = this.#fields
    const keys = this.#keys
    const out = this.#out
    keys.count = 0
    let shift = body - fields.body
    for (let i = 0; i < fields.count; i++) {
      const pair = fields.pairs[i] as number
      if (omitsLog && pair === fields.logPair) shift -= fields.logEnd - pair
      else keys.push(pair + shift)
    }
    if (!omitsLog) return copyShort(buf, fields.body, end, out, body)
    const pos = copyShort(buf, fields.body, fields.logPair, out, body)
    return copyShort(buf, fields.logEnd, end, out, pos)
  }

  #addMetadata({ bytes, starts }: MetadataPairs, at: number): number {
    for (let i = 0; i < starts.length; i++) this.#keys.push(at + (starts[i] as number))
    return at + bytes.copy(this.#out, at)
  }

  /** Ensures that `bytes` bytes and TAIL_ROOM fit after `to`, by a larger buffer if necessary. */
  #ensureRoom(to: number, bytes: number): void {
    const needed = to + bytes + TAIL_ROOM
    if (needed <= this.#out.length) return
    const buffers = this.#buffers
    const larger = buffers.force(Math.max(needed, Math.ceil(this.#out.length * 1.5)))
    this.#out.copy(larger, 0, 0, to)
    buffers.give(this.#out)
    this.#out = larger
  }
}

/** Up to this length a loop is faster than `copy`. */
const MAX_SHORT_BYTES = 20

function copyShort(src: Buffer, start: number, end: number, to: Buffer, at: number): number {
  if (end - start > MAX_SHORT_BYTES) return at + src.copy(to, at, start, end)
  let pos = at
  for (let p = start; p < end; p++) to[pos++] = src[p] as number
  return pos
}

/**
 * Returns the offset of the entry's map, or -1 when it is not a valid entry; nearly all have an EventTime of
 * ten bytes.
 */
function findMap(buf: Buffer, at: number, end: number): number {
  const hasEventTime = buf[at] === 0x92 && buf[at + 1] === 0xd7 && at + ENTRY_HEAD < end
  return hasEventTime && mapPairs(buf, at + ENTRY_HEAD) >= 0 ? at + ENTRY_HEAD : entryMap(buf, at, end)
}
