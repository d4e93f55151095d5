import { encodeStr } from '../../../core/msgpack.ts'
import { type MergeForm, type MergeKernel, sharedMergeKernel } from '../../../lib/kernel/merge-kernel.ts'
import type { EntriesOptions } from './entries.ts'
import type { Pairs } from './metadata.ts'

const LOG = encodeStr('log')
/** Longer entries are rare: one that is not for the kernel and one that is cut off need not be told apart by it. */
const LONGEST = 16_384

/** The entries of one chunk in blocks through the kernel: those that it knows, up to the first that it does not. */
export class UsualEntries {
  /** Of the options, what the kernel has to know; undefined: it cannot do what they ask for. */
  readonly #form: Omit<MergeForm, 'pairs' | 'starts'> | undefined
  #kernel: MergeKernel | undefined
  /** What of the chunk is in the kernel's input. */
  #from = 0
  #to = 0
  /** Of the last run: its entries are in output[0, size), and `next` in the chunk is behind them. */
  records = 0
  size = 0
  next = 0

  constructor({ logKey, merge, keepLog, trim, mergeKey, parser }: EntriesOptions) {
    const plain = mergeKey === undefined && parser === undefined && logKey.equals(LOG)
    this.#form = plain ? { merge, keepLog, trim } : undefined
  }

  get output(): Buffer {
    return this.#shared.output
  }

  /** For a chunk whose records get these pairs; false: it is not for the kernel. */
  begin({ bytes, starts }: Pairs): boolean {
    this.#from = this.#to = 0
    return this.#form !== undefined && this.#shared.use({ pairs: bytes, starts, ...this.#form })
  }

  /** The entries of buf[at, end) from `at` on, not always as many as it knows; false: the first is not for it. */
  run(buf: Buffer, at: number, end: number): boolean {
    if (at < this.#from || at >= this.#to) this.#load(buf, at, end)
    this.#run(at)
    const cutOff = this.#to < end && this.#to - at < LONGEST && this.#from < at
    if (this.records === 0 && cutOff) {
      this.#load(buf, at, end)
      this.#run(at)
    }
    return this.records > 0
  }

  #load(buf: Buffer, at: number, end: number): void {
    this.#from = at
    this.#to = at + buf.copy(this.#shared.input, 0, at, end)
  }

  #run(at: number): void {
    const kernel = this.#shared
    this.size = kernel.run(at - this.#from, this.#to - this.#from)
    this.records = kernel.records
    this.next = this.#from + kernel.consumed
  }

  get #shared(): MergeKernel {
    this.#kernel ??= sharedMergeKernel()
    return this.#kernel
  }
}
