import { type Chunk, headRoom, TAIL_ROOM } from '../../../core/chunk.ts'
import { ShipperError } from '../../../core/error.ts'
import {
  ENTRY_HEAD,
  encodeStr,
  skip,
  writeEntryHead,
  writeMapHead,
  writeStrHead,
} from '../../../core/msgpack/encode.ts'
import { closeMap, mapHeadSize } from '../../../core/msgpack/map-head.ts'
import { entryMap, findKey, mapBody, mapPairs, textEquals } from '../../../core/msgpack/record.ts'
import type { Deferral, Filter, FilterContext } from '../../../core/plugin.ts'
import { EventTime } from '../../../lib/records/event-time.ts'
import { mayHaveKey } from '../../../lib/records/may-have-key.ts'
import { ByteWriter } from '../../../lib/ruby/byte-writer.ts'
import { RubyFailure } from '../../../lib/ruby/failure.ts'
import { floatOf } from '../../../lib/ruby/methods.ts'
import { MAX_MADE_CHARS, MAX_MADE_PER_BYTE, type Scope, setTag } from '../../../lib/ruby/scope.ts'
import { readValue } from '../../../lib/ruby/values.ts'
import { isEventTime } from '../../../lib/time/civil.ts'
import { configuredPairs } from './configured-pairs.ts'
import { FailedRecords } from './failed-records.ts'
import type { Field } from './field.ts'
import { type KeyPath, parsePath, removePath } from './key-path.ts'
import { listOf, type RecordTransformerOptions } from './options.ts'
import { type ConfiguredPair, nameOf, TagPairs } from './pairs.ts'

const EMPTY = Buffer.alloc(0)
const NS = 1_000_000_000
/**
 * Space for the values of a record that are not the same for all records; the buffer grows if they need
 * more.
 */
const EXPECTED_VALUE_BYTES = 32

/** What stays the same while a chunk is transformed. */
interface Pass {
  buf: Buffer
  out: ByteWriter
  pairs: TagPairs
  /** True when pairs only follow the fields of the records. */
  appends: boolean
}

/** Adds and removes fields as fluentd's filter record_transformer does. */
export class RecordTransformer implements Filter {
  readonly #ctx: FilterContext
  readonly #options: RecordTransformerOptions
  readonly #configured: ConfiguredPair[]
  readonly #kept: Buffer[]
  /** Keys that are removed from the record itself, as names and as MessagePack. */
  readonly #removed: { name: Buffer; encoded: Buffer }[] = []
  readonly #nested: KeyPath[] = []
  readonly #timeKey: Buffer | undefined
  readonly #scope: Scope
  readonly #failed: FailedRecords
  readonly #time = new EventTime()
  /** Values of the current record. */
  readonly #values = new ByteWriter()
  #names: (Buffer | undefined)[] = []
  #starts: number[] = []
  #ends: number[] = []
  #isWritten: boolean[] = []
  #tagPairs: TagPairs | undefined
  /** Pair whose value is being made, for messages. */
  #current = ''

