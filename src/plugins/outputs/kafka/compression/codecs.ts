import { promisify } from 'node:util'
import type { Codec } from '../../../../protocol/kafka/batch.ts'
import type { BatchCompression } from './compression.ts'

/** Compression level of gzip and zstd: higher levels cost three times the CPU for a tenth fewer bytes of logs. */
const LEVEL = 1

/**
 * Returns the compression for a codec, undefined for `none`. gzip and zstd run on the runtime's threads; snappy and lz4
 * are JavaScript. The modules are loaded on first use.
 */
export async function loadCompression(codec: Codec): Promise<BatchCompression | undefined> {
  switch (codec) {
    case 'none':
      return undefined
    case 'gzip':
    case 'zstd':
      return createZlibCompression(codec)
    case 'snappy': {
      const { createSnappyCompression } = await import('./snappy.ts')
      return createSnappyCompression()
    }
    case 'lz4':
      return (await import('./lz4-frame.ts')).LZ4
  }
}

type AsyncCompress = (bytes: Buffer, options: object) => Promise<Buffer>

async function createZlibCompression(codec: 'gzip' | 'zstd'): Promise<BatchCompression> {
  const zlib = await import('node:zlib')
  if (codec === 'gzip') {
    const gzip = promisify(zlib.gzip) as AsyncCompress
    return {
      codec,
      compress: (bytes) => gzip(bytes, { level: LEVEL }),
      compressSync: (bytes) => zlib.gzipSync(bytes, { level: LEVEL }),
      decompress: (bytes) => zlib.gunzipSync(bytes),
    }
  }
  const zstd = promisify(zlib.zstdCompress) as AsyncCompress
  const params = { [zlib.constants.ZSTD_c_compressionLevel]: LEVEL }
  return {
    codec,
    compress: (bytes) => zstd(bytes, { params }),
    compressSync: (bytes) => zlib.zstdCompressSync(bytes, { params }),
    decompress: (bytes) => zlib.zstdDecompressSync(bytes),
  }
}
