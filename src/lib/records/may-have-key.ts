import type { Chunk } from '../../core/chunk.ts'

/**
 * Returns false when no record of the chunk has the key, given as MessagePack with its head. One search for its bytes costs much
 * less than to look at each key. True proves nothing: the bytes may be those of a nested key or of a value. A key whose head is
 * longer than necessary, which some senders write, is not seen.
 */
export function mayHaveKey({ buf, start, end }: Chunk, key: Buffer): boolean {
  const found = buf.indexOf(key, start)
  return found >= 0 && found < end
}
