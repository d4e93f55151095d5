import type { Chunk } from '../../../../core/chunk.ts'
import { FastPath } from '../../../../lib/wasm/fast-path.ts'
import type { RecordEncoder } from '../../../../lib/wasm/record-encoder.ts'
import type { OpenBatch } from './open-batch.ts'

/** Adds records of one chunk to batches with the WebAssembly encoder, which is already set up for the chunk. */
export class WasmRecords {
  readonly #encoder: RecordEncoder
  readonly #fastPath = new FastPath()

  constructor(encoder: RecordEncoder) {
    this.#encoder = encoder
    this.#fastPath.begin(true)
  }

  /** Adds entries from `at` on to the batch; returns the offset of the first one that needs the fallback, or the end. */
  add(batch: OpenBatch, chunk: Chunk, at: number): number {
    if (!this.#fastPath.isOpen) return at
    return batch.addFast(this.#encoder, this.#fastPath, chunk.buf, at, chunk.end)
  }
}
