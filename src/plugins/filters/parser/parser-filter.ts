import { type Chunk, TAIL_ROOM } from '../../../core/chunk.ts'
import { skip, writeEventTime } from '../../../core/msgpack/encode.ts'
import { mapPairs } from '../../../core/msgpack/record.ts'
import type { EntryWriter, Parser } from '../../../core/parser.ts'
import type { Deferral, Filter, FilterContext, RegexUse } from '../../../core/plugin.ts'
import { EntryOutput } from '../../../lib/records/entry-output.ts'
import { KnownKeys } from './kept-keys.ts'
import type { ParserFilterOptions } from './options.ts'
import { ParsedMap } from './parsed-map.ts'
import { RecordText } from './record-text.ts'
import { copyBytes } from './short-values.ts'
import { MAX_TEXTS, TextBlock } from './text-block.ts'
import { UnmatchedRecords } from './unmatched-records.ts'

const USE: RegexUse = { reason: 'parser', effect: 'the parser does not match the record' }
/** Seconds before parsing, a value that no parser writes: it stays when the text has no time. */
const NO_TIME = Number.MIN_SAFE_INTEGER
const PAIR = 0x92
/** Type byte of an EventTime, and its size: type, ext type, seconds and nanoseconds. */
const EVENT_TIME = 0xd7
const EVENT_TIME_BYTES = 10
/** Size above which the buffer for a parsed map is released after the record that needed it. */
const MAX_SCRATCH_BYTES = 256 * 1024
/** Factor for the growth of the last chunk, and bytes beside it: the bound of a parser is several times what it writes. */
const GROWTH_MARGIN = 1.1
const MIN_GROWTH_BYTES = 2048
const EMPTY = Buffer.alloc(0)

/** Replaces records by what parsers read in one of their fields. */
export class ParserFilter implements Filter {
  readonly #parsers: readonly Parser[]
  readonly #knownKeys: readonly (KnownKeys | undefined)[]
  /** Cursors: one, and as soon as there are blocks one for each record of these. */
  readonly #records: RecordText[]
  readonly #newRecord: () => RecordText
  #record: RecordText
  readonly #block: TextBlock
  readonly #map: ParsedMap
  readonly #unmatched: UnmatchedRecords
  readonly #keepsTime: boolean
  readonly #ctx: FilterContext
  readonly #out: EntryOutput
  readonly #writer: EntryWriter = { buf: EMPTY, at: 0, sec: 0, nsec: 0, extraPairs: 0 }
  /** Buffer for a parsed map that cannot be written where it belongs. */
  #scratch: Buffer = EMPTY
  #timeFailures = 0
  /** Offset in the chunk of the entries that are not copied yet, and the number of entries. */
  #from = 0
  #count = 0
  #hasBegun = false
  /** Bytes by which the entries of the last chunk grew, for each byte of them. */
  #growth = 0

  constructor(options: ParserFilterOptions, ctx: FilterContext) {
    this.#ctx = ctx
    this.#parsers = options.parser.map((name) => ctx.parser(name, USE))
    this.#knownKeys = this.#parsers.map(({ keys }) => (keys === undefined ? undefined : new KnownKeys(keys)))
    const kept = { others: options.reserveData, parsed: options.preserveKey }
    this.#newRecord = () => new RecordText(options.keyName, kept)
    this.#record = this.#newRecord()
    this.#records = [this.#record]
    this.#block = new TextBlock(this.#parsers[0] as Parser)
    this.#map = new ParsedMap(options)
    this.#unmatched = new UnmatchedRecords(options.unmatched, options.reserveData, ctx)
    this.#keepsTime = options.reserveTime
    this.#out = new EntryOutput(ctx.buffers)
  }

  apply(chunk: Chunk, deferral: Deferral): void {
    try {
      this.#apply(chunk, deferral)
    } catch (error) {
      this.#out.abandon()
      this.#unmatched.abandon(deferral)
      throw error
    }
    this.#countTimes()
  }

