import { join } from 'node:path'
import type { Chunk } from '../../../core/chunk.ts'
import type { ShipperError } from '../../../core/error.ts'
import type { Output, OutputContext } from '../../../core/plugin.ts'
import { OrderedSender } from '../../../lib/async/ordered-sender.ts'
import { stopped } from '../../../lib/net/stopped.ts'
import { Cluster, type Topic } from './client/cluster.ts'
import { loadCompression } from './compression/codecs.ts'
import type { BatchCompression } from './compression/compression.ts'
import type { Batch, BatchTarget, ChunkDelivery } from './delivery/chunk-delivery.ts'
import { DeadLetters } from './delivery/dead-letter.ts'
import { splitBatch, uncompressedRecords } from './delivery/split-batch.ts'
import { createDelivery, Encoder } from './encode/encoder.ts'
import type { KafkaOptions } from './options.ts'
import type { KafkaSettings } from './settings.ts'

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
  readonly #deadLetters: DeadLetters
  readonly #sender = new OrderedSender()
  readonly #deliveries = new Map<Chunk, ChunkDelivery>()
  #compression: BatchCompression | undefined

  constructor(options: KafkaOptions, settings: KafkaSettings, ctx: OutputContext) {
    this.#options = options
    this.#ctx = ctx
    this.#encoder = new Encoder(options, ctx)
    const path = options.deadLetterFile ?? defaultDeadLetterPath(ctx)
    const letters = { path, limitBytes: options.deadLetterLimit }
    this.#deadLetters = new DeadLetters(letters, ctx.log, ctx.counters)
    this.#cluster = new Cluster(settings, ctx, this.#stop.signal, {
      // Without sequence numbers a retry could overtake later batches.
      maxInFlight: settings.idempotent ? settings.maxInFlight : 1,
      idempotent: settings.idempotent,
      split: (batch) => splitBatch(batch, options.clientId, this.#compression),
      deadLetter: (batch, reason) => this.#deadLetter(batch, reason),
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
    const topics = new Map<string, Topic>()
    for (const name of this.#encoder.topicsOf(chunk)) topics.set(name, await this.#cluster.topic(name))
    if (this.#stop.signal.aborted) throw stopped()
    return createDelivery(chunk, this.#encoder.encode(chunk, topics), this.#compression, this.#ctx)
  }

  #deadLetter(batch: Batch, reason: string): void {
    const records = uncompressedRecords(batch, this.#compression)
    this.#deadLetters.add(batch, records, reason, this.#ctx.clock.nowMs())
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

function defaultDeadLetterPath({ stateFolder, name }: OutputContext): string | undefined {
  return stateFolder === undefined ? undefined : join(stateFolder, `dead-letters.${name}.jsonl`)
}
