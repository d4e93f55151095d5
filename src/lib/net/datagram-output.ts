import type { Chunk } from '../../core/chunk.ts'
import type { Output, OutputContext } from '../../core/plugin.ts'
import { datagramPeer } from './client-options.ts'
import type { DatagramBatch } from './datagram-batch.ts'
import { DatagramClient } from './datagram-client.ts'
import { DatagramDelivery } from './datagram-delivery.ts'
import { warnNoAcknowledgements } from './no-acknowledgements.ts'

/** Sends each record as one datagram or several. */
export class DatagramOutput implements Output {
  readonly #ctx: OutputContext
  readonly #delivery: DatagramDelivery

  /** `encode` appends the datagrams of the records, always the same number for the same chunk. */
  constructor(
    options: Parameters<typeof datagramPeer>[0],
    ctx: OutputContext,
    encode: (batch: DatagramBatch, chunk: Chunk) => void,
  ) {
    this.#ctx = ctx
    this.#delivery = new DatagramDelivery(new DatagramClient(datagramPeer(options), ctx), ctx, encode)
  }

  async start(): Promise<void> {
    warnNoAcknowledgements(this.#ctx.log, 'datagrams')
  }

  flush(chunk: Chunk): Promise<void> {
    return this.#delivery.flush(chunk)
  }

  forget(chunk: Chunk): void {
    this.#delivery.forget(chunk)
  }

  async close(): Promise<void> {
    this.#delivery.close()
  }
}
