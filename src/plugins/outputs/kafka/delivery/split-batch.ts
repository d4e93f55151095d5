import {
  BATCH_HEADER_BYTES,
  copyBatchHeader,
  copyRecords,
  firstTimeDelta,
  moveTimes,
  writeLengthAndCodec,
} from '../../../../protocol/kafka/batch.ts'
import { reservedBytes } from '../../../../protocol/kafka/produce.ts'
import type { BatchCompression } from '../compression/compression.ts'
import { Batch } from './chunk-delivery.ts'

type BatchBytes = Pick<Batch, 'buf' | 'start' | 'end' | 'count' | 'entries'>

/**
 * Splits a batch that the broker refused into two halves; returns undefined for a single record. Each record keeps its
 * sequence number: the second half continues where the first one ends.
 */
export function splitBatch(
  batch: Batch,
  clientId: string,
  compression: BatchCompression | undefined,
): Batch[] | undefined {
  if (batch.count < 2) return undefined
  const records = uncompressedRecords(batch, compression)
  const half = batch.count >> 1
  const parts: Batch[] = []
  let from = 0
  let record = 0
  let sequence = batch.stamp?.sequence ?? -1
  for (const count of [half, batch.count - half]) {
    const start = reservedBytes(clientId, batch.topic)
    const buf = Buffer.allocUnsafe(start + BATCH_HEADER_BYTES + records.length + count)
    copyBatchHeader(batch.buf, batch.start, buf, start, count)
    const copied = copyRecords(records, from, count, buf, start + BATCH_HEADER_BYTES)
    from = copied.next
    const entries = batch.entries.slice(record, record + count)
    record += count
    const part = createPart(batch, { buf, start, end: copied.end, count, entries }, compression)
    part.isRetimed = batch.isRetimed && count > 1
    if (batch.stamp !== undefined) part.stamp = { ...batch.stamp, sequence }
    if (sequence >= 0) sequence = (sequence + count) % 2 ** 31
    parts.push(part)
  }
  return parts
}

/**
 * Gives a batch that the broker refused for its times those around `nowMs`; false when it has them already. What is stamped has to
 * be stamped again, with the same sequence number.
 */
export function retimeBatch(batch: Batch, nowMs: number, compression: BatchCompression | undefined): boolean {
  if (batch.isRetimed) return false
  batch.isRetimed = true
  const deltaMs = batch.count === 1 ? firstTimeDelta(uncompressedRecords(batch, compression)) : undefined
  moveTimes(batch.buf, batch.start, Math.floor(nowMs), deltaMs)
  return true
}

/** Returns the records of a batch, decompressed. */
function uncompressedRecords(batch: Batch, compression: BatchCompression | undefined): Buffer {
  const bytes = batch.buf.subarray(batch.start + BATCH_HEADER_BYTES, batch.end)
  return compression === undefined ? bytes : compression.decompress(bytes)
}

function createPart(refused: Batch, records: BatchBytes, compression: BatchCompression | undefined): Batch {
  const { delivery, target } = refused
  const { buf, start, end, count, entries } = records
  if (compression === undefined) {
    writeLengthAndCodec(buf, start, end, 'none')
    return new Batch({ delivery, target, buf, start, end, count, entries })
  }
  const compressed = compression.compressSync(buf.subarray(start + BATCH_HEADER_BYTES, end))
  const out = Buffer.concat([buf.subarray(0, start + BATCH_HEADER_BYTES), compressed])
  writeLengthAndCodec(out, start, out.length, compression.codec)
  return new Batch({ delivery, target, buf: out, start, end: out.length, count, entries })
}
