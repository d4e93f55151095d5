import { InputBlock, instantiate, lazyShared, type WasmExports } from './instance.ts'
import { WASM } from './records.wasm.ts'

/** What a value is made of; the numbers are those of assembly/records/records.ts. */
const FORMATS = { raw: 0, map: 1, timed: 2, json: 3 } as const
const TIMES = { double: 0, iso8601: 1, iso8601_ns: 2 } as const

/** What the records of an output have in common. */
export interface RecordForm {
  format: keyof typeof FORMATS
  /** raw: the key of the pair whose value is sent. */
  name?: Buffer
  /** Before the time in a value; json without it has no time. */
  head?: Buffer
  time?: keyof typeof TIMES
}

/** The batch that the records are for. */
interface BatchState {
  count: number
  baseMs: number
  maxMs: number
}

/** Where things are in its memory, and their sizes: assembly/records/memory.ts. */
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
 * Turns entries of a chunk into records of a Kafka batch, as `Kernel` does lines: byte for byte what the output writes
 * without it, but for what is not usual. It stops before an entry whose time is no EventTime, that has more than 16 KB, a
 * value or nesting that logs rarely have, or, where text is to be made of it, bytes that are not UTF-8.
 *
 * One for the process: `use` and the `run`s after it happen in one turn. A quarter of a megabyte.
 */
export class RecordEncoder {
  /** The offset in the chunk up to which entries were taken by the last run. */
  consumed = 0
  /** Records written by the last run, and the latest time of the batch behind it. */
  records = 0
  maxMs = 0
  readonly output: Buffer
  readonly #block: InputBlock
  readonly #fixed: Buffer[]
  readonly #exports: Exports

  constructor() {
    const { exports: x, part } = instantiate<Exports>(WASM)
    this.#exports = x
    this.#block = new InputBlock(part(x.IN, x.IN_BYTES))
    this.output = part(x.OUT, x.OUT_BYTES)
    this.#fixed = [x.NAME, x.KEY, x.HEAD].map((at) => part(at, x.FIXED_BYTES))
  }

  /** For the runs over one chunk. False: its fixed parts are too large for it. */
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
   * Writes records of the entries of chunk[at, end) to `output`, as many as are usual ones in a row, have room there and
   * in `room`; returns how many bytes. The batch has one record or more already.
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
