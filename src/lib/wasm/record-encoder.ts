import { InputBlock, lazyShared, type WasmExports } from './instance.ts'
import { instantiateRecords } from './records-module.ts'

/** Formats of a value, with the numbers of assembly/records/records.ts. */
const FORMATS = { raw: 0, map: 1, timed: 2, json: 3 } as const
const TIMES = { double: 0, iso8601: 1, iso8601_ns: 2 } as const

/** The parts that all records of an output have in common. */
export interface RecordForm {
  format: keyof typeof FORMATS
  /** Key of the pair whose value is sent, for raw. */
  name?: Buffer
  /** Bytes before the time in a value; json without them has no time. */
  head?: Buffer
  time?: keyof typeof TIMES
}

/** State of the batch to which records are added. */
interface BatchState {
  count: number
  baseMs: number
  maxMs: number
}

/** Exports of the module; assembly/records/memory.ts describes the memory regions. */
interface Exports extends WasmExports {
  NAME: WebAssembly.Global
  KEY: WebAssembly.Global
  HEAD: WebAssembly.Global
  FIXED_BYTES: WebAssembly.Global
  IN: WebAssembly.Global
  IN_BYTES: WebAssembly.Global
  OUT: WebAssembly.Global
  OUT_BYTES: WebAssembly.Global
  consumed: WebAssembly.Global
  taken: WebAssembly.Global
  maxMs: WebAssembly.Global
  setup(form: number, name: number, key: number, head: number, time: number): void
  records(start: number, end: number, room: number, count: number, baseMs: number, latestMs: number): number
}

const EMPTY = Buffer.alloc(0)

/**
 * Turns entries of a chunk into records of a Kafka batch, as LineEncoder does lines: its output equals, byte for byte, that
 * of the output without it. It stops before an entry whose time is not an EventTime, that has more than 16 KB, a value or
 * nesting that is rare in logs, or, for a text format, bytes that are not UTF-8; the caller writes that one (see FastPath).
 *
 * One instance per process: `use` and the calls of `run` after it happen without an await. A quarter of a megabyte.
 */
export class RecordEncoder {
  /** Offset in the chunk up to which the last run took entries. */
  consumed = 0
  /** Number of records that the last run wrote, and the latest time in the batch after it. */
  records = 0
  maxMs = 0
  readonly output: Buffer
  readonly #block: InputBlock
  readonly #fixed: Buffer[]
  readonly #exports: Exports

  constructor() {
    const { exports: x, region } = instantiateRecords<Exports>()
    this.#exports = x
    this.#block = new InputBlock(region(x.IN, x.IN_BYTES))
    this.output = region(x.OUT, x.OUT_BYTES)
    this.#fixed = [x.NAME, x.KEY, x.HEAD].map((at) => region(at, x.FIXED_BYTES))
  }

  /** Sets the form of the runs over one chunk. Returns false when its fixed parts are too large. */
  use(form: RecordForm, key: Buffer | undefined): boolean {
    const { name = EMPTY, head = EMPTY, time = 'double' } = form
    const fixed = [name, key ?? EMPTY, head]
    if (fixed.some((bytes, i) => bytes.length > (this.#fixed[i] as Buffer).length)) return false
    for (const [i, bytes] of fixed.entries()) bytes.copy(this.#fixed[i] as Buffer)
    this.#exports.setup(FORMATS[form.format], name.length, key?.length ?? -1, head.length, TIMES[time])
    this.#block.clear()
    return true
  }

  /**
   * Writes records of the entries of chunk[at, end) to `output`, up to the first that it does not know or that does not fit
   * `output` or `room` bytes; returns the number of bytes. The batch has at least one record already.
   */
  run(chunk: Buffer, at: number, end: number, room: number, batch: BatchState): number {
    const [x, block] = [this.#exports, this.#block]
    const { count, baseMs, maxMs } = batch
    let size = 0
    block.run(chunk, at, end, () => {
      size = x.records(at - block.from, block.to - block.from, room, count, baseMs, maxMs)
      return x.taken.value > 0
    })
    this.consumed = block.from + x.consumed.value
    this.records = x.taken.value
    this.maxMs = x.maxMs.value
    return size
  }
}

export const sharedRecordEncoder = lazyShared(() => new RecordEncoder())
