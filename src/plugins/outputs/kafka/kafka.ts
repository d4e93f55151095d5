import type { Chunk } from '../../../core/chunk.ts'
import type { ShipperError } from '../../../core/error.ts'
import type { Output, OutputContext } from '../../../core/plugin.ts'
import { OrderedSender } from '../../../lib/async/ordered-sender.ts'
import { stopped } from '../../../lib/net/stopped.ts'
import { Cluster, type Topic } from './client/cluster.ts'
import { loadCompression } from './compression/codecs.ts'
import type { BatchCompression } from './compression/compression.ts'
import type { Batch, BatchTarget, ChunkDelivery } from './delivery/chunk-delivery.ts'
import { retimeBatch, splitBatch } from './delivery/split-batch.ts'
import { createDelivery, Encoder } from './encode/encoder.ts'
import type { KafkaOptions } from './options.ts'
import type { KafkaSettings } from './settings.ts'

/** Topics that are looked up at the same time. */
const TOPICS_AT_ONCE = 100

/**
 * Encodes chunks as record batches and queues them by partition. A chunk is encoded once: its delivery exists from the
 * first flush until the chunk is delivered or the engine drops it, however often the engine calls.
 */
export class Kafka implements Output {
  readonly #options: KafkaOptions
  readonly #ctx: OutputContext
  readonly #stop = new AbortController()
  readonly #cluster: Cluster
  readonly #encoder: Encoder
  readonly #sender = new OrderedSender()
  readonly #deliveries = new Map<Chunk, ChunkDelivery>()
  /** What a broker answers late may reject single records of a chunk. */
  readonly keepsChunks = true
  #compression: BatchCompression | undefined

  constructor(options: KafkaOptions, settings: KafkaSettings, ctx: OutputContext) {
    this.#options = options
    this.#ctx = ctx
    this.#encoder = new Encoder(options, ctx)
    this.#cluster = new Cluster(settings, ctx, this.#stop.signal, {
      // Without sequence numbers a retry could overtake later batches.
      maxInFlight: settings.idempotent ? settings.maxInFlight : 1,
      idempotent: settings.idempotent,
      retime: (batch) => this.#retime(batch),
      split: (batch) => splitBatch(batch, options.clientId, this.#compression),
      reject: (batch, error) => this.#reject(batch, error),
      isChosen: (topic) => this.#encoder.isChosen(topic),
      isOverdue: ({ chunk, isForgotten }) => !isForgotten && ctx.isOverdue(chunk),
      count: (name) => ctx.counters.add(name),
    })
    // One listener for the life of the output, not one per chunk.
    if (ctx.signal.aborted) this.#end()
    else ctx.signal.addEventListener('abort', () => this.#end(), { once: true })
  }

  async start(): Promise<void> {
    this.#compression = await loadCompression(this.#options.compression)
  }

  flush(chunk: Chunk): Promise<void> {
    if (this.#stop.signal.aborted) return Promise.reject(stopped())
    const delivery = this.#deliveries.get(chunk)
    if (delivery === undefined) return this.#send(chunk)
    const delivered = this.#waitForDelivery(chunk, delivery)
    for (const target of targetsOf(delivery)) target.resume()
    return delivered
  }

  /** Drops the batches of a chunk that the engine no longer retries. */
  forget(chunk: Chunk): void {
    const delivery = this.#deliveries.get(chunk)
    if (delivery === undefined) return
    delivery.isForgotten = true
    this.#deliveries.delete(chunk)
    for (const target of targetsOf(delivery)) target.forget(delivery)
  }

  async close(): Promise<void> {
    this.#end()
  }

  #send(chunk: Chunk): Promise<void> {
    return this.#sender.run<ChunkDelivery, void>(chunk.tag, {
      prepare: () => this.#encode(chunk),
      send: (delivery) => {
        this.#deliveries.set(chunk, delivery)
        const delivered = this.#waitForDelivery(chunk, delivery)
        for (const batch of delivery.batches) batch.target.push(batch)
        return delivered
      },
      discard: (delivery) => releaseBatches(delivery),
    })
  }

  async #waitForDelivery(chunk: Chunk, delivery: ChunkDelivery): Promise<void> {
    await delivery.wait()
    this.#deliveries.delete(chunk)
  }

  async #encode(chunk: Chunk): Promise<ChunkDelivery> {
    const names = this.#encoder.topicsOf(chunk)
    const topics = new Map<string, Topic>()
    const refused = new Map<string, ShipperError>()
    // Records may name very many topics: then each has to exist already.
    const attempts = names.length > TOPICS_AT_ONCE ? 1 : undefined
    for (let at = 0; at < names.length; at += TOPICS_AT_ONCE) {
      const group = names.slice(at, at + TOPICS_AT_ONCE)
      const found = await Promise.allSettled(group.map((name) => this.#cluster.topic(name, attempts)))
      found.forEach((result, i) => {
        const name = group[i] as string
        if (result.status === 'fulfilled') topics.set(name, result.value)
        else refused.set(name, result.reason)
      })
      for (const error of refused.values())
        if (error.scope !== 'records' || !this.#ctx.isOverdue(chunk)) throw error
      if (this.#stop.signal.aborted) throw stopped()
    }
    const batches = this.#encoder.encode(chunk, topics, refused)
    return createDelivery(chunk, batches, this.#compression, this.#ctx)
  }

  #retime(batch: Batch): boolean {
    const { clock, counters, log } = this.#ctx
    if (!retimeBatch(batch, clock.nowMs(), this.#compression)) return false
    counters.add('retimed_records', batch.count)
    log.warn(
      `the broker refuses the times of records for "${batch.topic}": they are sent with the current time as the timestamp of Kafka; the time of the event stays in the value, if Timestamp_Key is set`,
      {
        code: 'E_OUTPUT_REJECTED',
        hint: 'check the clocks and time zones of this machine, of what writes the lines, and of the broker',
      },
    )
    return true
  }

  #reject({ delivery, entries, count }: Batch, error: ShipperError): void {
    // The engine has given up all of the chunk.
    if (delivery.isForgotten) return
    const { chunk } = delivery
    entries.forEach(chunk, count, (start, end) => this.#ctx.reject(chunk, start, end, error))
  }

  /** Ends the connections: a request may have been cut in the middle. */
  #end(): void {
    if (this.#stop.signal.aborted) return
    this.#stop.abort()
    const error: ShipperError = stopped()
    this.#cluster.close(error)
    this.#deliveries.clear()
  }
}

function targetsOf(delivery: ChunkDelivery): Set<BatchTarget> {
  return new Set([...delivery.batches].map((batch) => batch.target))
}

function releaseBatches(delivery: ChunkDelivery): void {
  for (const batch of delivery.batches) batch.release()
}
