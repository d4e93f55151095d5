import type { FallbackReason } from './fast-path.ts'
import { type FieldsExports, type FieldsModule, sharedFields } from './fields-module.ts'
import { lazyShared } from './instance.ts'
import type { ParserRecord } from './parser-record.ts'

/**
 * Treatment of a record: keep its line, merge it if it is a JSON object, drop the record, leave it to the caller, or merge what the
 * parser with this number reads.
 */
const TREATMENTS = { keep: 0, merge: 1, drop: 2, leave: 3 } as const
export type Treatment = keyof typeof TREATMENTS | number
const FIRST_PARSER = 4
/** Parsers that one container can have: for each stream, and for records without one. */
const MAX_PARSERS = 3

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
  /** Parsers of the lines, which `fits` has taken. */
  parsers?: readonly ParserRecord[]
}

/** Bytes of fields for each byte of JSON: `0.1,` becomes at most nine. */
const JSON_GROWTH = 3

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
  /** Number of lines among them that their parser has read, called by the module. */
  called = 0
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

  /** True when the tables of these parsers fit the module together. */
  fits(parsers: readonly ParserRecord[]): boolean {
    const bytes = parsers.reduce((sum, { table }) => sum + ((table.length + 15) & -16), 0)
    return parsers.length <= MAX_PARSERS && bytes <= this.#exports.ROWS_BYTES.value
  }

  /** Sets the form of the runs that follow. Returns false, and changes nothing, when its pairs are too large. */
  use(form: MergeForm): boolean {
    const { pairs, starts, other, stdout, stderr, keepLog, trim, mergeKey, parsers = [] } = form
    const keySize = mergeKey?.length ?? 0
    const usesScratch = parsers.some((parser) => parser.form === 'logfmt')
    if (pairs.length + keySize > this.#meta.length / (usesScratch ? 2 : 1)) return false
    this.#module.begin(this, parsers)
    pairs.copy(this.#meta)
    mergeKey?.copy(this.#meta, pairs.length)
    const x = this.#exports
    const byStream = codeOf(other) | (codeOf(stdout) << 4) | (codeOf(stderr) << 8)
    x.setup(pairs.length, starts.length, keySize, keepLog ? 1 : 0, trim ? 1 : 0, byStream)
    const perByte = Math.max(JSON_GROWTH, ...parsers.map((parser) => parser.perByte))
    // The line itself may be kept.
    x.setGrowth(perByte + 1, Math.max(0, ...parsers.map((parser) => parser.others)))
    for (const start of starts) x.metaKey(start)
    return true
  }

  /** Writes the complete entries of input[start, end) to `output` and returns the number of bytes. */
  run(start: number, end: number): number {
    const x = this.#exports
    const size = x.merge(start, end, this.output.length)
    this.consumed = x.consumed.value
    this.records = x.records.value
    this.called = x.called.value
    this.stopped = STOPS[x.stopped.value] ?? 'form'
    return size
  }
}

function codeOf(treatment: Treatment): number {
  return typeof treatment === 'number' ? FIRST_PARSER + treatment : TREATMENTS[treatment]
}

export const sharedMetadataMerger = lazyShared(() => new MetadataMerger())
