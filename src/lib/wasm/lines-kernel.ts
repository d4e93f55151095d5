import { InputBlock, lazyShared, type WasmExports } from './instance.ts'
import { instantiateRecords } from './records-module.ts'

/** Forms of the second of a time, with the numbers of assembly/records/time.ts. */
const SECONDS = { number: 0, T: 1, blank: 2, given: 3 } as const
const MAX_PAIRS = 16
/** Longest text of a second. */
const MAX_SECOND_BYTES = 900
const SIZEOF_PAIR = 16
const SIZEOF_KEY = 8
/** Least number of ids that are copied for a run. */
const MIN_IDS = 64

/** A pair before those of a record: its text `"key":value`, without the value when that is the time, and its key. */
interface FixedPair {
  text: Buffer
  key: Buffer
}

/** The parts that all lines have in common. */
interface LineForm {
  infix: Buffer
  suffix: Buffer
  hasIds: boolean
  /** `infix`: the time is before the infix; a number: it is the value of that pair. */
  time: 'infix' | number | undefined
  quoted: boolean
  second: keyof typeof SECONDS
  digits: number
  point: boolean
  zone: boolean
  pairs: readonly FixedPair[]
  omitted: readonly Buffer[]
  undots: boolean
}

/** Exports of the module; assembly/records/memory.ts describes the memory regions. */
interface Exports extends WasmExports {
  IN: WebAssembly.Global
  IN_BYTES: WebAssembly.Global
  OUT: WebAssembly.Global
  OUT_BYTES: WebAssembly.Global
  PARTS: WebAssembly.Global
  PARTS_BYTES: WebAssembly.Global
  PREFIX_BYTES: WebAssembly.Global
  PAIRS: WebAssembly.Global
  PAIRS_BYTES: WebAssembly.Global
  ID_BYTES: WebAssembly.Global
  IDS: WebAssembly.Global
  IDS_BYTES: WebAssembly.Global
  ENDS: WebAssembly.Global
  ENDS_BYTES: WebAssembly.Global
  MAX_LINES: WebAssembly.Global
  TIME: WebAssembly.Global
  FIXED_BYTES: WebAssembly.Global
  linesConsumed: WebAssembly.Global
  linesTaken: WebAssembly.Global
  needsSecond: WebAssembly.Global
  setLine(infix: number, suffix: number, id: number, time: boolean, first: boolean, undots: boolean): void
  setPairs(pairs: number, omitted: number, time: number, quoted: boolean): void
  setPrefix(size: number, first: number, last: number): void
  setTime(second: number, digits: number, point: boolean, zone: boolean): void
  setSecond(sec: number, size: number): void
  lines(start: number, end: number, room: number, limit: number): number
}

/**
 * Turns entries of a chunk into lines of JSON as JsonLines does, byte for byte. It stops before an entry whose time is not an
 * EventTime, that has more than 16 KB, a value or nesting that is rare in logs, a key twice, or bytes that are not UTF-8.
 *
 * One instance per process: `use` and the calls of `run` after it happen without an await. A third of a megabyte.
 */
export class LinesKernel {
  /** Offset in the chunk up to which the last run took entries, and their number. */
  consumed = 0
  taken = 0
  /** True when the next entry needs `setPrefix` or `setSecond`. */
  needsSecond = false
  readonly output: Buffer
  readonly #block: InputBlock
  readonly #parts: Buffer
  readonly #pairs: Buffer
  readonly #ids: Buffer
  readonly #ends: Buffer
  readonly #time: Buffer
  readonly #idBytes: number
  readonly #prefixBytes: number
  readonly #maxLines: number
  readonly #exports: Exports
  #hasIds = false

  constructor() {
    const { exports: x, region } = instantiateRecords<Exports>()
    this.#exports = x
    this.#block = new InputBlock(region(x.IN, x.IN_BYTES))
    this.output = region(x.OUT, x.OUT_BYTES)
    this.#parts = region(x.PARTS, x.PARTS_BYTES)
    this.#pairs = region(x.PAIRS, x.PAIRS_BYTES)
    this.#ids = region(x.IDS, x.IDS_BYTES)
    this.#ends = region(x.ENDS, x.ENDS_BYTES)
    this.#time = region(x.TIME, x.FIXED_BYTES)
    this.#idBytes = x.ID_BYTES.value
    this.#prefixBytes = x.PREFIX_BYTES.value
    this.#maxLines = x.MAX_LINES.value
  }

