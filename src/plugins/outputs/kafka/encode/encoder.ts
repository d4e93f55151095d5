import type { Chunk } from '../../../../core/chunk.ts'
import type { ShipperError } from '../../../../core/error.ts'
import type { OutputContext } from '../../../../core/plugin.ts'
import { Entry } from '../../../../lib/records/entry.ts'
import { type FallbackReason, FastPath } from '../../../../lib/wasm/fast-path.ts'
import { sharedRecordEncoder } from '../../../../lib/wasm/record-encoder.ts'
import { BATCH_HEADER_BYTES, writeLengthAndCodec } from '../../../../protocol/kafka/batch.ts'
import { partitionOf } from '../../../../protocol/kafka/murmur2.ts'
import { reservedBytes } from '../../../../protocol/kafka/produce.ts'
import type { Topic } from '../client/cluster.ts'
import type { BatchCompression } from '../compression/compression.ts'
import { Batch, ChunkDelivery } from '../delivery/chunk-delivery.ts'
import type { PartitionQueue } from '../delivery/partition-queue.ts'
import type { KafkaOptions } from '../options.ts'
import { Headers } from './headers.ts'
import { Key, TopicSelector } from './key.ts'
import { OpenBatch, type SealedBatch } from './open-batch.ts'
import { createValue, type Value } from './value.ts'
import { WasmRecords } from './wasm-records.ts'

/** Initial buffer size of a batch when the records of a chunk may go to many partitions; less from FEW_BATCHES on. */
const INITIAL_BATCH_BYTES = 16_384
/** Batches of one chunk that are expected to be large. */
const FEW_BATCHES = 16
/** Estimated size of JSON text relative to MessagePack. */
const TEXT_GROWTH = 1.1
/** Estimated overhead of a record in a batch. */
const RECORD_OVERHEAD_BYTES = 24

/** Minimum records of a chunk for which the WebAssembly encoder pays off. */
const MIN_FAST_PATH_RECORDS = 32

/** Encodes chunks as record batches, in one pass over the entries and without an allocation per entry. */
export class Encoder {
  readonly #options: KafkaOptions
  readonly #maxBatchBytes: number
  readonly #ctx: OutputContext
  readonly #entry = new Entry()
  readonly #key: Key
  readonly #topics: TopicSelector
  readonly #headers: Headers
  readonly #value: Value
  /** Next partition of each topic for records without a key. */
  readonly #nextPartition = new Map<string, number>()
  readonly #path = new FastPath()
  #warnedIncomplete = false

