import type { Chunk } from '../core/chunk.ts'
import { skip } from '../core/msgpack/encode.ts'

/** Returns the end of the entry at `at`; a malformed one takes the rest of the chunk, which ends at `end`, with it. */
export function entryEnd(buf: Buffer, at: number, end: number): number {
  const next = skip(buf, at, end)
  return next > at && next <= end ? next : end
}

/** Returns the end of the i-th entry of a chunk: the last one takes what a malformed one before it has left. */
export function endOfEntry({ buf, end, count }: Chunk, at: number, i: number): number {
  return i === count - 1 ? end : entryEnd(buf, at, end)
}