  #apply(chunk: Chunk, deferral: Deferral): void {
    const { buf, start, end } = chunk
    const out = this.#out
    this.#from = start
    this.#count = 0
    this.#hasBegun = false
    for (let at = start; at < end; ) at = this.#applyBlock(chunk, at, deferral)
    this.#unmatched.send(chunk, deferral)
    if (this.#from === start) {
      out.abandon()
      return
    }
    out.copy(buf, this.#from, end)
    this.#growth = Math.max(0, out.at - out.start - (end - start)) / (end - start)
    out.finish(chunk, this.#count)
  }

  /** Rewrites the next entries from `at` on: one, or those whose texts are parsed at once. Returns the offset after them. */
  #applyBlock(chunk: Chunk, at: number, deferral: Deferral): number {
    const { buf, end } = chunk
    const block = this.#block
    const size = this.#map.isPlain && block.begin(chunk.count) ? this.#fill(buf, at, end) : 0
    if (size === 0) {
      const record = this.#records[0] as RecordText
      record.read(buf, at, end)
      this.#applyTo(record, chunk, at, false, deferral)
      return record.end
    }
    const isParsed = block.run()
    let next = at
    for (let i = 0; i < size; i++) {
      const record = this.#records[i] as RecordText
      this.#applyTo(record, chunk, next, isParsed && record.isInBlock, deferral)
      next = record.end
    }
    return next
  }

  /** Reads entries from `at` on and adds their texts to the block until it is full; returns their number. */
  #fill(buf: Buffer, at: number, end: number): number {
    const block = this.#block
    while (this.#records.length < MAX_TEXTS) this.#records.push(this.#newRecord())
    let next = at
    let size = 0
    while (next < end && size < MAX_TEXTS && !block.isFull) {
      const record = this.#records[size++] as RecordText
      record.read(buf, next, end)
      record.isInBlock = record.textAt >= 0 && block.add(buf, record.textAt, record.textEnd)
      next = record.end
    }
    return size
  }

