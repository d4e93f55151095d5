import { messageOf } from '../../../core/error.ts'
import { Malformed } from '../../../protocol/forward/value-scanner.ts'

type Unpack = (bytes: Buffer, options: object, done: (error: Error | null, out: Buffer) => void) => void

/**
 * The entries of a compressed payload: gzip of one or more members, or zstd. More than `maxBytes` of them are refused
 * while they are being unpacked, so a bomb costs that much and no more. node:zlib is loaded at the first use.
 */
export async function unpack(bytes: Buffer, how: 'gzip' | 'zstd', maxBytes: number): Promise<Buffer> {
  const zlib = await import('node:zlib')
  const unpacker: Unpack | undefined = how === 'gzip' ? zlib.gunzip : zlib.zstdDecompress
  if (unpacker === undefined) throw new Malformed('zstd, which this runtime cannot unpack')
  return new Promise((resolve, reject) => {
    unpacker(bytes, { maxOutputLength: maxBytes }, (error, out) => {
      if (error === null) resolve(out)
      else reject(new Malformed(`a ${how} payload that cannot be unpacked: ${messageOf(error)}`))
    })
  })
}
