import { skip } from '../../core/msgpack/encode.ts'
import { findKey, textHead } from '../../core/msgpack/record.ts'
import { isMap } from './event-time.ts'
import { Malformed } from './value-scanner.ts'

const MAX_CHUNK_ID_BYTES = 1024
const CHUNK = Buffer.from('chunk')

/**
 * Returns the offset of the value of "chunk" in the options buf[at, end), a map or nil: str or bin, opaque, which is sent back with
 * its head exactly as it was received. -1: there is none. Throws `Malformed`.
 */
export function chunkIdAt(buf: Buffer, at: number, end: number): number {
  if (buf[at] === 0xc0) return -1
  if (!isMap(buf[at] as number)) throw new Malformed('options that are not a map')
  const id = findKey(buf, at, end, CHUNK)
  if (id < 0 || textHead(buf, id) < 0) return -1
  const idEnd = skip(buf, id, end)
  if (idEnd - id > MAX_CHUNK_ID_BYTES) throw new Malformed(`a chunk id of ${idEnd - id} bytes`)
  return id
}

/** Detects compression by the magic number, which cannot begin an entry. At least four bytes must be available. */
export function compressionOf(buf: Buffer, at: number): 'gzip' | 'zstd' | undefined {
  if (buf[at] === 0x1f && buf[at + 1] === 0x8b) return 'gzip'
  return buf.readUInt32BE(at) === 0x28b52ffd ? 'zstd' : undefined
}

const ACK_HEAD = Buffer.from('\x81\xa3ack', 'latin1')
/** Bytes of an acknowledgement besides the chunk id. */
export const ACK_HEAD_BYTES = ACK_HEAD.length

/** Writes `{"ack": id}` to out[at], with the id exactly as it was received in buf[start, end); returns the offset after it. */
export function writeAck(out: Buffer, at: number, buf: Buffer, start: number, end: number): number {
  const id = at + ACK_HEAD.copy(out, at)
  return id + buf.copy(out, id, start, end)
}
