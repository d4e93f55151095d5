import { messageOf } from '../../../core/error.ts'
import { Malformed } from '../../../protocol/forward/value-scanner.ts'

type Decompressor = (bytes: Buffer, options: object, done: (error: Error | null, out: Buffer) => void) => void

/**
 * Decompresses a payload: gzip of one or more members, or zstd. Rejects with `Malformed` as soon as the output exceeds `maxBytes`, so
 * a decompression bomb costs that much and no more. node:zlib is loaded at the first use.
 */
export async function decompress(bytes: Buffer, how: 'gzip' | 'zstd', maxBytes: number): Promise<Buffer> {
  const zlib = await import('node:zlib')
  const decompressor: Decompressor | undefined = how === 'gzip' ? zlib.gunzip : zlib.zstdDecompress
  if (decompressor === undefined) throw new Malformed('a zstd payload, which this runtime cannot decompress')
  return new Promise((resolve, reject) => {
    decompressor(bytes, { maxOutputLength: maxBytes }, (error, out) => {
      if (error === null) resolve(out)
      else reject(new Malformed(`a ${how} payload that cannot be decompressed: ${messageOf(error)}`))
    })
  })
}
