import type { Chunk } from '../../../../core/chunk.ts'
import type { FastPath } from '../../../../lib/wasm/fast-path.ts'
import type { RecordEncoder } from '../../../../lib/wasm/record-encoder.ts'
import type { OpenBatch } from './open-batch.ts'

/** Adds records of one chunk to batches with the WebAssembly encoder, which is already set up for the chunk. */
export class WasmRecords {
  readonly #encoder: RecordEncoder
  readonly #fastPath: FastPath

  constructor(encoder: RecordEncoder, fastPath: FastPath) {
    this.#encoder = encoder
    this.#fastPath = fastPath
  }

  /** Adds entries from `at` on to the batch; returns the offset of the first one that needs the fallback, or the end. */
  add(batch: OpenBatch, chunk: Chunk, at: number): number {
    if (!this.#fastPath.isOpen) return at
    return batch.addFast(this.#encoder, this.#fastPath, chunk.buf, at, chunk.end)
  }
}
