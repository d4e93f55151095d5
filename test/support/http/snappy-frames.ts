import snappy from 'snappyjs'
import { crc32c } from '../../../src/lib/hash/crc32c.ts'

const CHUNK_BYTES = 65_536

/** Compresses bytes in the framed format of snappy. */
export function snappyFrames(bytes: Buffer): Buffer {
  const parts: Buffer[] = [Buffer.from('ff060000734e61507059', 'hex'), Buffer.from('fe030000000000', 'hex')]
  for (let at = 0; at < bytes.length; at += CHUNK_BYTES) {
    const plain = bytes.subarray(at, at + CHUNK_BYTES)
    const packed = Buffer.from(snappy.compress(new Uint8Array(plain)))
    // Every other chunk is not compressed, as a writer may do.
    const isPlain = (at / CHUNK_BYTES) % 3 === 2
    const content = isPlain ? plain : packed
    const head = Buffer.alloc(8)
    head[0] = isPlain ? 1 : 0
    head.writeUIntLE(content.length + 4, 1, 3)
    const crc = crc32c(plain, 0, plain.length) >>> 0
    head.writeUInt32LE((((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0, 4)
    parts.push(head, Buffer.from(content))
  }
  return Buffer.concat(parts)
}
