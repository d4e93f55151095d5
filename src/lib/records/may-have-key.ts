import type { Chunk } from '../../core/chunk.ts'

/**
 * Returns false when no record of the chunk has the key, which is given as MessagePack with its head. One
 * search for the bytes of the key costs much less than comparing every key. True proves nothing: the bytes
 * may belong to a nested key or a value. A key with a longer head than necessary, which some senders write,
 * is missed.
 */
export function mayHaveKey({ buf, start, end }: Chunk, key: Buffer): boolean {
  const found = buf.indexOf(key, start)
  return found >= 0 && found < end
}