  constructor(options: RecordTransformerOptions, ctx: FilterContext) {
    this.#ctx = ctx
    this.#options = options
    const keep = listOf(options.keepKeys)
    if (keep.length > 0 && !options.renewRecord) {
      const hint = 'set Renew_Record, or remove Keep_Keys'
      throw new ShipperError('E_CONFIG_BAD_VALUE', '"keep_keys" needs "renew_record"', {
        hint,
        option: 'keep_keys',
      })
    }
    this.#kept = [...new Set(keep)].map((key) => Buffer.from(key))
    for (const text of listOf(options.removeKeys)) {
      const path = parsePath(text)
      if (typeof path === 'string') continue
      const [first] = path
      if (path.length > 1 || typeof first === 'number') this.#nested.push(path)
      else this.#removed.push({ name: first as Buffer, encoded: encodeStr((first as Buffer).toString()) })
    }
    this.#timeKey = options.renewTimeKey === undefined ? undefined : Buffer.from(options.renewTimeKey)
    this.#configured = configuredPairs(options, ctx)
    this.#failed = new FailedRecords(ctx)
    this.#scope = {
      buf: EMPTY,
      map: 0,
      end: 0,
      sec: 0,
      nsec: 0,
      tag: '',
      tagParts: [],
      tagPrefix: [],
      tagSuffix: [],
      hostname: ctx.agent?.hostname ?? '',
      nowMs: () => ctx.clock.nowMs(),
      budget: 0,
    }
  }

  apply(chunk: Chunk, deferral: Deferral): void {
    const pairs = this.#pairsOf(chunk.tag)
    const head = headRoom(chunk.tag)
    const perRecord = pairs.fixedBytes + pairs.pairs.length * EXPECTED_VALUE_BYTES + ENTRY_HEAD
    const out = new ByteWriter(head + chunk.size + chunk.count * perRecord + TAIL_ROOM, this.#ctx.buffers)
    out.at = head
    const { buf, end } = chunk
    const pass = { buf, out, pairs, appends: this.#onlyAppends(chunk, pairs) }
    let count = 0
    for (let at = chunk.start; at < end; ) {
      const next = skip(buf, at, end)
      if (this.#add(at, next, chunk, deferral, pass)) count++
      at = next
    }
    this.#scope.buf = EMPTY
    out.reserve(TAIL_ROOM)
    if (count > 0) chunk.replace(out.buf, head, out.at, count)
    else {
      this.#ctx.buffers.give(out.buf)
      chunk.replace(EMPTY, 0, 0, 0)
    }
    this.#failed.send(chunk, deferral)
  }

  #pairsOf(tag: string): TagPairs {
    if (this.#tagPairs?.tag === tag) return this.#tagPairs
    setTag(this.#scope, tag)
    this.#scope.budget = MAX_MADE_CHARS
    this.#tagPairs = new TagPairs(this.#configured, this.#scope)
    return this.#tagPairs
  }

  /** Returns true when the fields of all records stay as they are, and pairs only follow them. */
  #onlyAppends(chunk: Chunk, pairs: TagPairs): boolean {
    if (this.#options.renewRecord || this.#timeKey !== undefined || this.#nested.length > 0) return false
    if (!pairs.hasFixedKeys || pairs.mayReplace(chunk)) return false
    return !this.#removed.some(
      ({ name, encoded }) =>
        mayHaveKey(chunk, encoded) || pairs.pairs.some((pair) => pair.name?.equals(name)),
    )
  }

  /** Writes one record; throws RubyFailure when an expression fails on it. */
  #transform(at: number, map: number, next: number, { buf, out, pairs, appends }: Pass): void {
    const scope = this.#scope
    scope.buf = buf
    scope.map = map
    scope.end = next
    scope.budget = MAX_MADE_CHARS + MAX_MADE_PER_BYTE * (next - at)
    this.#time.read(buf, at)
    scope.sec = this.#time.sec
    scope.nsec = this.#time.nsec
    if (appends) this.#append(buf, at, map, next, out, pairs)
    else this.#rebuild(buf, at, map, next, out, pairs)
  }

  /** Writes one record. Returns false when it has failed and goes elsewhere. */
  #add(at: number, next: number, chunk: Chunk, deferral: Deferral, pass: Pass): boolean {
    const { buf, out } = pass
    const map = entryMap(buf, at, chunk.end)
    const before = out.at
    try {
      if (map >= 0) this.#transform(at, map, next, pass)
      else out.copy(buf, at, next)
      return true
    } catch (error) {
      if (!(error instanceof RubyFailure)) throw error
      out.at = before
      if (this.#failed.take(buf, at, next, chunk.tag, deferral, this.#current, error)) return false
      out.copy(buf, at, next)
      return true
    }
  }

  #append(
    buf: Buffer,
    at: number,
    map: number,
    next: number,
    out: ByteWriter,
    { pairs, runs }: TagPairs,
  ): void {
    const body = mapBody(buf, map)
    out.reserve(next - at + 5)
    out.at += buf.copy(out.buf, out.at, at, map)
    out.at = writeMapHead(out.buf, out.at, mapPairs(buf, map) + pairs.length)
    out.at += buf.copy(out.buf, out.at, body, next)
    for (const run of runs) {
      if (run instanceof Uint8Array) out.copy(run, 0, run.length)
      else {
        const key = run.encodedKey as Buffer
        out.copy(key, 0, key.length)
        this.#current = run.source
        run.value.write(this.#scope, out)
      }
    }
  }

  #rebuild(buf: Buffer, at: number, map: number, next: number, out: ByteWriter, pairs: TagPairs): void {
    this.#makeValues(pairs)
    out.reserve(next - at + this.#values.at + ENTRY_HEAD + 5)
    if (!this.#writeTime(buf, map, next, out)) out.at += buf.copy(out.buf, out.at, at, map)
    const headAt = out.at
    const isRenewed = this.#options.renewRecord
    const bound = (isRenewed ? this.#kept.length : mapPairs(buf, map)) + this.#names.length
    const body = headAt + mapHeadSize(bound)
    out.at = body
    const base = isRenewed ? this.#writeKept(buf, map, next, out) : this.#writeOwn(buf, map, next, out)
    const count = base + this.#writeNew(out)
    // Fewer pairs than expected move the body towards the head, more are impossible.
    out.at = closeMap(out.buf, headAt, body, out.at, count)
    for (const path of this.#nested) out.at = removePath(out.buf, headAt, out.at, path)
  }

  /** Makes keys and values of the pairs; of several with one key the last value counts. */
  #makeValues({ pairs, hasFixedKeys }: TagPairs): void {
    const values = this.#values
    values.reset()
    this.#names.length = this.#starts.length = this.#ends.length = this.#isWritten.length = 0
    for (const pair of pairs) {
      this.#current = pair.source
      const name = pair.name ?? this.#keyOf(pair.key)
      const start = values.at
      if (pair.valueBytes === undefined) pair.value.write(this.#scope, values)
      else values.copy(pair.valueBytes, 0, pair.valueBytes.length)
      const same = hasFixedKeys ? -1 : this.#names.findIndex((other) => other?.equals(name))
      const i = same < 0 ? this.#names.length : same
      this.#names[i] = name
      this.#starts[i] = start
      this.#ends[i] = values.at
      this.#isWritten[i] = false
    }
  }

  #keyOf(key: Field): Buffer {
    const out = new ByteWriter(64)
    key.write(this.#scope, out)
    return nameOf(out.buf.subarray(0, out.at))
  }

  /** Writes the head of the entry with the time of Renew_Time_Key; returns false when the record has none. */
  #writeTime(buf: Buffer, map: number, next: number, out: ByteWriter): boolean {
    const key = this.#timeKey
    if (key === undefined) return false
    this.#current = `renew_time_key ${key}`
    const i = this.#names.findIndex((name) => name?.equals(key))
    const isOwn = !this.#options.renewRecord || this.#kept.some((kept) => kept.equals(key))
    const at = i >= 0 ? (this.#starts[i] as number) : isOwn ? findKey(buf, map, next, key) : -1
    if (at < 0) return false
    const value = floatOf(readValue(i >= 0 ? this.#values.buf : buf, at, i >= 0 ? this.#values.at : next))
    if (!isEventTime(Math.floor(value))) throw new RubyFailure('the seconds are not a time of a record')
    const sec = Math.floor(value)
    out.at = writeEntryHead(out.buf, out.at, sec, Math.floor((value - sec) * NS))
    return true
  }

  /** Copies the fields of the record without removed ones, with new values in the place of replaced ones. */
  #writeOwn(buf: Buffer, map: number, next: number, out: ByteWriter): number {
    let count = 0
    let at = mapBody(buf, map)
    for (let left = mapPairs(buf, map); left > 0; left--) {
      const value = skip(buf, at, next)
      const end = skip(buf, value, next)
      const replaced = this.#indexOf(buf, at)
      if (!this.#isRemoved(buf, at)) {
        if (replaced < 0) out.copy(buf, at, end)
        // Of several fields with one key the first is replaced and the others are left out.
        else if (!this.#isWritten[replaced]) this.#writeValue(buf, at, value, replaced, out)
        else count--
        count++
      }
      at = end
    }
    return count
  }

  /** Copies the fields of Keep_Keys, in their order. */
  #writeKept(buf: Buffer, map: number, next: number, out: ByteWriter): number {
    let count = 0
    for (const name of this.#kept) {
      const value = findKey(buf, map, next, name)
      if (value < 0 || this.#removed.some((removed) => removed.name.equals(name))) continue
      writeKey(name, out)
      const replaced = this.#names.findIndex((other) => other?.equals(name))
      if (replaced < 0) out.copy(buf, value, skip(buf, value, next))
      else {
        this.#isWritten[replaced] = true
        out.copy(this.#values.buf, this.#starts[replaced] as number, this.#ends[replaced] as number)
      }
      count++
    }
    return count
  }

  #writeValue(buf: Buffer, key: number, keyEnd: number, i: number, out: ByteWriter): void {
    this.#isWritten[i] = true
    out.copy(buf, key, keyEnd)
    out.copy(this.#values.buf, this.#starts[i] as number, this.#ends[i] as number)
  }

  /** Writes the pairs that have replaced nothing. */
  #writeNew(out: ByteWriter): number {
    let count = 0
    for (let i = 0; i < this.#names.length; i++) {
      const name = this.#names[i] as Buffer
      if (this.#isWritten[i] || this.#removed.some((removed) => removed.name.equals(name))) continue
      writeKey(name, out)
      out.copy(this.#values.buf, this.#starts[i] as number, this.#ends[i] as number)
      count++
    }
    return count
  }

  #indexOf(buf: Buffer, key: number): number {
    for (let i = 0; i < this.#names.length; i++) if (textEquals(buf, key, this.#names[i] as Buffer)) return i
    return -1
  }

  #isRemoved(buf: Buffer, key: number): boolean {
    for (const { name } of this.#removed) if (textEquals(buf, key, name)) return true
    return false
  }
}

/** Writes a key, whose bytes need not be UTF-8. */
function writeKey(name: Buffer, out: ByteWriter): void {
  out.reserve(name.length + 5)
  out.at = writeStrHead(out.buf, out.at, name.length)
  out.at += name.copy(out.buf, out.at)
}
