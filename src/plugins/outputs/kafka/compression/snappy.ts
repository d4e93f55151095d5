import { compressSnappyBlock } from '../../../../lib/compression/snappy-block.ts'
import { loadSnappyUncompress } from '../../../../lib/compression/snappy-package.ts'
import type { BatchCompression } from './compression.ts'

/** Header of a snappy-java stream: a magic, its version, and the oldest version that can read it. */
const STREAM_HEADER = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0, 0, 0, 0, 1, 0, 0, 0, 1])
/** Maximum size of a block before compression; readers allocate a buffer of this size. */
const MAX_BLOCK_BYTES = 32_768

/**
 * Returns snappy in the framing of Java clients. It consists of blocks, so a reader needs no buffer for all of the data.
 *
 * ```
 *   Stream => magic (8 bytes) | version int32 = 1 | compatible int32 = 1 | Block*      Block => size int32 | snappy
 * ```
 */
export async function createSnappyCompression(): Promise<BatchCompression> {
  const uncompress = await loadSnappyUncompress()
  const compress = (bytes: Buffer) => {
    const parts: Buffer[] = [STREAM_HEADER]
    for (let at = 0; at < bytes.length; at += MAX_BLOCK_BYTES) {
      const block = compressSnappyBlock(bytes.subarray(at, at + MAX_BLOCK_BYTES))
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
        parts.push(uncompress(bytes.subarray(at + 4, end)))
        at = end
      }
      return Buffer.concat(parts)
    },
  }
}
