import { crc32c } from '../../../lib/hash/crc32c.ts'

export type Compression = 'none' | 'gzip' | 'zstd' | 'snappy'

/** Compresses a piece of an object. The concatenated results decompress to the concatenated pieces. */
export type Compress = (bytes: Buffer) => Buffer

/** Higher levels cost three times the CPU for a tenth fewer bytes of logs. */
const LEVEL = 1
const SNAPPY_HEAD = Buffer.from('ff060000734e61507059', 'hex')
const SNAPPY_CHUNK_BYTES = 65_536
const MASK_DELTA = 0xa282ead8

/**
 * Returns the compression; undefined for `none`. The pieces are members of gzip, frames of zstd or streams of framed snappy, which
 * decoders accept concatenated.
 */
export async function loadCompress(how: Compression): Promise<Compress | undefined> {
  if (how === 'none') return undefined
  if (how === 'snappy') {
    const { compressSnappyBlock } = await import('../../../lib/compression/snappy-block.ts')
    return (bytes) => snappyFrames(bytes, compressSnappyBlock)
  }
  const zlib = await import('node:zlib')
  if (how === 'gzip') return (bytes) => zlib.gzipSync(bytes, { level: LEVEL })
  const params = { [zlib.constants.ZSTD_c_compressionLevel]: LEVEL }
  return (bytes) => zlib.zstdCompressSync(bytes, { params })
}

function snappyFrames(bytes: Buffer, compress: (block: Buffer) => Buffer): Buffer {
  const parts: Buffer[] = [SNAPPY_HEAD]
  for (let at = 0; at < bytes.length; at += SNAPPY_CHUNK_BYTES) {
    const plain = bytes.subarray(at, at + SNAPPY_CHUNK_BYTES)
    const block = compress(plain)
    const head = Buffer.alloc(8)
    head.writeUIntLE(block.length + 4, 1, 3)
    const sum = crc32c(plain, 0, plain.length)
    head.writeUInt32LE(((((sum >>> 15) | (sum << 17)) >>> 0) + MASK_DELTA) % 2 ** 32, 4)
    parts.push(head, block)
  }
  return Buffer.concat(parts)
}