  /** Rewrites the entry at `at`. One that stays as it is, is copied when one that does not has been written. */
  #applyTo(record: RecordText, chunk: Chunk, at: number, isInBlock: boolean, deferral: Deferral): void {
    const { buf } = chunk
    this.#record = record
    if (record.textAt >= 0) {
      this.#begin(chunk)
      if (isInBlock ? this.#writeNext(buf, at) : this.#write(buf, at, 0)) {
        this.#from = record.end
        this.#count++
        return
      }
      this.#ctx.counters.add('parse_failed')
    }
    if (record.map < 0 || this.#unmatched.passes(buf, at, record.end, chunk.tag, deferral)) {
      this.#count++
      return
    }
    this.#begin(chunk)
    this.#out.copy(buf, this.#from, at)
    this.#from = record.end
  }

  #begin(chunk: Chunk): void {
    if (!this.#hasBegun) this.#out.begin(chunk, this.#growthOf(chunk))
    this.#hasBegun = true
  }

  /** Returns by how many bytes the entries of the chunk may grow, as those of the last one did. */
  #growthOf(chunk: Chunk): number {
    return Math.ceil(chunk.size * this.#growth * GROWTH_MARGIN) + MIN_GROWTH_BYTES
  }

  /** Writes the entry at `at`, whose text is the next one of the block, like `#write`. */
  #writeNext(buf: Buffer, at: number): boolean {
    const block = this.#block
    if (!block.next()) return this.#write(buf, at, 1)
    const out = this.#out
    const map = this.#map
    const record = this.#record
    const before = record.map - this.#from
    map.read(buf, record, block, this.#knownKeys[0])
    out.reserve(before + map.bound(block.end - block.map, 0, record))
    const mapAt = copyBytes(buf, this.#from, record.map, out.buf, out.at)
    out.at = map.writeRead(buf, record, block, out.buf, mapAt)
    if (block.isTimed && !this.#keepsTime) this.#setTime(mapAt - (record.map - at), block.sec, block.nsec)
    return true
  }

  /**
   * Writes the entry at `at` after those since `#from`, parsed by one of the parsers from `first` on. Returns false, and writes nothing,
   * when none of them matches.
   */
  #write(buf: Buffer, at: number, first: number): boolean {
    const { map, textAt, textEnd, keptBytes, keptPairs } = this.#record
    const out = this.#out
    const from = this.#from
    const before = map - from
    for (let i = first; i < this.#parsers.length; i++) {
      const parser = this.#parsers[i] as Parser
      const bound = parser.bound(textEnd - textAt)
      // Most maps are parsed to where they belong. Near the end of the buffer, the bound would make it grow for nothing.
      const target = out.at + before
      const fits = this.#map.isPlain && target + bound + keptBytes + TAIL_ROOM <= out.buf.length
      const isParsed = fits
        ? this.#parse(parser, buf, out.buf, target, keptPairs)
        : this.#parse(parser, buf, this.#scratchOf(bound), 0, 0)
      if (!isParsed) continue
      out.reserve(before)
      const mapAt = copyBytes(buf, from, map, out.buf, out.at)
      out.at = mapAt
      if (fits)
        out.at = this.#map.append(buf, this.#record, out.buf, mapAt, this.#writer.at, this.#knownKeys[i])
      else this.#writeFromScratch(buf)
      if (this.#writer.sec !== NO_TIME && !this.#keepsTime) {
        const { sec, nsec } = this.#writer
        this.#setTime(mapAt - (map - at), sec, nsec)
      }
      return true
    }
    return false
  }

  #parse(parser: Parser, src: Buffer, buf: Buffer, at: number, extraPairs: number): boolean {
    const writer = this.#writer
    writer.buf = buf
    writer.at = at
    writer.sec = NO_TIME
    writer.nsec = 0
    writer.extraPairs = extraPairs
    return parser.parse(src, this.#record.textAt, this.#record.textEnd, writer)
  }

  #scratchOf(bytes: number): Buffer {
    if (this.#scratch.length < bytes) this.#scratch = Buffer.allocUnsafeSlow(bytes * 2)
    return this.#scratch
  }

  #writeFromScratch(src: Buffer): void {
    const out = this.#out
    const scratch = this.#scratch
    const end = this.#writer.at
    out.reserve(this.#map.bound(end, mapPairs(scratch, 0), this.#record))
    out.at = this.#map.write(src, this.#record, scratch, end, out.buf, out.at)
    if (scratch.length > MAX_SCRATCH_BYTES) this.#scratch = EMPTY
  }

  /** Sets the time of the last entry, which is at `entry` in the output, to that of the text. */
  #setTime(entry: number, sec: number, nsec: number): void {
    const out = this.#out
    let time = out.buf[entry + 1] === PAIR ? entry + 2 : entry + 1
    if (out.buf[time] !== EVENT_TIME) time = this.#widenTime(time)
    out.buf[time] = EVENT_TIME
    out.buf[time + 1] = 0
    writeEventTime(out.buf, time + 2, sec, nsec)
  }

  /** Makes room for an EventTime in the place of a time in another format. */
  #widenTime(time: number): number {
    const out = this.#out
    out.reserve(EVENT_TIME_BYTES)
    const after = skip(out.buf, time, out.at)
    out.buf.copyWithin(time + EVENT_TIME_BYTES, after, out.at)
    out.at += time + EVENT_TIME_BYTES - after
    return time
  }

  #countTimes(): void {
    let failures = this.#block.timeFailures
    for (let i = 0; i < this.#parsers.length; i++) failures += this.#parsers[i]?.timeFailures ?? 0
    if (failures > this.#timeFailures) this.#ctx.counters.add('time_failed', failures - this.#timeFailures)
    this.#timeFailures = failures
  }
}
