import { join } from 'node:path'
import type { Chunk } from '../../../core/chunk.ts'
import type { ShipperError } from '../../../core/error.ts'
import type { Output, OutputContext } from '../../../core/plugin.ts'
import { OrderedSender } from '../../../lib/async/ordered-sender.ts'
import { stopped } from '../../../lib/net/stopped.ts'
import { Cluster, type Topic } from './client/cluster.ts'
import { type Compression, loadCompression } from './compression/codecs.ts'
import type { Batch, ChunkDelivery } from './delivery/chunk-delivery.ts'
import { DeadLetters } from './delivery/dead-letter.ts'
import { recordsOf, splitBatch } from './delivery/split-batch.ts'
import { Encoder, pack } from './encode/encoder.ts'
import type { KafkaOptions } from './options.ts'
import type { Settings } from './settings.ts'

/**
 * Makes batches of chunks and hands them to their partitions. A chunk is encoded once: its shipment stays from the first
 * flush on until the engine has the chunk delivered or gives it up, however often it calls.
 */
export class Kafka implements Output {
  readonly #o: KafkaOptions
  readonly #ctx: OutputContext
  readonly #stop = new AbortController()
  readonly #cluster: Cluster
  readonly #encoder: Encoder
  readonly #deadLetters: DeadLetters
  readonly #turns = new OrderedSender()
  readonly #shipments = new Map<Chunk, ChunkDelivery>()
  #compression: Compression | undefined
  #signal: AbortSignal | undefined

  constructor(options: KafkaOptions, settings: Settings, ctx: OutputContext) {
    this.#o = options
    this.#ctx = ctx
    this.#encoder = new Encoder(options, ctx)
    const path = options.deadLetterFile ?? beside(ctx)
    const letters = { path, limitBytes: options.deadLetterLimit }
    this.#deadLetters = new DeadLetters(letters, ctx.log, ctx.counters)
    this.#cluster = new Cluster(settings, ctx, this.#stop.signal, {
      // A retry without numbers could overtake.
      window: settings.idempotent ? settings.maxInFlight : 1,
      idempotent: settings.idempotent,
      split: (batch) => splitBatch(batch, options.clientId, this.#compression),
      deadLetter: (batch, reason) => this.#bury(batch, reason),
      count: (name) => ctx.counters.add(name),
    })
  }

  async start(): Promise<void> {
    this.#compression = await loadCompression(this.#o.compression)
  }

  flush(chunk: Chunk, signal: AbortSignal): Promise<void> {
    this.#listen(signal)
    if (this.#stop.signal.aborted) return Promise.reject(stopped())
    const known = this.#shipments.get(chunk)
    if (known === undefined) return this.#ship(chunk)
    const delivered = this.#delivered(chunk, known)
    for (const target of new Set([...known.batches].map((b) => b.target))) target.resume()
    return delivered
  }

  /** The engine has given the chunk up. */
  forget(chunk: Chunk): void {
    const shipment = this.#shipments.get(chunk)
    if (shipment === undefined) return
    this.#shipments.delete(chunk)
    for (const target of new Set([...shipment.batches].map((b) => b.target))) target.forget(shipment)
  }

  async close(): Promise<void> {
    this.#end()
  }

  async #ship(chunk: Chunk): Promise<void> {
    const sent = await this.#turns.run(
      chunk.tag,
      () => this.#prepare(chunk),
      (shipment) => {
        this.#shipments.set(chunk, shipment)
        const delivered = this.#delivered(chunk, shipment)
        for (const batch of shipment.batches) batch.target.push(batch)
        return { delivered }
      },
      (shipment) => release(shipment),
    )
    await sent.delivered
  }

  async #delivered(chunk: Chunk, shipment: ChunkDelivery): Promise<void> {
    await shipment.wait()
    this.#shipments.delete(chunk)
  }

  async #prepare(chunk: Chunk): Promise<ChunkDelivery> {
    const topics = new Map<string, Topic>()
    for (const name of this.#encoder.topicsOf(chunk)) topics.set(name, await this.#cluster.topic(name))
    if (this.#stop.signal.aborted) throw stopped()
    return pack(chunk, this.#encoder.encode(chunk, topics), this.#compression, this.#ctx)
  }

  #bury(batch: Batch, reason: string): void {
    const records = recordsOf(batch, this.#compression)
    this.#deadLetters.bury(batch, records, reason, this.#ctx.clock.nowMs())
  }

  /** An abort ends the connections: a request may have been cut in the middle. One listener, not one for each chunk. */
  #listen(signal: AbortSignal): void {
    if (signal === this.#signal) return
    this.#signal = signal
    const abort = () => this.#end()
    if (signal.aborted) abort()
    else signal.addEventListener('abort', abort, { once: true })
  }

  #end(): void {
    if (this.#stop.signal.aborted) return
    this.#stop.abort()
    const error: ShipperError = stopped()
    this.#cluster.close(error)
    this.#shipments.clear()
  }
}

function release(shipment: ChunkDelivery): void {
  for (const batch of shipment.batches) batch.release()
}

function beside({ stateFolder, name }: OutputContext): string | undefined {
  return stateFolder === undefined ? undefined : join(stateFolder, `dead-letters.${name}.jsonl`)
}