  /** Sets the form of the runs over one chunk. Returns false when its parts are too large, or too many. */
  use(form: LineForm): boolean {
    const { infix, suffix, pairs, omitted, time } = form
    if (pairs.length > MAX_PAIRS || omitted.length > MAX_PAIRS) return false
    const parts = [
      infix,
      suffix,
      ...pairs.map(({ text }) => text),
      ...pairs.map(({ key }) => key),
      ...omitted,
    ]
    if (parts.reduce((sum, part) => sum + part.length, this.#prefixBytes) > this.#parts.length) return false
    const x = this.#exports
    const places = this.#copyParts(parts)
    const texts = places.slice(2)
    for (let i = 0; i < pairs.length; i++) {
      this.#describe(i * SIZEOF_PAIR, texts[i] as Place)
      this.#describe(i * SIZEOF_PAIR + 8, texts[pairs.length + i] as Place)
    }
    for (let i = 0; i < omitted.length; i++)
      this.#describe(MAX_PAIRS * SIZEOF_PAIR + i * SIZEOF_KEY, texts[2 * pairs.length + i] as Place)
    this.#hasIds = form.hasIds
    x.setTime(SECONDS[form.second], form.digits, form.point, form.zone)
    const idBytes = form.hasIds ? this.#idBytes : 0
    x.setLine(infix.length, suffix.length, idBytes, time !== undefined, time === 'infix', form.undots)
    x.setPairs(pairs.length, omitted.length, typeof time === 'number' ? time : -1, form.quoted)
    this.#block.clear()
    return true
  }

  #copyParts(parts: readonly Buffer[]): Place[] {
    const base = this.#exports.PARTS.value
    let at = this.#prefixBytes
    return parts.map((part) => {
      const place = { address: base + at, size: part.length }
      at += part.copy(this.#parts, at)
      return place
    })
  }

  #describe(at: number, { address, size }: Place): void {
    this.#pairs.writeUInt32LE(address, at)
    this.#pairs.writeUInt32LE(size, at + 4)
  }

  /** Sets the prefix of lines whose time is within the seconds [first, last]; false when it is too large. */
  setPrefix(prefix: Buffer, first: number, last: number): boolean {
    if (prefix.length > this.#prefixBytes) return false
    prefix.copy(this.#parts)
    this.#exports.setPrefix(prefix.length, first, last)
    return true
  }

  /** Sets the text of a second, for the form `given`; false when it is too large. */
  setSecond(sec: number, text: string): boolean {
    const bytes = Buffer.from(text)
    if (bytes.length > MAX_SECOND_BYTES) return false
    this.#exports.setSecond(sec, bytes.copy(this.#time))
    return true
  }

  /**
   * Writes lines of the entries of chunk[at, end) to `output`, at most `limit`, up to the first that it does not know or that does
   * not fit `output` or `room` bytes; returns the number of bytes. `index` is the number of the entry in `ids`.
   */
  run(
    chunk: Buffer,
    at: number,
    end: number,
    room: number,
    limit: number,
    ids: Buffer,
    index: number,
  ): number {
    const [x, block] = [this.#exports, this.#block]
    let most = Math.min(limit, this.#maxLines)
    if (this.#hasIds) {
      // Only those that are likely to be needed: a chunk of large records takes many runs.
      most = Math.min(most, this.taken * 2 + MIN_IDS)
      const copied = ids.copy(this.#ids, 0, index * this.#idBytes, (index + most) * this.#idBytes)
      most = Math.min(most, Math.floor(copied / this.#idBytes))
    }
    let size = 0
    block.run(chunk, at, end, () => {
      size = x.lines(at - block.from, block.to - block.from, Math.min(room, MAX_ROOM), most)
      return x.linesTaken.value > 0 || x.needsSecond.value !== 0
    })
    this.consumed = block.from + x.linesConsumed.value
    this.taken = x.linesTaken.value
    this.needsSecond = x.needsSecond.value !== 0
    return size
  }

  /** Returns where the entry number `i` of the last run ended in the chunk. */
  entryEnd(i: number): number {
    return this.#block.from + this.#ends.readUInt32LE(i * 8)
  }

  /** Returns where the line number `i` of the last run ended in `output`. */
  lineEnd(i: number): number {
    return this.#ends.readUInt32LE(i * 8 + 4)
  }
}

interface Place {
  address: number
  size: number
}

const MAX_ROOM = 0x7fffffff

export const sharedLinesKernel = lazyShared(() => new LinesKernel())
