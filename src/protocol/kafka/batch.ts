import { readVarint, varintSize, writeVarint } from './varint.ts'

/** Bytes before the first record. */
export const BATCH_HEAD = 61
/** Offsets in the head. The checksum is over everything behind it. */
const LENGTH_AT = 8
const MAGIC_AT = 16
const CRC_AT = 17
const ATTRIBUTES_AT = 21
const LAST_DELTA_AT = 23
const BASE_TIME_AT = 27
const MAX_TIME_AT = 35
const PRODUCER_AT = 43
const EPOCH_AT = 51
const SEQUENCE_AT = 53
const COUNT_AT = 57

/** Most bytes of a record besides key, value and headers: length, attributes, time, offset, lengths of key and value. */
const RECORD_HEAD_MAX = 5 + 1 + 10 + 5 + 5 + 5

const CODECS = { none: 0, gzip: 1, snappy: 2, lz4: 3, zstd: 4 } as const
export type Codec = keyof typeof CODECS

/** The headers of a record that has none. */
export const NO_HEADERS: Buffer = Buffer.from([0])

/**
 * Writes one record batch, version 2, into `buf` from `start` on. Bounds are the caller's: `BATCH_HEAD` bytes and
 * `recordBound` for each record. Nothing is allocated.
 *
 * ```
 *   RecordBatch => baseOffset int64 | batchLength int32 | partitionLeaderEpoch int32 | magic int8 = 2 | crc uint32
 *                  attributes int16 | lastOffsetDelta int32 | baseTimestamp int64 | maxTimestamp int64
 *                  producerId int64 | producerEpoch int16 | baseSequence int32 | count int32 | Record*
 *   Record      => length varint | attributes int8 = 0 | timestampDelta varlong | offsetDelta varint
 *                  keyLength varint (-1: none) key | valueLength varint value | Headers
 *   Headers     => count varint, each: keyLength varint key | valueLength varint value
 * ```
 */
export class BatchWriter {
  buf: Buffer
  readonly start: number
  end: number
  count = 0
  /** Time of the first record, and the latest one. */
  baseMs = 0
  maxMs = 0

  constructor(buf: Buffer, start: number) {
    this.buf = buf
    this.start = start
    this.end = start + BATCH_HEAD
  }

  /** Bytes of the batch as it is now. */
  get size(): number {
    return this.end - this.start
  }

  /** `keyLength` -1: no key. `headers` are whole, with their count. Nine parameters, for no object per record. */
  add(
    ms: number,
    key: Buffer,
    keyStart: number,
    keyLength: number,
    value: Buffer,
    valueStart: number,
    valueLength: number,
    headers: Buffer,
    headersLength: number,
  ): void {
    if (this.count === 0) this.baseMs = this.maxMs = ms
    else if (ms > this.maxMs) this.maxMs = ms
    const time = ms - this.baseMs
    const bytes =
      1 +
      varintSize(time) +
      varintSize(this.count) +
      varintSize(keyLength) +
      varintSize(valueLength) +
      Math.max(keyLength, 0) +
      valueLength +
      headersLength
    const { buf } = this
    let p = writeVarint(buf, this.end, bytes)
    buf[p] = 0
    p = writeVarint(buf, p + 1, time)
    p = writeVarint(buf, p, this.count)
    p = writeVarint(buf, p, keyLength)
    if (keyLength > 0) p += key.copy(buf, p, keyStart, keyStart + keyLength)
    p = writeVarint(buf, p, valueLength)
    p += value.copy(buf, p, valueStart, valueStart + valueLength)
    if (headersLength === 1) buf[p++] = headers[0] as number
    else p += headers.copy(buf, p, 0, headersLength)
    this.end = p
    this.count++
  }

  /** Counts records that were written at `end`; their times and offsets are those that follow. */
  extend(bytes: number, records: number, maxMs: number): void {
    this.end += bytes
    this.count += records
    this.maxMs = maxMs
  }

  /** Fills in the head, but for what `stampBatch` writes. */
  seal(codec: Codec = 'none'): void {
    const { buf, start } = this
    buf.fill(0, start, start + BATCH_HEAD)
    buf.writeInt32BE(-1, start + 12)
    buf[start + MAGIC_AT] = 2
    buf.writeInt32BE(this.count - 1, start + LAST_DELTA_AT)
    buf.writeBigInt64BE(BigInt(this.baseMs), start + BASE_TIME_AT)
    buf.writeBigInt64BE(BigInt(this.maxMs), start + MAX_TIME_AT)
    buf.writeInt32BE(this.count, start + COUNT_AT)
    sealLength(buf, start, this.end, codec)
  }
}

/** Most bytes that a record takes. */
export function recordBound(keyLength: number, valueLength: number, headersLength: number): number {
  return RECORD_HEAD_MAX + Math.max(0, keyLength) + valueLength + headersLength
}

/** After the records of a sealed batch were replaced by their compressed form, which ends at `end`. */
export function sealLength(buf: Buffer, start: number, end: number, codec: Codec): void {
  buf.writeInt32BE(end - start - LENGTH_AT - 4, start + LENGTH_AT)
  buf.writeInt16BE(CODECS[codec], start + ATTRIBUTES_AT)
}

/** Who the batch is of: an idempotent producer's id and epoch, and the sequence number of the first record. */
export interface Stamp {
  producerId: bigint
  epoch: number
  sequence: number
}

/** Writes the stamp and the checksum (CRC-32C). A sent batch is never stamped anew, unless the broker has refused it. */
export function stampBatch(
  buf: Buffer,
  start: number,
  end: number,
  stamp: Stamp,
  crc32c: (buf: Buffer, start: number, end: number) => number,
): void {
  buf.writeBigInt64BE(stamp.producerId, start + PRODUCER_AT)
  buf.writeInt16BE(stamp.epoch, start + EPOCH_AT)
  buf.writeInt32BE(stamp.sequence, start + SEQUENCE_AT)
  buf.writeUInt32BE(crc32c(buf, start + ATTRIBUTES_AT, end), start + CRC_AT)
}

/**
 * Copies `count` records from the one at `from` on, without their batch's head, and numbers them from 0. Returns the
 * offset behind the copy in `to`, which needs as many bytes as the records had, and where the next record begins.
 */
export function copyRecords(
  src: Buffer,
  from: number,
  count: number,
  to: Buffer,
  at: number,
): { end: number; next: number } {
  let p = from
  let out = at
  for (let i = 0; i < count; i++) {
    const length = readVarint(src, p)
    const body = p + varintSize(length)
    const time = body + 1
    const offset = time + varintSize(readVarint(src, time))
    const old = readVarint(src, offset)
    const rest = offset + varintSize(old)
    const end = body + length
    out = writeVarint(to, out, length - varintSize(old) + varintSize(i))
    out += src.copy(to, out, body, offset)
    out = writeVarint(to, out, i)
    out += src.copy(to, out, rest, end)
    p = end
  }
  return { end: out, next: p }
}

/** The head of a batch for a part of its records: that of `src`, with another count. Its times stay. */
export function copyHead(src: Buffer, start: number, to: Buffer, at: number, count: number): void {
  src.copy(to, at, start, start + BATCH_HEAD)
  to.writeInt32BE(count - 1, at + LAST_DELTA_AT)
  to.writeInt32BE(count, at + COUNT_AT)
}
