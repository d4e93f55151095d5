import type { BufferSource } from '../../core/buffer-source.ts'
import type { Ack, Outcome } from '../../core/plugin.ts'

/** A record that grows until it is complete: what a filter makes of the records that belong together. */
export interface GrowingRecord {
  /** Maximum size in bytes of the entries that `write` writes. */
  readonly bound: number
  /** Number of entries that `write` writes: more than one when it holds some that may not belong to it. */
  readonly records: number
  /** Writes the entries at `buf[at]` and returns the offset after them. */
  write(buf: Buffer, at: number): number
  /** Gives the buffers back; called once, after the last `write`. */
  release(): void
}

/** An open record, and what is needed to send and to acknowledge it. */
export interface OpenRecord<T extends GrowingRecord> {
  readonly record: T
  readonly tag: string
  /** Records of one tag are joined only within their stream. */
  readonly stream: string
  readonly input: string
  readonly id: string
  /** Buffers of the input of its first part. */
  readonly buffers: BufferSource
  /** Acks of the chunks in which its parts came. */
  readonly acks: Ack[]
  /** True when it has a part of the current chunk. */
  isInChunk: boolean
  /** True when an entry of it may have metadata: see `Chunk.hasMetadata`. */
  hasMetadata: boolean
  /** See `Chunk.rewrites`. */
  rewrites: readonly string[]
  /** See `Chunk.branch`. */
  branch: string
  grownMs: number
}

export function callAll(acks: readonly Ack[], outcome: Outcome): void {
  for (const ack of acks) ack(outcome)
}
