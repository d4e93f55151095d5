import type { Chunk } from '../../../../core/chunk.ts'
import type { OutputContext } from '../../../../core/plugin.ts'
import { Entry } from '../../../../lib/records/entry.ts'
import { sharedRecordEncoder } from '../../../../lib/wasm/record-encoder.ts'
import { BATCH_HEADER_BYTES, writeLengthAndCodec } from '../../../../protocol/kafka/batch.ts'
import { partitionOf } from '../../../../protocol/kafka/murmur2.ts'
import { reservedBytes } from '../../../../protocol/kafka/produce.ts'
import type { Topic } from '../client/cluster.ts'
import type { Compression } from '../compression/codecs.ts'
import { Batch, ChunkDelivery } from '../delivery/chunk-delivery.ts'
import type { PartitionQueue } from '../delivery/partition-queue.ts'
import type { KafkaOptions } from '../options.ts'
import { Headers } from './headers.ts'
import { Key, TopicSelector } from './key.ts'
import { OpenBatch, type SealedBatch } from './open-batch.ts'
import { createValue, type Value } from './value.ts'
import { WasmRecords } from './wasm-records.ts'

/** Where the records of a chunk are put in many batches each begins this small. */
const MIN_BATCH_BUFFER_BYTES = 16_384
/** JSON has more bytes than MessagePack: this much of a chunk's size, and so much for each record. */
const TEXT_GROWTH = 1.1
const RECORD_OVERHEAD_BYTES = 24

/** A chunk of fewer records is not worth the kernel. */
const MIN_FAST_PATH_RECORDS = 32

/** Makes record batches of chunks: one walk over the entries, nothing allocated for any of them. */
export class Encoder {
  readonly #options: KafkaOptions
  readonly #ctx: OutputContext
  readonly #entry = new Entry()
  readonly #key: Key
  readonly #topics: TopicSelector
  readonly #headers: Headers
  readonly #value: Value
  /** Topics in the order of their turns: the next partition of each. */
  readonly #nextPartition = new Map<string, number>()
  #warnedIncomplete = false

  constructor(options: KafkaOptions, ctx: OutputContext) {
    this.#options = options
    this.#ctx = ctx
    this.#key = new Key(options)
    this.#topics = new TopicSelector(options)
    this.#headers = new Headers(options, ctx.agent.id, () => this.#warnIncomplete())
    this.#value = createValue(options, ctx.agent.hostname)
  }

