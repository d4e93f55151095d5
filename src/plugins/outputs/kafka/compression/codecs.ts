import { promisify } from 'node:util'
import type { Codec } from '../../../../protocol/kafka/batch.ts'

/** How the records of a batch are made smaller, and back again for one that has to be cut in two. */
export interface Compression {
  readonly codec: Codec
  compress(bytes: Buffer): Promise<Buffer> | Buffer
  /** For the parts of a batch that had to be cut. */
  compressSync(bytes: Buffer): Buffer
  decompress(bytes: Buffer): Buffer
}

/** Level 1: higher levels cost three times the CPU for a tenth fewer bytes of logs. */
const LEVEL = 1

/** gzip and zstd run on the runtime's threads; snappy and lz4 are JavaScript. All is loaded when it is first asked for. */
export async function loadCompression(codec: Codec): Promise<Compression | undefined> {
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

async function createZlibCompression(codec: 'gzip' | 'zstd'): Promise<Compression> {
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
