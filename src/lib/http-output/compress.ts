import type { BufferSource } from '../../core/buffer-source.ts'

/** Compression of bodies, by the name that Content-Encoding has. */
export type BodyCoding = 'gzip' | 'zstd' | 'snappy'

/**
 * Compresses a body of several pieces. The result is in a buffer of `buffers`, which may be longer than `size` and which the caller
 * gives back.
 */
export type CompressBody = (
  pieces: readonly Buffer[],
  buffers: BufferSource,
) => Promise<{ buf: Buffer; size: number }>

/** Returns the function for a coding, loading what it needs. gzip and zstd run on the runtime's threads. */
export async function loadBodyCompression(coding: BodyCoding): Promise<CompressBody> {
  if (coding !== 'snappy') {
    const { Compressor } = await import('../compression/stream-compressor.ts')
    const compressor = new Compressor(coding)
    return (pieces, buffers) => compressor.compress(pieces, buffers)
  }
  const { compressSnappyBlock } = await import('../compression/snappy-block.ts')
  return async (pieces, buffers) => {
    const joined = buffers.force(pieces.reduce((sum, { length }) => sum + length, 0))
    try {
      let at = 0
      for (const piece of pieces) at += piece.copy(joined, at)
      const compressed = compressSnappyBlock(joined.subarray(0, at))
      const buf = buffers.force(compressed.length)
      return { buf, size: compressed.copy(buf) }
    } finally {
      buffers.give(joined)
    }
  }
}