  constructor(options: KafkaOptions, ctx: OutputContext) {
    this.#options = options
    this.#maxBatchBytes = Math.min(options.batchMaxBytes, options.rdkafkaBatchSize ?? options.batchMaxBytes)
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
    this.#ctx.log.warn('Position_Headers is on, but records lack the fields for the headers', {
      hint: `set Path_Key ${positionFileKey}, File_Id_Key ${positionIdKey} and Offset_Key ${positionOffsetKey} of the tail input`,
    })
  }

  /** Returns the topics of the records of a chunk. */
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

  /** True when a topic is none that the configuration names: a tag or a record has chosen it. */
  isChosen(topic: string): boolean {
    return this.#topics.isChosen(topic)
  }

  /**
   * Encodes the records of a chunk, and rejects those of refused topics; `topics` and `refused` must contain all
   * topics of `topicsOf`.
   */
  encode(
    chunk: Chunk,
    topics: ReadonlyMap<string, Topic>,
    refused: ReadonlyMap<string, ShipperError>,
  ): SealedBatch[] {
    const sealed: SealedBatch[] = []
    const open = new Map<PartitionQueue, OpenBatch>()
    this.#topics.beginChunk(chunk.tag)
    this.#key.beginChunk(chunk.tag)
    this.#value.beginChunk(chunk)
    try {
      this.#walk(chunk, topics, refused, open)
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

  #walk(
    chunk: Chunk,
    topics: ReadonlyMap<string, Topic>,
    refused: ReadonlyMap<string, ShipperError>,
    open: Map<PartitionQueue, OpenBatch>,
  ): void {
    const { buf, end } = chunk
    const value = this.#value
    const entry = this.#entry
    const oneTarget = this.#topics.isFixed && (this.#key.isFixed || !this.#partitionsByKey)
    const sticky = new Map<Topic, PartitionQueue>()
    const path = this.#path
    const closed = oneTarget ? this.#closedFor(chunk) : 'options'
    path.begin(closed === undefined, closed ?? 'form')
    const fastPath = closed === undefined ? new WasmRecords(sharedRecordEncoder(), path) : undefined
    let batch = fastPath === undefined ? undefined : this.#beginBatch(chunk, topics, sticky, open)
    for (let at = chunk.start; at < end; at = entry.end) {
      if (fastPath !== undefined && batch !== undefined) {
        at = fastPath.add(batch, chunk, at)
        if (at === end) break
      }
      entry.read(chunk, at, value.fieldKey)
      value.set(buf, entry)
      this.#key.set(buf, entry)
      this.#headers.set(buf, entry)
      if (batch === undefined || !oneTarget) {
        const name = this.#topics.topicFor(buf, entry)
        const topic = topics.get(name)
        if (topic === undefined) {
          this.#ctx.reject(chunk, at, entry.end, refused.get(name) as ShipperError)
          continue
        }
        const target = this.#partitionFor(topic, sticky)
        batch = open.get(target) ?? this.#openBatch(chunk, target, oneTarget, open)
      }
      batch.add(entry.time.ms, this.#key, value, this.#headers, at - chunk.start)
      path.fallback()
    }
    path.report(this.#ctx.counters)
  }

  /** Begins the batch of a chunk with one target; undefined when its first entry or its topic need a closer look. */
  #beginBatch(
    chunk: Chunk,
    topics: ReadonlyMap<string, Topic>,
    sticky: Map<Topic, PartitionQueue>,
    open: Map<PartitionQueue, OpenBatch>,
  ): OpenBatch | undefined {
    const { buf, start } = chunk
    const topic = topics.get(this.#topics.topicFor(buf, this.#entry))
    const ms = eventTimeMs(buf, start)
    if (topic === undefined || ms === undefined) return undefined
    const batch = this.#openBatch(chunk, this.#partitionFor(topic, sticky), true, open)
    batch.begin(ms)
    return batch
  }

  /** Sets the WebAssembly encoder up for a chunk; returns why it cannot encode the records, or does not pay off. */
  #closedFor(chunk: Chunk): FallbackReason | undefined {
    const { form } = this.#value
    if (form === undefined || !this.#key.isFixed || !this.#headers.isEmpty) return 'options'
    if (chunk.count < MIN_FAST_PATH_RECORDS) return 'small'
    return sharedRecordEncoder().use(form, this.#key.fixedKey) ? undefined : 'options'
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

  /**
   * Returns one partition for all records of a chunk without a key; the next chunk gets the next one with a
   * leader.
   */
  #stickyPartition(topic: Topic, sticky: Map<Topic, PartitionQueue>): PartitionQueue {
    let partition = sticky.get(topic)
    if (partition !== undefined) return partition
    const { partitions } = topic
    let index = (this.#nextPartition.get(topic.name) ?? 0) % partitions.length
    for (let i = 0; i < partitions.length && (partitions[index] as PartitionQueue).leader < 0; i++)
      index = (index + 1) % partitions.length
    this.#nextPartition.set(topic.name, index + 1)
    partition = partitions[index] as PartitionQueue
    sticky.set(topic, partition)
    return partition
  }

  #openBatch(
    chunk: Chunk,
    target: PartitionQueue,
    oneTarget: boolean,
    open: Map<PartitionQueue, OpenBatch>,
  ): OpenBatch {
    const isText = this.#options.format === 'json' || this.#options.format === 'gelf'
    const size =
      BATCH_HEADER_BYTES +
      Math.ceil(chunk.size * (isText ? TEXT_GROWTH : 1)) +
      chunk.count * RECORD_OVERHEAD_BYTES
    const reserved = reservedBytes(this.#options.clientId, target.topic)
    const batch = new OpenBatch({
      target,
      buffers: this.#ctx.buffers,
      reservedBytes: reserved,
      // With the reserved bytes it still fits a pooled buffer; one byte more, and each buffer would be a new
      // allocation.
      maxBytes: Math.max(this.#maxBatchBytes - reserved, BATCH_HEADER_BYTES),
      initialBytes: oneTarget ? size : Math.min(size, initialBatchBytes(open.size)),
      isPartial: !oneTarget,
    })
    open.set(target, batch)
    return batch
  }
}

/** Returns the time of an entry `92 d7 00 sec nsec`; undefined when it begins in another way. */
function eventTimeMs(buf: Buffer, at: number): number | undefined {
  if (buf[at] !== 0x92 || buf[at + 1] !== 0xd7 || buf[at + 2] !== 0) return undefined
  return buf.readUInt32BE(at + 3) * 1000 + Math.floor(buf.readUInt32BE(at + 7) / 1e6)
}

/**
 * Returns the initial buffer size of the next batch of a chunk that has `open` of them: records may name as many topics as there
 * are records, and together these buffers must not be many times as large as the chunk.
 */
function initialBatchBytes(open: number): number {
  return Math.floor((INITIAL_BATCH_BYTES * FEW_BATCHES) / Math.max(FEW_BATCHES, open))
}

/**
 * Creates the delivery of a chunk from its batches, which are compressed first if a compression is
 * configured.
 */
export async function createDelivery(
  chunk: Chunk,
  sealed: readonly SealedBatch[],
  compression: BatchCompression | undefined,
  { buffers }: OutputContext,
): Promise<ChunkDelivery> {
  const delivery = new ChunkDelivery(chunk)
  for (const plain of sealed) {
    const batch = compression === undefined ? plain : await compressBatch(plain, compression, buffers)
    delivery.batches.add(new Batch({ ...batch, delivery, buffers }))
  }
  return delivery
}

async function compressBatch(
  plain: SealedBatch,
  { codec, compress }: BatchCompression,
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
