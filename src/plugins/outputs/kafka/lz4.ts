import type { Compression } from './compress.ts'

/** LZ4 frames, as the batch format 2 wants them. */
export async function lz4Compression(): Promise<Compression> {
  const { default: lz4 } = await import('lz4js')
  const compress = (bytes: Buffer) => Buffer.from(lz4.compress(bytes))
  return {
    codec: 'lz4',
    compress,
    compressSync: compress,
    decompress: (bytes) => Buffer.from(lz4.decompress(bytes)),
  }
}
