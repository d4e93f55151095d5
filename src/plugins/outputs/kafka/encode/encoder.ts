import type { Chunk } from '../../../../core/chunk.ts'
import type { OutputContext } from '../../../../core/plugin.ts'
import { Entry } from '../../../../lib/records/entry.ts'
import { sharedRecordEncoder } from '../../../../lib/wasm/record-encoder.ts'
import { BATCH_HEAD, sealLength } from '../../../../protocol/kafka/batch.ts'
import { partitionOf } from '../../../../protocol/kafka/murmur2.ts'
import { pieceRoom } from '../../../../protocol/kafka/produce.ts'
import type { Topic } from '../client/cluster.ts'
import type { Compression } from '../compression/codecs.ts'
import { Batch, ChunkDelivery } from '../delivery/chunk-delivery.ts'
import type { PartitionQueue } from '../delivery/partition-queue.ts'
import type { KafkaOptions } from '../options.ts'
import { Headers } from './headers.ts'
import { Key, TopicChoice } from './key.ts'
import { OpenBatch, type Sealed } from './open-batch.ts'
import { makeValue, type Value } from './value.ts'
import { WasmRecords } from './wasm-records.ts'

/** Where the records of a chunk are put in many batches each begins this small. */
const SMALL_BYTES = 16_384
/** JSON has more bytes than MessagePack: this much of a chunk's size, and so much for each record. */
const TEXT_PART = 1.1
const RECORD_PART = 24

/** A chunk of fewer records is not worth the kernel. */
const FEW_RECORDS = 32

/** Makes record batches of chunks: one walk over the entries, nothing allocated for any of them. */
export class Encoder {
  readonly #o: KafkaOptions
  readonly #ctx: OutputContext
  readonly #entry = new Entry()
  readonly #key: Key
  readonly #topics: TopicChoice
  readonly #headers: Headers
  readonly #value: Value
  /** Topics in the order of their turns: the next partition of each. */
  readonly #turns = new Map<string, number>()
  #said = false

  constructor(options: KafkaOptions, ctx: OutputContext) {
    this.#o = options
    this.#ctx = ctx
    this.#key = new Key(options)
    this.#topics = new TopicChoice(options)
    this.#headers = new Headers(options, ctx.agent.id, () => this.#sayIncomplete())
    this.#value = makeValue(options, ctx.agent.hostname)
  }

