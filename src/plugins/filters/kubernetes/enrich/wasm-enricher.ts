import { encodeStr } from '../../../../core/msgpack/encode.ts'
import { InputBlock } from '../../../../lib/wasm/instance.ts'
import {
  type MergeForm,
  type MetadataMerger,
  sharedMetadataMerger,
} from '../../../../lib/wasm/metadata-merger.ts'
import type { EnricherOptions } from './enricher.ts'
import type { MetadataPairs } from './metadata.ts'

const LOG = encodeStr('log')

/** The entries of one chunk in blocks through the kernel: those that it knows, up to the first that it does not. */
export class WasmEnricher {
  /** Of the options, what the kernel has to know; undefined: it cannot do what they ask for. */
  readonly #mergeForm: Omit<MergeForm, 'pairs' | 'starts'> | undefined
  #loadedMerger: MetadataMerger | undefined
  #block: InputBlock | undefined
  /** Of the last run: its entries are in output[0, size), and `next` in the chunk is behind them. */
  records = 0
  size = 0
  next = 0

  constructor({ logKey, merge, keepLog, trim, mergeKey, parser }: EnricherOptions) {
    const plain = mergeKey === undefined && parser === undefined && logKey.equals(LOG)
    this.#mergeForm = plain ? { merge, keepLog, trim } : undefined
  }

  get loaded(): boolean {
    return this.#loadedMerger !== undefined
  }

  get output(): Buffer {
    return this.#merger.output
  }

  /** For a chunk whose records get these pairs; false: it is not for the kernel. */
  begin({ bytes, starts }: MetadataPairs): boolean {
    this.#block?.clear()
    return this.#mergeForm !== undefined && this.#merger.use({ pairs: bytes, starts, ...this.#mergeForm })
  }

  /** The entries of buf[at, end) from `at` on, not always as many as it knows; false: the first is not for it. */
  run(buf: Buffer, at: number, end: number): boolean {
    const kernel = this.#merger
    const block = this.#blockOf(kernel)
    const taken = block.run(buf, at, end, () => {
      this.size = kernel.run(at - block.from, block.to - block.from)
      return kernel.records > 0
    })
    this.records = kernel.records
    this.next = block.from + kernel.consumed
    return taken
  }

  #blockOf(kernel: MetadataMerger): InputBlock {
    this.#block ??= new InputBlock(kernel.input)
    return this.#block
  }

  get #merger(): MetadataMerger {
    this.#loadedMerger ??= sharedMetadataMerger()
    return this.#loadedMerger
  }
}
