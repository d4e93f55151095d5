import type { BufferSource } from '../../../core/buffer-source.ts'

const FIRST_BYTES = 4096
const MAX_BLOCK_BYTES = 262_144

/** Counts the memory of all blocks. */
export class BlockSource {
  used = 0
  readonly #source: BufferSource

  constructor(source: BufferSource) {
    this.#source = source
  }

  take(bytes: number): Buffer {
    const block = this.#source.force(bytes)
    this.used += block.length
    return block
  }

  give(block: Buffer): void {
    this.used -= block.length
    this.#source.give(block)
  }
}

/** Bytes in blocks of a buffer source: they grow without a copy, and are sent as they are. */
export class Blocks {
  length = 0
  readonly #source: BlockSource
  #blocks: Buffer[] = []
  /** Bytes in use of the last block. */
  #used = 0

  constructor(source: BlockSource) {
    this.#source = source
  }

  /** Bytes of memory that it takes. */
  get memory(): number {
    return this.#blocks.reduce((sum, { length }) => sum + length, 0)
  }

  append(bytes: Buffer): void {
    for (let at = 0; at < bytes.length; ) {
      let last = this.#blocks.at(-1)
      if (last === undefined || this.#used === last.length) {
        // Doubles the size, so that at most half of it is free.
        last = this.#source.take(Math.min(MAX_BLOCK_BYTES, Math.max(FIRST_BYTES, this.length)))
        this.#blocks.push(last)
        this.#used = 0
      }
      const copied = bytes.copy(last, this.#used, at)
      this.#used += copied
      this.length += copied
      at += copied
    }
  }

  /** Returns the bytes as views of the blocks, valid until `clear`. */
  views(): Buffer[] {
    return this.#blocks.map((block, i) =>
      i === this.#blocks.length - 1 ? block.subarray(0, this.#used) : block,
    )
  }

  /** Gives all blocks back. */
  clear(): void {
    for (const block of this.#blocks) this.#source.give(block)
    this.#blocks = []
    this.length = this.#used = 0
  }
}
