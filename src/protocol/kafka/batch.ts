import { readVarint, varintSize, writeVarint } from './varint.ts'

/** Size of the batch header: the fields before the first record. */
export const BATCH_HEADER_BYTES = 61
/** Offsets in the batch header. The checksum covers everything after it. */
const LENGTH_AT = 8
const MAGIC_AT = 16
const CRC_AT = 17
const ATTRIBUTES_AT = 21
const LAST_OFFSET_DELTA_AT = 23
const BASE_TIME_AT = 27
const MAX_TIME_AT = 35
const PRODUCER_ID_AT = 43
const EPOCH_AT = 51
const SEQUENCE_AT = 53
const COUNT_AT = 57

/** Maximum bytes of a record without key, value and headers: length, attributes, time, offset, lengths of key and value. */
const MAX_RECORD_OVERHEAD_BYTES = 5 + 1 + 10 + 5 + 5 + 5

const CODECS = { none: 0, gzip: 1, snappy: 2, lz4: 3, zstd: 4 } as const
export type Codec = keyof typeof CODECS

/** Encoded headers of a record without headers: a count of zero. */
export const NO_HEADERS: Buffer = Buffer.from([0])

/**
 * Writes one record batch, version 2, into `buf` from `start` on. The caller provides the space: `BATCH_HEADER_BYTES` and
 * `maxRecordBytes` for each record. Allocates nothing.
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
  /** Time of the first record, and the latest time of all records. */
  baseMs = 0
  maxMs = 0

  constructor(buf: Buffer, start: number) {
    this.buf = buf
    this.start = start
    this.end = start + BATCH_HEADER_BYTES
  }

  /** Bytes written so far, with the batch header. */
  get size(): number {
    return this.end - this.start
  }

  /**
   * Appends one record. A `keyLength` of -1 is no key; `headers` are already encoded, with their count. Nine parameters,
   * to avoid an object per record.
   */
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

  /** Adds `records` records that the caller has written at `end`, with times and offsets that continue the batch. */
  extend(bytes: number, records: number, maxMs: number): void {
    this.end += bytes
    this.count += records
    this.maxMs = maxMs
  }

  /** Writes the batch header, except for the fields of `stampBatch`. */
  seal(codec: Codec = 'none'): void {
    const { buf, start } = this
    buf.fill(0, start, start + BATCH_HEADER_BYTES)
    buf.writeInt32BE(-1, start + 12)
    buf[start + MAGIC_AT] = 2
    buf.writeInt32BE(this.count - 1, start + LAST_OFFSET_DELTA_AT)
    buf.writeBigInt64BE(BigInt(this.baseMs), start + BASE_TIME_AT)
    buf.writeBigInt64BE(BigInt(this.maxMs), start + MAX_TIME_AT)
    buf.writeInt32BE(this.count, start + COUNT_AT)
    writeLengthAndCodec(buf, start, this.end, codec)
  }
}

/** Returns an upper bound of the encoded size of a record. */
export function maxRecordBytes(keyLength: number, valueLength: number, headersLength: number): number {
  return MAX_RECORD_OVERHEAD_BYTES + Math.max(0, keyLength) + valueLength + headersLength
}

/** Updates the header of a sealed batch whose records were replaced by their compressed form, which ends at `end`. */
export function writeLengthAndCodec(buf: Buffer, start: number, end: number, codec: Codec): void {
  buf.writeInt32BE(end - start - LENGTH_AT - 4, start + LENGTH_AT)
  buf.writeInt16BE(CODECS[codec], start + ATTRIBUTES_AT)
}

/** Producer id and epoch of a batch, and the sequence number of its first record; all -1 without idempotence. */
export interface Stamp {
  producerId: bigint
  epoch: number
  sequence: number
}

/** Writes the stamp and the checksum (CRC-32C). A batch that was sent is stamped again only after the broker refused it. */
export function stampBatch(
  buf: Buffer,
  start: number,
  end: number,
  stamp: Stamp,
  crc32c: (buf: Buffer, start: number, end: number) => number,
): void {
  buf.writeBigInt64BE(stamp.producerId, start + PRODUCER_ID_AT)
  buf.writeInt16BE(stamp.epoch, start + EPOCH_AT)
  buf.writeInt32BE(stamp.sequence, start + SEQUENCE_AT)
  buf.writeUInt32BE(crc32c(buf, start + ATTRIBUTES_AT, end), start + CRC_AT)
}

/**
 * Copies `count` records, beginning with the one at `from`, without the batch header, and renumbers their offsets from 0.
 * `to` needs as many bytes as the records had. Returns the end of the copy in `to`, and the offset of the next record in
 * `src`.
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

/**
 * Moves the times of a batch so that the latest is `nowMs`; the differences between its records stay. `onlyDeltaMs` is the
 * delta of the record if there is only one: the header of a part of a batch has the times of the whole. The checksum is
 * invalid until the batch is stamped again.
 */
export function moveTimes(buf: Buffer, start: number, nowMs: number, onlyDeltaMs?: number): void {
  const baseMs = Number(buf.readBigInt64BE(start + BASE_TIME_AT))
  const maxMs = Number(buf.readBigInt64BE(start + MAX_TIME_AT))
  const latestDeltaMs = onlyDeltaMs ?? maxMs - baseMs
  buf.writeBigInt64BE(BigInt(nowMs - latestDeltaMs), start + BASE_TIME_AT)
  buf.writeBigInt64BE(BigInt(nowMs), start + MAX_TIME_AT)
}

/** Returns the time of the first of these records, in milliseconds after the base of its batch. */
export function firstTimeDelta(records: Buffer): number {
  const length = readVarint(records, 0)
  return readVarint(records, varintSize(length) + 1)
}

/** Copies the batch header of `src` for a batch with `count` of its records. Base and max timestamp stay unchanged. */
export function copyBatchHeader(src: Buffer, start: number, to: Buffer, at: number, count: number): void {
  src.copy(to, at, start, start + BATCH_HEADER_BYTES)
  to.writeInt32BE(count - 1, at + LAST_OFFSET_DELTA_AT)
  to.writeInt32BE(count, at + COUNT_AT)
}
