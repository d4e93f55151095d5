import { skip } from '../../core/msgpack/encode.ts'
import { findKey, spanOf } from '../../core/msgpack/record.ts'
import { isMap } from './event-time.ts'
import { Malformed } from './value-scanner.ts'

const MAX_CHUNK_ID_BYTES = 1024
const CHUNK = Buffer.from('chunk')

/**
 * Returns a copy of the value of "chunk" in the options buf[at, end), a map or nil: str or bin, opaque, with its head, so that it
 * is sent back exactly as it was received. Throws `Malformed`.
 */
export function chunkIdOf(buf: Buffer, at: number, end: number): Buffer | undefined {
  if (buf[at] === 0xc0) return undefined
  if (!isMap(buf[at] as number)) throw new Malformed('options that are not a map')
  const id = findKey(buf, at, end, CHUNK)
  if (id < 0 || spanOf(buf, id) === undefined) return undefined
  const idEnd = skip(buf, id, end)
  if (idEnd - id > MAX_CHUNK_ID_BYTES) throw new Malformed(`a chunk id of ${idEnd - id} bytes`)
  return Buffer.from(buf.subarray(id, idEnd))
}

/** Detects compression by the magic number, which cannot begin an entry. At least four bytes must be available. */
export function compressionOf(buf: Buffer, at: number): 'gzip' | 'zstd' | undefined {
  if (buf[at] === 0x1f && buf[at + 1] === 0x8b) return 'gzip'
  return buf.readUInt32BE(at) === 0x28b52ffd ? 'zstd' : undefined
}

const ACK_HEAD = Buffer.from('\x81\xa3ack', 'latin1')

/** Returns `{"ack": id}` with the id exactly as it was received. */
export function encodeAck(chunk: Buffer): Buffer {
  return Buffer.concat([ACK_HEAD, chunk])
}
