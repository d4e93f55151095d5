import type { Chunk } from '../../../core/chunk.ts'
import { ShipperError } from '../../../core/error.ts'
import { ENTRY_HEAD, skip, writeEventTime } from '../../../core/msgpack/encode.ts'
import { mapPairs } from '../../../core/msgpack/record.ts'
import type { Deferral, Filter, FilterContext } from '../../../core/plugin.ts'
import type { Clock } from '../../../core/services.ts'
import { FailedRecords } from '../../../lib/plugin/failed-records.ts'
import { EntryOutput } from '../../../lib/records/entry-output.ts'
import { bodyAt } from '../../../lib/records/entry-parts.ts'
import { EventTime } from '../../../lib/records/event-time.ts'
import { ObjectDecoder } from '../../../lib/records/object-decoder.ts'
import { checkFile, failureText, loadFunction, pathOf, type UserFunction } from './load.ts'
import type { ScriptOptions } from './options.ts'
import { badResult, kindOf, lengthOf, ValueWriter } from './value-writer.ts'

/** Codes of a result, as those of the filter lua. */
const DROP = -1
const KEEP = 0
const TIME_AND_RECORD = 1
const RECORD = 2

const PAIR = 0x92
/** Bytes of the objects that are made for a record, for each byte of it. */
const GARBAGE_PER_BYTE = 4
/** When the records of a chunk have grown to this size, they are sent on as a chunk of their own: their number is not bounded. */
const PART_BYTES = 16_000_000
const MAX_SECONDS = 2 ** 32
const NS_PER_S = 1_000_000_000n
const MS_PER_S = 1000

/** Calls a function of the user's with each record, and makes of the record what it returns. */
export class ScriptFilter implements Filter {
  readonly #options: ScriptOptions
  readonly #failures: FailedRecords
  readonly #path: string
  readonly #ctx: FilterContext
  readonly #decoder = new ObjectDecoder()
  readonly #out: EntryOutput
  readonly #writer: ValueWriter
  readonly #time = new EventTime()
  readonly #newTime = { sec: 0, nsec: 0 }
  readonly #clock: Clock
  #call: UserFunction | undefined
  /** True when a record of the chunk is not what it was. */
  #isChanged = false

  /** `call`: the function, instead of that of the file. */
  constructor(options: ScriptOptions, ctx: FilterContext, call?: UserFunction) {
    this.#call = call
    this.#ctx = ctx
    this.#options = options
    this.#failures = new FailedRecords(options.onError, ctx)
    this.#path = pathOf(options.script, ctx.configFolder)
    this.#clock = ctx.clock
    this.#out = new EntryOutput(ctx.buffers)
    this.#writer = new ValueWriter(this.#out)
  }

  /** Throws what the start would fail with, as far as that shows without running the file. */
  check(): void {
    if (this.#call === undefined) checkFile(this.#path)
  }

  async start(): Promise<void> {
    this.check()
    this.#call ??= await loadFunction(this.#path, this.#options.call, this.#clock)
  }

  apply(chunk: Chunk, deferral: Deferral): void {
    const { buf, start, end, size } = chunk
    const out = this.#out
    out.begin(chunk, 0)
    this.#isChanged = false
    this.#decoder.open(buf)
    let count = 0
    let parts = 0
    try {
      for (let at = start; at < end; ) {
        const next = skip(buf, at, end)
        // What is not MessagePack has no end, and goes on as it is.
        const entryEnd = next < 0 ? end : next
        count += this.#entry(chunk, at, entryEnd)
        at = entryEnd
        if (out.at - out.start < size + PART_BYTES) continue
        this.#sendPart(chunk, count, parts++, deferral)
        count = 0
        out.begin(chunk, 0)
      }
    } catch (error) {
      out.abandon()
      throw error
    }
    if (this.#isChanged) out.finish(chunk, count)
    else out.abandon()
    this.#ctx.leftGarbage?.(size * GARBAGE_PER_BYTE)
  }

  /** Sends on what is written. The chunk, which follows, does not settle before it. */
  #sendPart(chunk: Chunk, count: number, part: number, deferral: Deferral): void {
    const { tag, input, id, hasMetadata, rewrites, branch } = chunk
    const { start, at: end } = this.#out
    const buf = this.#out.take()
    chunk.reroutedRecords += count
    chunk.reroutedBytes += buf.length
    const about = { tag, input, id: `${id}+part${part}`, inputBytes: 0, hasMetadata, rewrites, branch }
    this.#ctx.emit({ ...about, buf, start, end, count }, deferral.buffers, deferral.defer())
  }

  /** Writes what becomes of the entry at `at`, and returns the number of records. */
  #entry(chunk: Chunk, at: number, end: number): number {
    const { buf, tag } = chunk
    const out = this.#out
    const body = bodyAt(buf, at, end)
    if (body < 0 || mapPairs(buf, body) < 0) {
      out.copy(buf, at, end)
      return 1
    }
    const begun = out.at
    try {
      return this.#result(this.#run(buf, tag, at, body), chunk, at, body, end)
    } catch (error) {
      out.at = begun
      return this.#failed(chunk, at, end, error)
    }
  }

