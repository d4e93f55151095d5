import { PRODUCE } from './requests.ts'
import { WireReader } from './wire.ts'

/** A batch with room before it, in which its part of a Produce request is written. */
export interface Piece {
  readonly topic: string
  readonly partition: number
  readonly buf: Buffer
  /** Of the batch; `pieceRoom` bytes before it are free. */
  readonly start: number
  readonly end: number
}

const REQUEST_HEAD = 4 + 2 + 2 + 4 + 2
const BODY_HEAD = 2 + 2 + 4 + 4
const TOPIC_HEAD = 2 + 4
const PARTITION_HEAD = 4 + 4

/** Room before a batch: whichever piece is the first of a request holds its head. */
export function pieceRoom(clientId: string, topic: string): number {
  const names = Buffer.byteLength(clientId) + Buffer.byteLength(topic)
  return REQUEST_HEAD + BODY_HEAD + TOPIC_HEAD + PARTITION_HEAD + names
}

interface ProduceHead {
  correlation: number
  clientId: string
  acks: number
  timeoutMs: number
}

/**
 * A Produce request, version 7, around batches that stay where they are: views to be written one after another. Pieces
 * of one topic must be neighbours; a partition may come once only.
 *
 * ```
 *   Produce => head | transactionalId string = null | acks int16 | timeoutMs int32 |
 *              [topic string | [partition int32 | size int32 | RecordBatch]]
 * ```
 */
export function frameProduce(pieces: readonly Piece[], head: ProduceHead): Buffer[] {
  let size = REQUEST_HEAD - 4 + BODY_HEAD + Buffer.byteLength(head.clientId)
  const topics = new Map<string, number>()
  for (const { topic, start, end } of pieces) {
    if (!topics.has(topic)) size += TOPIC_HEAD + Buffer.byteLength(topic)
    topics.set(topic, (topics.get(topic) ?? 0) + 1)
    size += PARTITION_HEAD + end - start
  }
  let previous: string | undefined
  return pieces.map((piece, i) => {
    const { buf, topic, start, end } = piece
    const inTopic = topic === previous ? 0 : (topics.get(topic) as number)
    previous = topic
    let at = start - PARTITION_HEAD
    if (inTopic > 0) at -= TOPIC_HEAD + Buffer.byteLength(topic)
    if (i === 0) at -= REQUEST_HEAD + BODY_HEAD + Buffer.byteLength(head.clientId)
    const from = at
    if (i === 0) at = writeHead(buf, at, size, head, topics.size)
    if (inTopic > 0) at = buf.writeInt32BE(inTopic, writeString(buf, at, topic))
    at = buf.writeInt32BE(piece.partition, at)
    buf.writeInt32BE(end - start, at)
    return buf.subarray(from, end)
  })
}

function writeHead(buf: Buffer, from: number, size: number, head: ProduceHead, topics: number): number {
  let at = buf.writeInt32BE(size, from)
  at = buf.writeInt16BE(PRODUCE.key, at)
  at = buf.writeInt16BE(PRODUCE.version, at)
  at = buf.writeInt32BE(head.correlation, at)
  at = writeString(buf, at, head.clientId)
  at = buf.writeInt16BE(-1, at)
  at = buf.writeInt16BE(head.acks, at)
  at = buf.writeInt32BE(head.timeoutMs, at)
  return buf.writeInt32BE(topics, at)
}

function writeString(buf: Buffer, at: number, text: string): number {
  const length = Buffer.byteLength(text)
  buf.writeInt16BE(length, at)
  return at + 2 + buf.write(text, at + 2, length)
}

export interface ProduceAnswer {
  topic: string
  partition: number
  error: number
}

/**
 * Response => [topic string | [partition int32 | error int16 | baseOffset int64 | logAppendTime int64 |
 * logStartOffset int64]] | throttleMs int32
 */
export function readProduce(body: Buffer): { answers: ProduceAnswer[]; throttleMs: number } {
  const r = new WireReader(body)
  const answers: ProduceAnswer[] = []
  r.array(() => {
    const topic = r.string() ?? ''
    r.array(() => {
      answers.push({ topic, partition: r.int32(), error: r.int16() })
      for (let i = 0; i < 3; i++) r.int64()
    })
  })
  return { answers, throttleMs: r.int32() }
}
