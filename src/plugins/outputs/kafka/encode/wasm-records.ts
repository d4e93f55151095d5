import type { Chunk } from '../../../../core/chunk.ts'
import { FastPath } from '../../../../lib/wasm/fast-path.ts'
import type { RecordEncoder } from '../../../../lib/wasm/record-encoder.ts'
import type { OpenBatch } from './open-batch.ts'

/** The records of one chunk that the kernel writes, which are most of them; it knows already what they have in common. */
export class WasmRecords {
  readonly #kernel: RecordEncoder
  readonly #fastPath = new FastPath()

  constructor(kernel: RecordEncoder) {
    this.#kernel = kernel
    this.#fastPath.begin(true)
  }

  /** Adds to the batch what it can of the entries from `at` on: the offset of one to be added in another way, or the end. */
  take(batch: OpenBatch, chunk: Chunk, at: number): number {
    if (!this.#fastPath.isOpen) return at
    return batch.addFast(this.#kernel, this.#fastPath, chunk.buf, at, chunk.end)
  }
}
