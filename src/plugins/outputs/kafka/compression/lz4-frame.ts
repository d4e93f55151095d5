import type { BatchCompression } from './compression.ts'
import { lz4Compress, lz4Decompress, MAX_LZ4_BLOCK_BYTES, maxLz4Bytes } from './lz4-block.ts'

/** Magic; version 1 with independent blocks; blocks of 64 KB; the checksum of these two. Java clients write the same. */
const FRAME_HEADER = Buffer.from([0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82])
const UNCOMPRESSED = 0x80000000

/**
 * LZ4 frames, as in lz4_Frame_format.md of the reference.
 *
 * ```
 *   Frame => magic | flags | block size | checksum | Block* | 0 int32 LE       Block => size int32 LE | bytes
 * ```
 * The highest bit of a block size is set when the bytes are not compressed.
 */
export const LZ4: BatchCompression = { codec: 'lz4', compress, compressSync: compress, decompress }

function compress(bytes: Buffer): Buffer {
  const blocks = Math.ceil(bytes.length / MAX_LZ4_BLOCK_BYTES)
  const out = Buffer.allocUnsafe(FRAME_HEADER.length + blocks * (4 + maxLz4Bytes(MAX_LZ4_BLOCK_BYTES)) + 4)
  let at = FRAME_HEADER.copy(out)
  for (let from = 0; from < bytes.length; from += MAX_LZ4_BLOCK_BYTES) {
    const to = Math.min(from + MAX_LZ4_BLOCK_BYTES, bytes.length)
    const end = lz4Compress(bytes, from, to, out, at + 4)
    const length = end - at - 4
    if (length < to - from) {
      out.writeUInt32LE(length, at)
      at = end
    } else {
      at = out.writeUInt32LE(to - from + UNCOMPRESSED, at)
      at += bytes.copy(out, at, from, to)
    }
  }
  at = out.writeUInt32LE(0, at)
  return out.subarray(0, at)
}

function decompress(bytes: Buffer): Buffer {
  const parts: Buffer[] = []
  for (let at = FRAME_HEADER.length; ; ) {
    const size = bytes.readUInt32LE(at)
    at += 4
    if (size === 0) return Buffer.concat(parts)
    const end = at + (size & 0x7fffffff)
    if (size >= UNCOMPRESSED) parts.push(bytes.subarray(at, end))
    else {
      const block = Buffer.allocUnsafe(MAX_LZ4_BLOCK_BYTES)
      parts.push(block.subarray(0, lz4Decompress(bytes, at, end, block, 0)))
    }
    at = end
  }
}
