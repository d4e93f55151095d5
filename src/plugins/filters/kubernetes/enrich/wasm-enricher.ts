import { encodeStr } from '../../../../core/msgpack/encode.ts'
import type { Parser } from '../../../../core/parser.ts'
import type { FallbackReason } from '../../../../lib/wasm/fast-path.ts'
import { FieldsKernel } from '../../../../lib/wasm/fields-kernel.ts'
import { InputBlock } from '../../../../lib/wasm/instance.ts'
import {
  type MetadataMerger,
  sharedMetadataMerger,
  type Treatment,
} from '../../../../lib/wasm/metadata-merger.ts'
import { ParserRecord } from '../../../../lib/wasm/parser-record.ts'
import type { MergeOptions } from './merge-log.ts'
import type { ContainerMetadata, StreamHandling } from './metadata.ts'

const LOG = encodeStr('log')

/**
 * Rewrites entries of a chunk with the wasm module, in blocks, up to the first entry that the module does not support.
 */
export class WasmEnricher {
  /** Options for the module; undefined: it does not support the filter's options. */
  readonly #options: MergeOptions | undefined
  #loadedMerger: MetadataMerger | undefined
  #block: InputBlock | undefined
  /**
   * Result of the last run: number of entries, their size in `output` from 0, and the offset in the chunk after them.
   */
  records = 0
  size = 0
  next = 0
  /** Lines among them that their parser has read, and the reason for that. */
  called = 0
  whyCalled: FallbackReason = 'parser'
  /** Records of parsers that the module calls for each line. */
  readonly #called = new WeakMap<Parser, ParserRecord>()

  constructor(options: MergeOptions) {
    this.#options = options.logKey.equals(LOG) ? options : undefined
  }

  /** True when the module has been compiled. */
  get isLoaded(): boolean {
    return this.#loadedMerger !== undefined
  }

  /** Reason why the last run stopped. */
  get stopped(): FallbackReason {
    return this.#merger.stopped
  }

  get output(): Buffer {
    return this.#merger.output
  }

  /** Prepares for a chunk of this container; returns false when the module cannot process it. */
  begin({ pairs, streams }: ContainerMetadata): boolean {
    const options = this.#options
    if (options === undefined) return false
    this.#block?.clear()
    const { keepLog, trim, mergeKey } = options
    const { other, stdout, stderr, parsers } = this.#treatmentsOf(options, streams)
    return this.#merger.use({
      pairs: pairs.bytes,
      starts: pairs.starts,
      keepLog,
      trim,
      mergeKey,
      other,
      stdout,
      stderr,
      parsers,
    })
  }

  /**
   * Rewrites entries of buf[at, end) from `at` on, at most one block of them; returns false when the first one is not
   * supported.
   */
  run(buf: Buffer, at: number, end: number): boolean {
    const merger = this.#merger
    const block = this.#blockOf(merger)
    const isRewritten = block.run(buf, at, end, () => {
      this.size = merger.run(at - block.from, block.to - block.from)
      return merger.consumed > at - block.from
    })
    this.records = merger.records
    this.called = merger.called
    this.next = block.from + merger.consumed
    return isRewritten
  }

  #blockOf(merger: MetadataMerger): InputBlock {
    this.#block ??= new InputBlock(merger.input)
    return this.#block
  }

  get #merger(): MetadataMerger {
    this.#loadedMerger ??= sharedMetadataMerger()
    return this.#loadedMerger
  }

  /** Returns what happens with the records of each stream: what annotations of the pod request, else what the options say. */
  #treatmentsOf(options: MergeOptions, streams: ContainerMetadata['streams']) {
    const parsers: ParserRecord[] = []
    this.whyCalled = 'parser'
    const treatmentOf = (requested: StreamHandling | undefined): Treatment => {
      if (requested?.exclude) return 'drop'
      if (!options.merge && requested?.parser === undefined) return 'keep'
      const parser = requested?.parser ?? options.parser
      if (parser === undefined || parser.isPlainJson) return 'merge'
      const record = this.#recordOf(parser)
      if (parsers.includes(record)) return parsers.indexOf(record)
      if (!this.#merger.fits([...parsers, record])) return 'leave'
      return parsers.push(record) - 1
    }
    const other = treatmentOf(undefined)
    const stdout = treatmentOf(streams?.stdout)
    const stderr = treatmentOf(streams?.stderr)
    return { other, stdout, stderr, parsers }
  }

  #recordOf(parser: Parser): ParserRecord {
    const kernel = parser.kernel?.(0)
    if (kernel instanceof FieldsKernel) return kernel.record
    // An expression has its module after some thousand lines.
    if (parser.kernel !== undefined) this.whyCalled = 'small'
    const known = this.#called.get(parser) ?? ParserRecord.of(parser)
    this.#called.set(parser, known)
    return known
  }
}
