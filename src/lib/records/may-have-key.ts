import type { Chunk } from '../../core/chunk.ts'
import { textHead } from '../../core/msgpack/record.ts'

/**
 * Returns false when no record of the chunk has the key, which is given as MessagePack with its shortest head. One search for
 * the bytes of its name costs much less than comparing every key; only if they are found, those before them are looked at. True
 * proves nothing: the bytes may belong to a nested key or a value.
 */
export function mayHaveKey(chunk: Chunk, key: Buffer): boolean {
  const head = textHead(key, 0)
  const name = key.subarray(head)
  if (!has(chunk, name)) return false
  // Every longer head, of a text or of bytes, ends with the lowest byte of the length.
  return has(chunk, key) || has(chunk, Buffer.concat([Buffer.of(name.length & 0xff), name]))
}

function has({ buf, start, end }: Chunk, bytes: Buffer): boolean {
  const found = buf.indexOf(bytes, start)
  return found >= 0 && found < end
}
