import { encodeStr } from '../../../../core/msgpack/encode.ts'
import { InputBlock } from '../../../../lib/wasm/instance.ts'
import {
  type MergeForm,
  type MetadataMerger,
  sharedMetadataMerger,
} from '../../../../lib/wasm/metadata-merger.ts'
import type { EnricherOptions } from './enricher.ts'
import type { Pairs } from './metadata.ts'

const LOG = encodeStr('log')

/** The entries of one chunk in blocks through the kernel: those that it knows, up to the first that it does not. */
export class WasmEnricher {
  /** Of the options, what the kernel has to know; undefined: it cannot do what they ask for. */
  readonly #form: Omit<MergeForm, 'pairs' | 'starts'> | undefined
  #kernel: MetadataMerger | undefined
  #block: InputBlock | undefined
  /** Of the last run: its entries are in output[0, size), and `next` in the chunk is behind them. */
  records = 0
  size = 0
  next = 0

  constructor({ logKey, merge, keepLog, trim, mergeKey, parser }: EnricherOptions) {
    const plain = mergeKey === undefined && parser === undefined && logKey.equals(LOG)
    this.#form = plain ? { merge, keepLog, trim } : undefined
  }

  get loaded(): boolean {
    return this.#kernel !== undefined
  }

  get output(): Buffer {
    return this.#shared.output
  }

  /** For a chunk whose records get these pairs; false: it is not for the kernel. */
  begin({ bytes, starts }: Pairs): boolean {
    this.#block?.clear()
    return this.#form !== undefined && this.#shared.use({ pairs: bytes, starts, ...this.#form })
  }

  /** The entries of buf[at, end) from `at` on, not always as many as it knows; false: the first is not for it. */
  run(buf: Buffer, at: number, end: number): boolean {
    const kernel = this.#shared
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

  get #shared(): MetadataMerger {
    this.#kernel ??= sharedMetadataMerger()
    return this.#kernel
  }
}
