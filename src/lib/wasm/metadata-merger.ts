import { instantiate, lazyShared, type WasmExports } from './instance.ts'
import { WASM } from './merge.wasm.ts'

/** What the records of one container get, and what becomes of their line. */
export interface MergeForm {
  /** The pairs, in MessagePack, and where in them each begins. */
  pairs: Buffer
  starts: readonly number[]
  /** The fields of a line that is a JSON object are put into its record; if so, `keepLog`: the line stays. */
  merge: boolean
  keepLog: boolean
  /** Line ends at the end of such texts are left out. */
  trim: boolean
}

/** Where things are in its memory, and their sizes: assembly/merge/memory.ts. */
interface Exports extends WasmExports {
  META: WebAssembly.Global
  META_BYTES: WebAssembly.Global
  IN: WebAssembly.Global
  IN_BYTES: WebAssembly.Global
  OUT: WebAssembly.Global
  OUT_BYTES: WebAssembly.Global
  consumed: WebAssembly.Global
  records: WebAssembly.Global
  setup(size: number, pairs: number, merge: number, keep: number, trim: number): void
  metaKey(at: number): void
  merge(start: number, end: number, room: number): number
}

/**
 * Gives entries their new pairs, and what is in their lines, with 16-byte instructions, compiled from assembly/merge/.
 * Entries that it knows: an EventTime, and fewer than 16 pairs, all of them short names and texts, none twice; a line
 * under `log` that is no JSON object or one in whose maps no name comes twice. It stops before any other one, which the
 * caller does: what it writes is, byte for byte, what the caller would write.
 *
 * One for the process, a quarter of a megabyte: whoever calls `use` and `run` copies `output` before anything else
 * happens.
 */
export class MetadataMerger {
  readonly input: Buffer
  readonly output: Buffer
  /** The offset in `input` up to which entries were consumed by the last run. */
  consumed = 0
  /** Entries written by the last run. */
  records = 0
  readonly #meta: Buffer
  readonly #exports: Exports

  constructor() {
    const { exports: x, part } = instantiate<Exports>(WASM)
    this.#exports = x
    this.#meta = part(x.META, x.META_BYTES)
    this.input = part(x.IN, x.IN_BYTES)
    this.output = part(x.OUT, x.OUT_BYTES)
  }

  /** For the runs that follow. False: its pairs are too large, nothing has changed. */
  use({ pairs, starts, merge, keepLog, trim }: MergeForm): boolean {
    if (pairs.length > this.#meta.length) return false
    pairs.copy(this.#meta)
    const x = this.#exports
    x.setup(pairs.length, starts.length, merge ? 1 : 0, keepLog ? 1 : 0, trim ? 1 : 0)
    for (const start of starts) x.metaKey(start)
    return true
  }

  /** Writes the whole entries of input[start, end) to `output` and returns how many bytes. */
  run(start: number, end: number): number {
    const x = this.#exports
    const size = x.merge(start, end, this.output.length)
    this.consumed = x.consumed.value
    this.records = x.records.value
    return size
  }
}

export const sharedMetadataMerger = lazyShared(() => new MetadataMerger())