  #run(buf: Buffer, tag: string, at: number, body: number): unknown {
    const record = this.#decoder.decodeAt(body)
    this.#time.read(buf, at)
    const { sec, nsec } = this.#time
    const time = this.#options.timeAs === 'seconds' ? sec + nsec / 1e9 : BigInt(sec) * NS_PER_S + BigInt(nsec)
    return (this.#call as UserFunction)(tag, time, record)
  }

  /** Writes the records of a result, and returns their number; throws for a result of another form. */
  #result(result: unknown, chunk: Chunk, at: number, body: number, end: number): number {
    const { buf } = chunk
    if (!Array.isArray(result)) throw noResult(result)
    const [code, time, records] = result as unknown[]
    if (code === KEEP) {
      this.#out.copy(buf, at, end)
      return 1
    }
    this.#isChanged = true
    if (code === DROP) return 0
    if (code !== TIME_AND_RECORD && code !== RECORD)
      throw badResult(`the code is ${typeof code === 'number' ? code : kindOf(code)}, not -1, 0, 1 or 2`)
    const hasTime = code === TIME_AND_RECORD
    if (hasTime) readTime(time, this.#newTime)
    this.#writer.begin(chunk, end, this.#decoder)
    if (!Array.isArray(records)) {
      this.#record(records, hasTime, buf, at, body)
      return 1
    }
    // Not `for of`: the length may be that of a list without items.
    const length = lengthOf(records)
    for (let i = 0; i < length; i++) this.#record(records[i], hasTime, buf, at, body)
    return length
  }

  /** Writes an entry with the head of the one at `at`, whose map is at `body`. */
  #record(record: unknown, hasTime: boolean, buf: Buffer, at: number, body: number): void {
    const out = this.#out
    if (!hasTime) out.copy(buf, at, body)
    else {
      const { sec, nsec } = this.#newTime
      const isSame = sec === this.#time.sec && nsec === this.#time.nsec
      const inner = buf[at + 1] === PAIR ? at + 1 : at
      const after = isSame ? inner + 1 : skip(buf, inner + 1, body)
      out.copy(buf, at, inner + 1)
      out.reserve(ENTRY_HEAD)
      if (!isSame) {
        out.buf[out.at] = 0xd7
        out.buf[out.at + 1] = 0
        writeEventTime(out.buf, out.at + 2, sec, nsec)
        out.at += ENTRY_HEAD - 1
      }
      out.copy(buf, after, body)
    }
    this.#writer.record(record, body)
  }

  /** Does what On_Error says with a record; returns the number of records that are passed on. */
  #failed(chunk: Chunk, at: number, end: number, error: unknown): number {
    const reason = new ShipperError('E_FILTER_FAILED', failureText(error), {
      hint: 'fix the script; see docs/plugins/filter-script.md for what its function may return',
    })
    if (this.#failures.handle(chunk, at, end, reason)) {
      this.#out.copy(chunk.buf, at, end)
      return 1
    }
    this.#isChanged = true
    return 0
  }
}

/** Returns the error of a result that is no list. A promise is left to end on its own: its rejection must not end the agent. */
function noResult(result: unknown): ShipperError {
  if (result instanceof Promise) {
    result.catch(() => undefined)
    return badResult('the function returned a promise: it must not be async')
  }
  return badResult(`the function returned ${kindOf(result)}, not a list [code, time, record]`)
}

/** Reads the time of a result: seconds, nanoseconds as a BigInt, or a Date. */
function readTime(time: unknown, to: { sec: number; nsec: number }): void {
  if (typeof time === 'bigint') {
    to.sec = Number(time / NS_PER_S)
    to.nsec = Number(time % NS_PER_S)
  } else {
    const seconds = time instanceof Date ? time.getTime() / MS_PER_S : time
    if (typeof seconds !== 'number') throw badResult(`the time is ${kindOf(time)}, not a number of seconds`)
    to.sec = Math.floor(seconds)
    to.nsec = Math.round((seconds - to.sec) * 1e9)
    if (to.nsec === 1e9) {
      to.sec++
      to.nsec = 0
    }
  }
  if (!(to.sec >= 0 && to.sec < MAX_SECONDS && to.nsec >= 0))
    throw badResult(`the time ${String(time)} is not from 1970 to 2106`)
}