  #warnIncomplete(): void {
    if (this.#warnedIncomplete) return
    this.#warnedIncomplete = true
    const { positionFileKey, positionIdKey, positionOffsetKey } = this.#options
    this.#ctx.log.warn('Position_Headers is on, and there are records without the fields for it', {
      hint: `set Path_Key ${positionFileKey}, File_Id_Key ${positionIdKey} and Offset_Key ${positionOffsetKey} of the tail input`,
    })
  }

  /** The topics that the records of the chunk go to. */
  topicsOf(chunk: Chunk): string[] {
    const first = this.#topics.beginChunk(chunk.tag)
    if (this.#topics.isFixed) return [first]
    const names = new Set<string>()
    for (let at = chunk.start; at < chunk.end; at = this.#entry.end) {
      this.#entry.read(chunk, at, this.#value.fieldKey)
      names.add(this.#topics.topicFor(chunk.buf, this.#entry))
    }
    return [...names]
  }

  /** Batches of the whole chunk; `topics` has all that `topicsOf` named. */
  encode(chunk: Chunk, topics: ReadonlyMap<string, Topic>): SealedBatch[] {
    const sealed: SealedBatch[] = []
    const open = new Map<PartitionQueue, OpenBatch>()
    this.#topics.beginChunk(chunk.tag)
    this.#key.beginChunk(chunk.tag)
    try {
      this.#walk(chunk, topics, open)
      for (const batch of open.values()) {
        batch.seal()
        sealed.push(...batch.sealed)
      }
      return sealed
    } catch (error) {
      for (const batch of open.values()) batch.discard()
      throw error
    } finally {
      this.#value.reset()
    }
  }

  #walk(chunk: Chunk, topics: ReadonlyMap<string, Topic>, open: Map<PartitionQueue, OpenBatch>): void {
    const { buf, end } = chunk
    const value = this.#value
    const entry = this.#entry
    const one = this.#topics.isFixed && (this.#key.isFixed || !this.#partitionsByKey)
    const sticky = new Map<Topic, PartitionQueue>()
    const usual = one ? this.#fastPath(chunk) : undefined
    let batch: OpenBatch | undefined
    for (let at = chunk.start; at < end; at = entry.end) {
      if (usual !== undefined && batch !== undefined) {
        at = usual.take(batch, chunk, at)
        if (at === end) break
      }
      entry.read(chunk, at, value.fieldKey)
      value.set(buf, entry)
      this.#key.set(buf, entry)
      this.#headers.set(buf, entry)
      if (batch === undefined || !one) {
        const topic = topics.get(this.#topics.topicFor(buf, entry)) as Topic
        const target = this.#partitionFor(topic, sticky)
        batch = open.get(target) ?? this.#openBatch(chunk, target, one, open)
      }
      batch.add(entry.time.ms, this.#key, value, this.#headers)
    }
  }

  /** Undefined: the kernel cannot write what the records of the chunk have in common. */
  #fastPath(chunk: Chunk): WasmRecords | undefined {
    const { form } = this.#value
    if (
      form === undefined ||
      !this.#key.isFixed ||
      !this.#headers.isEmpty ||
      chunk.count < MIN_FAST_PATH_RECORDS
    )
      return undefined
    const kernel = sharedRecordEncoder()
    return kernel.use(form, this.#key.fixedKey) ? new WasmRecords(kernel) : undefined
  }

  get #partitionsByKey(): boolean {
    return this.#options.partitioner === 'murmur2'
  }

  #partitionFor(topic: Topic, sticky: Map<Topic, PartitionQueue>): PartitionQueue {
    return this.#partitionsByKey && this.#key.length >= 0
      ? this.#partitionByKey(topic)
      : this.#stickyPartition(topic, sticky)
  }

  #partitionByKey({ partitions }: Topic): PartitionQueue {
    const { src, start, length } = this.#key
    return partitions[partitionOf(src, start, start + length, partitions.length)] as PartitionQueue
  }

  /** One partition for a chunk, the next one that has a leader for the next. */
  #stickyPartition(topic: Topic, sticky: Map<Topic, PartitionQueue>): PartitionQueue {
    let partition = sticky.get(topic)
    if (partition !== undefined) return partition
    const { partitions } = topic
    const from = this.#nextPartition.get(topic.name) ?? 0
    let at = from % partitions.length
    for (let i = 0; i < partitions.length && (partitions[at] as PartitionQueue).leader < 0; i++)
      at = (at + 1) % partitions.length
    this.#nextPartition.set(topic.name, at + 1)
    partition = partitions[at] as PartitionQueue
    sticky.set(topic, partition)
    return partition
  }

  #openBatch(
    chunk: Chunk,
    target: PartitionQueue,
    one: boolean,
    open: Map<PartitionQueue, OpenBatch>,
  ): OpenBatch {
    const text = this.#options.format === 'json' || this.#options.format === 'gelf'
    const size =
      BATCH_HEADER_BYTES +
      Math.ceil(chunk.size * (text ? TEXT_GROWTH : 1)) +
      chunk.count * RECORD_OVERHEAD_BYTES
    const room = reservedBytes(this.#options.clientId, target.topic)
    const batch = new OpenBatch({
      target,
      buffers: this.#ctx.buffers,
      reservedBytes: room,
      // With its room it fits a buffer of the pool: one byte more and each would be made anew.
      maxBytes: Math.max(this.#options.batchMaxBytes - room, BATCH_HEADER_BYTES),
      initialBytes: one ? size : Math.min(size, MIN_BATCH_BUFFER_BYTES),
    })
    open.set(target, batch)
    return batch
  }
}

/** The batches of a chunk as they are sent: compressed, if that is asked for. */
export async function createDelivery(
  chunk: Chunk,
  sealed: readonly SealedBatch[],
  compression: Compression | undefined,
  { buffers }: OutputContext,
): Promise<ChunkDelivery> {
  const delivery = new ChunkDelivery(chunk)
  for (const plain of sealed) {
    const made = compression === undefined ? plain : await compressBatch(plain, compression, buffers)
    delivery.batches.add(new Batch({ ...made, delivery, buffers }))
  }
  return delivery
}

async function compressBatch(
  plain: SealedBatch,
  { codec, compress }: Compression,
  buffers: OutputContext['buffers'],
): Promise<SealedBatch> {
  const { buf, start, end } = plain
  const records = await compress(buf.subarray(start + BATCH_HEADER_BYTES, end))
  const out = buffers.force(start + BATCH_HEADER_BYTES + records.length)
  buf.copy(out, start, start, start + BATCH_HEADER_BYTES)
  records.copy(out, start + BATCH_HEADER_BYTES)
  buffers.give(buf)
  const last = start + BATCH_HEADER_BYTES + records.length
  writeLengthAndCodec(out, start, last, codec)
  return { ...plain, buf: out, end: last }
}
