import { skip } from '../../core/msgpack/encode.ts'
import { findKey, spanOf } from '../../core/msgpack/record.ts'
import { isMap } from './event-time.ts'
import { Malformed } from './value-scanner.ts'

const MAX_CHUNK_ID_BYTES = 1024
const CHUNK = Buffer.from('chunk')

/**
 * The value of "chunk" in the options buf[at, end), a map or nil: str or bin, opaque, kept with its head so that it goes
 * back as it came. A copy.
 */
export function chunkIdOf(buf: Buffer, at: number, end: number): Buffer | undefined {
  if (buf[at] === 0xc0) return undefined
  if (!isMap(buf[at] as number)) throw new Malformed('options that are no map')
  const id = findKey(buf, at, end, CHUNK)
  if (id < 0 || spanOf(buf, id) === undefined) return undefined
  const behind = skip(buf, id, end)
  if (behind - id > MAX_CHUNK_ID_BYTES) throw new Malformed(`a chunk id of ${behind - id} bytes`)
  return Buffer.from(buf.subarray(id, behind))
}

/** By the magic number: neither begins an entry. At least four bytes must be there. */
export function compressionOf(buf: Buffer, at: number): 'gzip' | 'zstd' | undefined {
  if (buf[at] === 0x1f && buf[at + 1] === 0x8b) return 'gzip'
  return buf.readUInt32BE(at) === 0x28b52ffd ? 'zstd' : undefined
}

const ACK_HEAD = Buffer.from('\x81\xa3ack', 'latin1')

/** `{"ack": id}` with the id as it came. */
export function encodeAck(chunk: Buffer): Buffer {
  return Buffer.concat([ACK_HEAD, chunk])
}
