import { PRODUCE } from './requests.ts'
import { WireReader } from './wire.ts'

/** A record batch in a buffer with free bytes before it, which take its part of a Produce request. */
export interface ProduceBatch {
  readonly topic: string
  readonly partition: number
  readonly buf: Buffer
  /** Offset of the batch in `buf`; the `reservedBytes` before it are free. */
  readonly start: number
  readonly end: number
}

const REQUEST_HEADER_BYTES = 4 + 2 + 2 + 4 + 2
const PRODUCE_HEADER_BYTES = 2 + 2 + 4 + 4
const TOPIC_HEADER_BYTES = 2 + 4
const PARTITION_HEADER_BYTES = 4 + 4

/** Returns the bytes to leave free before a batch: any batch may be the first of a request, which holds the header. */
export function reservedBytes(clientId: string, topic: string): number {
  const names = Buffer.byteLength(clientId) + Buffer.byteLength(topic)
  return REQUEST_HEADER_BYTES + PRODUCE_HEADER_BYTES + TOPIC_HEADER_BYTES + PARTITION_HEADER_BYTES + names
}

interface ProduceHeader {
  correlationId: number
  clientId: string
  acks: number
  timeoutMs: number
}

/**
 * Writes a Produce request, version 7, around batches that stay in their buffers; returns views to send in order.
 * Batches of one topic must be adjacent, and a partition may occur only once.
 *
 * ```
 *   Produce => header | transactionalId string = null | acks int16 | timeoutMs int32 |
 *              [topic string | [partition int32 | size int32 | RecordBatch]]
 * ```
 */
export function frameProduce(batches: readonly ProduceBatch[], header: ProduceHeader): Buffer[] {
  let size = REQUEST_HEADER_BYTES - 4 + PRODUCE_HEADER_BYTES + Buffer.byteLength(header.clientId)
  const topics = new Map<string, number>()
  for (const { topic, start, end } of batches) {
    if (!topics.has(topic)) size += TOPIC_HEADER_BYTES + Buffer.byteLength(topic)
    topics.set(topic, (topics.get(topic) ?? 0) + 1)
    size += PARTITION_HEADER_BYTES + end - start
  }
  let previous: string | undefined
  return batches.map((batch, i) => {
    const { buf, topic, start, end } = batch
    const topicBatches = topic === previous ? 0 : (topics.get(topic) as number)
    previous = topic
    let at = start - PARTITION_HEADER_BYTES
    if (topicBatches > 0) at -= TOPIC_HEADER_BYTES + Buffer.byteLength(topic)
    if (i === 0) at -= REQUEST_HEADER_BYTES + PRODUCE_HEADER_BYTES + Buffer.byteLength(header.clientId)
    const from = at
    if (i === 0) at = writeHeader(buf, at, size, header, topics.size)
    if (topicBatches > 0) at = buf.writeInt32BE(topicBatches, writeString(buf, at, topic))
    at = buf.writeInt32BE(batch.partition, at)
    buf.writeInt32BE(end - start, at)
    return buf.subarray(from, end)
  })
}

/** Size from which a part of a request is sent from where it is, and up to which smaller ones are joined. */
const LARGE_PART_BYTES = 16_384

/** Joins small parts that follow one another, so that a request to many partitions takes few writes. */
export function joinSmallParts(parts: readonly Buffer[]): Buffer[] {
  const joined: Buffer[] = []
  let small: Buffer[] = []
  let bytes = 0
  const close = () => {
    if (small.length > 0) joined.push(small.length === 1 ? (small[0] as Buffer) : Buffer.concat(small, bytes))
    small = []
    bytes = 0
  }
  for (const part of parts) {
    if (bytes + part.length > LARGE_PART_BYTES) close()
    if (part.length >= LARGE_PART_BYTES) joined.push(part)
    else {
      small.push(part)
      bytes += part.length
    }
  }
  close()
  return joined
}

function writeHeader(buf: Buffer, from: number, size: number, header: ProduceHeader, topics: number): number {
  let at = buf.writeInt32BE(size, from)
  at = buf.writeInt16BE(PRODUCE.key, at)
  at = buf.writeInt16BE(PRODUCE.version, at)
  at = buf.writeInt32BE(header.correlationId, at)
  at = writeString(buf, at, header.clientId)
  at = buf.writeInt16BE(-1, at)
  at = buf.writeInt16BE(header.acks, at)
  at = buf.writeInt32BE(header.timeoutMs, at)
  return buf.writeInt32BE(topics, at)
}

function writeString(buf: Buffer, at: number, text: string): number {
  const length = Buffer.byteLength(text)
  buf.writeInt16BE(length, at)
  return at + 2 + buf.write(text, at + 2, length)
}

export interface PartitionResponse {
  topic: string
  partition: number
  error: number
}

/**
 * Reads the response to a Produce request. Throws a RangeError when it is truncated.
 *
 * Response => [topic string | [partition int32 | error int16 | baseOffset int64 | logAppendTime int64 |
 * logStartOffset int64]] | throttleMs int32
 */
export function readProduce(body: Buffer): { responses: PartitionResponse[]; throttleMs: number } {
  const r = new WireReader(body)
  const responses: PartitionResponse[] = []
  r.array(() => {
    const topic = r.string() ?? ''
    r.array(() => {
      responses.push({ topic, partition: r.int32(), error: r.int16() })
      for (let i = 0; i < 3; i++) r.int64()
    })
  })
  return { responses, throttleMs: r.int32() }
}
