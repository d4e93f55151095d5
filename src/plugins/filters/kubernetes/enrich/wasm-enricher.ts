import { encodeStr } from '../../../../core/msgpack/encode.ts'
import type { FallbackReason } from '../../../../lib/wasm/fast-path.ts'
import { FieldsKernel } from '../../../../lib/wasm/fields-kernel.ts'
import { InputBlock } from '../../../../lib/wasm/instance.ts'
import {
  type MetadataMerger,
  sharedMetadataMerger,
  type Treatment,
} from '../../../../lib/wasm/metadata-merger.ts'
import type { ParserRecord } from '../../../../lib/wasm/parser-record.ts'
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
  /** Reason for the records that a parser leaves to the fallback. */
  #left: FallbackReason = 'parser'
  records = 0
  size = 0
  next = 0

  constructor(options: MergeOptions) {
    this.#options = options.logKey.equals(LOG) ? options : undefined
  }

  /** True when the module has been compiled. */
  get isLoaded(): boolean {
    return this.#loadedMerger !== undefined
  }

  /** Reason why the last run stopped. */
  get stopped(): FallbackReason {
    const { stopped } = this.#merger
    return stopped === 'parser' ? this.#left : stopped
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
    const merger = this.#merger
    const { other, stdout, stderr, parsers, left } = treatmentsOf(options, streams, merger)
    this.#left = left
    return merger.use({
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
}

/**
 * Returns what happens with the records of each stream: what annotations of the pod request, else what the options say. `left` is the
 * reason for those that are left to the fallback.
 */
function treatmentsOf(options: MergeOptions, streams: ContainerMetadata['streams'], merger: MetadataMerger) {
  const parsers: ParserRecord[] = []
  let left: FallbackReason = 'parser'
  const treatmentOf = (requested: StreamHandling | undefined): Treatment => {
    if (requested?.exclude) return 'drop'
    if (!options.merge && requested?.parser === undefined) return 'keep'
    const parser = requested?.parser ?? options.parser
    if (parser === undefined || parser.isPlainJson) return 'merge'
    const kernel = parser.kernel?.(0)
    if (!(kernel instanceof FieldsKernel)) {
      // An expression has its module after some thousand lines.
      if (parser.kernel !== undefined) left = 'small'
      return 'leave'
    }
    const { record } = kernel
    if (parsers.includes(record)) return parsers.indexOf(record)
    if (!merger.fits([...parsers, record])) return 'leave'
    return parsers.push(record) - 1
  }
  const other = treatmentOf(undefined)
  const stdout = treatmentOf(streams?.stdout)
  const stderr = treatmentOf(streams?.stderr)
  return { other, stdout, stderr, parsers, left }
}