  #sayIncomplete(): void {
    if (this.#said) return
    this.#said = true
    const { positionFileKey, positionIdKey, positionOffsetKey } = this.#o
    this.#ctx.log.warn('Position_Headers is on, and there are records without the fields for it', {
      hint: `set Path_Key ${positionFileKey}, File_Id_Key ${positionIdKey} and Offset_Key ${positionOffsetKey} of the tail input`,
    })
  }

  /** The topics that the records of the chunk go to. */
  topicsOf(chunk: Chunk): string[] {
    const first = this.#topics.begin(chunk.tag)
    if (this.#topics.same) return [first]
    const names = new Set<string>()
    for (let at = chunk.start; at < chunk.end; at = this.#entry.end) {
      this.#entry.read(chunk, at, this.#value.key)
      names.add(this.#topics.of(chunk.buf, this.#entry))
    }
    return [...names]
  }

  /** Batches of the whole chunk; `topics` has all that `topicsOf` named. */
  encode(chunk: Chunk, topics: ReadonlyMap<string, Topic>): Sealed[] {
    const sealed: Sealed[] = []
    const open = new Map<PartitionQueue, OpenBatch>()
    this.#topics.begin(chunk.tag)
    this.#key.begin(chunk.tag)
    try {
      this.#walk(chunk, topics, open)
      for (const batch of open.values()) {
        batch.seal()
        sealed.push(...batch.sealed)
      }
      return sealed
    } catch (error) {
      for (const batch of open.values()) batch.abandon()
      throw error
    } finally {
      this.#value.reset()
    }
  }

  #walk(chunk: Chunk, topics: ReadonlyMap<string, Topic>, open: Map<PartitionQueue, OpenBatch>): void {
    const { buf, end } = chunk
    const value = this.#value
    const entry = this.#entry
    const one = this.#topics.same && (this.#key.same || !this.#keyed)
    const sticky = new Map<Topic, PartitionQueue>()
    const usual = one ? this.#usual(chunk) : undefined
    let batch: OpenBatch | undefined
    for (let at = chunk.start; at < end; at = entry.end) {
      if (usual !== undefined && batch !== undefined) {
        at = usual.take(batch, chunk, at)
        if (at === end) break
      }
      entry.read(chunk, at, value.key)
      value.set(buf, entry)
      this.#key.set(buf, entry)
      this.#headers.set(buf, entry)
      if (batch === undefined || !one) {
        const topic = topics.get(this.#topics.of(buf, entry)) as Topic
        const target = this.#target(topic, sticky)
        batch = open.get(target) ?? this.#begin(chunk, target, one, open)
      }
      batch.add(entry.time.ms, this.#key, value, this.#headers)
    }
  }

  /** Undefined: the kernel cannot write what the records of the chunk have in common. */
  #usual(chunk: Chunk): WasmRecords | undefined {
    const { form } = this.#value
    if (form === undefined || !this.#key.same || !this.#headers.none || chunk.count < FEW_RECORDS)
      return undefined
    const kernel = sharedRecordEncoder()
    return kernel.use(form, this.#key.fixed) ? new WasmRecords(kernel) : undefined
  }

  get #keyed(): boolean {
    return this.#o.partitioner === 'murmur2'
  }

  #target(topic: Topic, sticky: Map<Topic, PartitionQueue>): PartitionQueue {
    return this.#keyed && this.#key.length >= 0 ? this.#byKey(topic) : this.#inTurn(topic, sticky)
  }

  #byKey({ partitions }: Topic): PartitionQueue {
    const { src, start, length } = this.#key
    return partitions[partitionOf(src, start, start + length, partitions.length)] as PartitionQueue
  }

  /** One partition for a chunk, the next one that has a leader for the next. */
  #inTurn(topic: Topic, sticky: Map<Topic, PartitionQueue>): PartitionQueue {
    let partition = sticky.get(topic)
    if (partition !== undefined) return partition
    const { partitions } = topic
    const from = this.#turns.get(topic.name) ?? 0
    let at = from % partitions.length
    for (let i = 0; i < partitions.length && (partitions[at] as PartitionQueue).leader < 0; i++)
      at = (at + 1) % partitions.length
    this.#turns.set(topic.name, at + 1)
    partition = partitions[at] as PartitionQueue
    sticky.set(topic, partition)
    return partition
  }

  #begin(
    chunk: Chunk,
    target: PartitionQueue,
    one: boolean,
    open: Map<PartitionQueue, OpenBatch>,
  ): OpenBatch {
    const text = this.#o.format === 'json' || this.#o.format === 'gelf'
    const size = BATCH_HEAD + Math.ceil(chunk.size * (text ? TEXT_PART : 1)) + chunk.count * RECORD_PART
    const room = pieceRoom(this.#o.clientId, target.topic)
    const batch = new OpenBatch({
      target,
      buffers: this.#ctx.buffers,
      room,
      // With its room it fits a buffer of the pool: one byte more and each would be made anew.
      maxBytes: Math.max(this.#o.batchMaxBytes - room, BATCH_HEAD),
      expectBytes: one ? size : Math.min(size, SMALL_BYTES),
    })
    open.set(target, batch)
    return batch
  }
}

/** The batches of a chunk as they are sent: compressed, if that is asked for. */
export async function pack(
  chunk: Chunk,
  sealed: readonly Sealed[],
  compression: Compression | undefined,
  { buffers }: OutputContext,
): Promise<ChunkDelivery> {
  const shipment = new ChunkDelivery(chunk)
  for (const plain of sealed) {
    const made = compression === undefined ? plain : await compressed(plain, compression, buffers)
    shipment.batches.add(new Batch({ ...made, shipment, buffers }))
  }
  return shipment
}

async function compressed(
  plain: Sealed,
  { codec, compress }: Compression,
  buffers: OutputContext['buffers'],
): Promise<Sealed> {
  const { buf, start, end } = plain
  const records = await compress(buf.subarray(start + BATCH_HEAD, end))
  const out = buffers.force(start + BATCH_HEAD + records.length)
  buf.copy(out, start, start, start + BATCH_HEAD)
  records.copy(out, start + BATCH_HEAD)
  buffers.give(buf)
  const last = start + BATCH_HEAD + records.length
  sealLength(out, start, last, codec)
  return { ...plain, buf: out, end: last }
}
