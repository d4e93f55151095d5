import type { Compression } from './codecs.ts'

/** The head of snappy-java's stream: a magic, its version, and the oldest that can read it. */
const STREAM_HEADER = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0, 0, 0, 0, 1, 0, 0, 0, 1])
/** Bytes before compression; readers keep a buffer of this size. */
const MAX_BLOCK_BYTES = 32_768

/**
 * As Java's clients do, in blocks: a reader that expects them need not hold all at once.
 *
 * ```
 *   Stream => magic (8 bytes) | version int32 = 1 | compatible int32 = 1 | Block*      Block => size int32 | snappy
 * ```
 */
export async function createSnappyCompression(): Promise<Compression> {
  const { default: snappy } = await import('snappyjs')
  const compress = (bytes: Buffer) => {
    const parts: Buffer[] = [STREAM_HEADER]
    for (let at = 0; at < bytes.length; at += MAX_BLOCK_BYTES) {
      const block = Buffer.from(snappy.compress(bytes.subarray(at, at + MAX_BLOCK_BYTES)))
      const size = Buffer.alloc(4)
      size.writeInt32BE(block.length)
      parts.push(size, block)
    }
    return Buffer.concat(parts)
  }
  return {
    codec: 'snappy',
    compress,
    compressSync: compress,
    decompress(bytes) {
      const parts: Buffer[] = []
      for (let at = STREAM_HEADER.length; at < bytes.length; ) {
        const end = at + 4 + bytes.readInt32BE(at)
        parts.push(Buffer.from(snappy.uncompress(bytes.subarray(at + 4, end))))
        at = end
      }
      return Buffer.concat(parts)
    },
  }
}
