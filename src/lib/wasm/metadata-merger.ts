import type { FallbackReason } from './fast-path.ts'
import { type FieldsExports, type FieldsModule, sharedFields } from './fields-module.ts'
import type { ParsedForm } from './form-kernel.ts'
import { lazyShared } from './instance.ts'

/** Treatment of a record: keep its line, merge it if it is a JSON object or by a parser, drop the record, leave it to the caller. */
const TREATMENTS = { keep: 0, merge: 1, parse: 2, drop: 3, leave: 4 } as const
export type Treatment = keyof typeof TREATMENTS

/** The pairs that the records of one container get, and the treatment of their line. */
interface MergeForm {
  /** The pairs as MessagePack, and the offset at which each begins. */
  pairs: Buffer
  starts: readonly number[]
  /** Treatment of the records without `stream`, and of those of the two streams. */
  other: Treatment
  stdout: Treatment
  stderr: Treatment
  /** True to keep a line that was merged. */
  keepLog: boolean
  /** Removes line ends at the end of merged strings. */
  trim: boolean
  /** MessagePack of the key that the fields are put under; undefined: they become fields of the record. */
  mergeKey: Buffer | undefined
  /** Form of the lines with the treatment `parse`. */
  parsed?: ParsedForm | undefined
}

/** Reasons why the module stops before a record, by the number that it reports. */
const STOPS: readonly FallbackReason[] = ['form', 'form', 'keys', 'size', 'parser']

/**
 * Adds metadata pairs and the fields of JSON lines to entries with 16-byte instructions; compiled from assembly/fields/. It
 * knows entries with an EventTime whose keys are strings, no key twice. It stops before any other entry, before one that is
 * larger than its memory or whose line has more than 512 keys, and before one with the treatment `leave`: the caller
 * writes these (see FastPath). Its output equals, byte for byte, that of the caller.
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
  /** Reason why it stopped before the next entry. */
  stopped: FallbackReason = 'form'
  readonly #meta: Buffer
  readonly #module: FieldsModule
  readonly #exports: FieldsExports

  constructor() {
    const module = sharedFields()
    const { exports: x, region } = module
    this.#module = module
    this.#exports = x
    this.#meta = region(x.META, x.META_BYTES)
    this.input = region(x.ENTRIES, x.ENTRIES_BYTES)
    this.output = region(x.OUT, x.OUT_BYTES)
  }

  /** Sets the form of the runs that follow. Returns false, and changes nothing, when its pairs are too large. */
  use({ pairs, starts, other, stdout, stderr, keepLog, trim, mergeKey, parsed }: MergeForm): boolean {
    const keySize = mergeKey?.length ?? 0
    if (pairs.length + keySize > this.#meta.length / (parsed === undefined ? 1 : 2)) return false
    this.#module.begin(this, parsed?.time)
    pairs.copy(this.#meta)
    mergeKey?.copy(this.#meta, pairs.length)
    const x = this.#exports
    const byStream = TREATMENTS[other] | (TREATMENTS[stdout] << 4) | (TREATMENTS[stderr] << 8)
    x.setup(pairs.length, starts.length, keySize, keepLog ? 1 : 0, trim ? 1 : 0, byStream, parsed?.form ?? 0)
    if (parsed !== undefined) {
      parsed.rules.copy(this.#module.bytes, x.ROWS.value)
      x.setRules(parsed.ruleCount)
      x.setFormOptions(parsed.keepTime ? 1 : 0, parsed.bareKeys ? 1 : 0)
    }
    for (const start of starts) x.metaKey(start)
    return true
  }

  /** Writes the complete entries of input[start, end) to `output` and returns the number of bytes. */
  run(start: number, end: number): number {
    const x = this.#exports
    const size = x.merge(start, end, this.output.length)
    this.consumed = x.consumed.value
    this.records = x.records.value
    this.stopped = STOPS[x.stopped.value] ?? 'form'
    return size
  }
}

export const sharedMetadataMerger = lazyShared(() => new MetadataMerger())
