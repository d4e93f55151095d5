import { type FieldsExports, fieldsModule } from './fields-module.ts'
import { lazyShared } from './instance.ts'

/** The pairs that the records of one container get, and the treatment of their line. */
export interface MergeForm {
  /** The pairs as MessagePack, and the offset at which each begins. */
  pairs: Buffer
  starts: readonly number[]
  /** Puts the fields of a line that is a JSON object into its record; with `keepLog` the line stays in it. */
  merge: boolean
  keepLog: boolean
  /** Removes line ends at the end of such strings. */
  trim: boolean
}

/**
 * Adds metadata pairs and the fields of JSON lines to entries with 16-byte instructions; compiled from assembly/fields/. It
 * knows entries with an EventTime and fewer than 16 pairs, all of them strings under short keys and no key twice, whose line
 * under `log` is not a JSON object, or one in whose maps no key comes twice. It stops before any other entry, which the
 * caller writes (see FastPath). Its output equals, byte for byte, that of the caller.
 *
 * One instance per process, a quarter of a megabyte: a caller of `use` and `run` copies `output` before anybody else uses
 * it.
 */
export class MetadataMerger {
  readonly input: Buffer
  readonly output: Buffer
  /** Offset in `input` up to which the last run consumed entries. */
  consumed = 0
  /** Number of entries that the last run wrote. */
  records = 0
  readonly #meta: Buffer
  readonly #exports: FieldsExports

  constructor() {
    const { exports: x, region } = fieldsModule()
    this.#exports = x
    this.#meta = region(x.META, x.META_BYTES)
    this.input = region(x.IN, x.ENTRIES_BYTES)
    this.output = region(x.OUT, x.OUT_BYTES)
  }

  /** Sets the pairs of the runs that follow. Returns false, and changes nothing, when they are too large. */
  use({ pairs, starts, merge, keepLog, trim }: MergeForm): boolean {
    if (pairs.length > this.#meta.length) return false
    pairs.copy(this.#meta)
    const x = this.#exports
    x.setup(pairs.length, starts.length, merge ? 1 : 0, keepLog ? 1 : 0, trim ? 1 : 0)
    for (const start of starts) x.metaKey(start)
    return true
  }

  /** Writes the complete entries of input[start, end) to `output` and returns the number of bytes. */
  run(start: number, end: number): number {
    const x = this.#exports
    const size = x.merge(start, end, this.output.length)
    this.consumed = x.consumed.value
    this.records = x.records.value
    return size
  }
}

export const sharedMetadataMerger = lazyShared(() => new MetadataMerger())
