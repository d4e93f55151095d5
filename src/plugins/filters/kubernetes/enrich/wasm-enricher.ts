import { encodeStr } from '../../../../core/msgpack/encode.ts'
import { InputBlock } from '../../../../lib/wasm/instance.ts'
import {
  type MergeForm,
  type MetadataMerger,
  sharedMetadataMerger,
} from '../../../../lib/wasm/metadata-merger.ts'
import type { MergeOptions } from './merge-log.ts'
import type { MetadataPairs } from './metadata.ts'

const LOG = encodeStr('log')

/**
 * Rewrites entries of a chunk with the wasm module, in blocks, up to the first entry that the module does not support.
 */
export class WasmEnricher {
  /** Options for the module; undefined: it does not support the filter's options. */
  readonly #mergeForm: Omit<MergeForm, 'pairs' | 'starts'> | undefined
  #loadedMerger: MetadataMerger | undefined
  #block: InputBlock | undefined
  /**
   * Result of the last run: number of entries, their size in `output` from 0, and the offset in the chunk after them.
   */
  records = 0
  size = 0
  next = 0

  constructor({ logKey, merge, keepLog, trim, mergeKey, parser }: MergeOptions) {
    const isSupported = mergeKey === undefined && parser === undefined && logKey.equals(LOG)
    this.#mergeForm = isSupported ? { merge, keepLog, trim } : undefined
  }

  /** True when the module has been compiled. */
  get isLoaded(): boolean {
    return this.#loadedMerger !== undefined
  }

  get output(): Buffer {
    return this.#merger.output
  }

  /** Prepares for a chunk whose records get these pairs; returns false when the module cannot process it. */
  begin({ bytes, starts }: MetadataPairs): boolean {
    this.#block?.clear()
    return this.#mergeForm !== undefined && this.#merger.use({ pairs: bytes, starts, ...this.#mergeForm })
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
      return merger.records > 0
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
