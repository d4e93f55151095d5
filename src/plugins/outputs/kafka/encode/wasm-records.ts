import type { Chunk } from '../../../../core/chunk.ts'
import type { RecordEncoder } from '../../../../lib/wasm/record-encoder.ts'
import type { OpenBatch } from './open-batch.ts'

/** So many records in a row that are not for the kernel, and the chunk is encoded without it. */
const ODD_RECORDS = 16

/** The records of one chunk that the kernel writes, which are most of them; it knows already what they have in common. */
export class WasmRecords {
  readonly #kernel: RecordEncoder
  #odd = 0

  constructor(kernel: RecordEncoder) {
    this.#kernel = kernel
  }

  /** Adds to the batch what it can of the entries from `at` on: the offset of one to be added in another way, or the end. */
  take(batch: OpenBatch, chunk: Chunk, at: number): number {
    if (this.#odd >= ODD_RECORDS) return at
    const next = batch.addFast(this.#kernel, chunk.buf, at, chunk.end)
    this.#odd = next > at ? 0 : this.#odd + 1
    return next
  }
}
