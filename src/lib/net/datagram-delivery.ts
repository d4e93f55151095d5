import type { Chunk } from '../../core/chunk.ts'
import { ShipperError } from '../../core/error.ts'
import type { OutputContext } from '../../core/plugin.ts'
import { DatagramBatch, type RefusedRecord } from './datagram-batch.ts'
import type { DatagramClient } from './datagram-client.ts'

/** Chunks whose first datagrams were sent and that wait for a retry: the others begin from their start. */
const MAX_REMEMBERED = 1000

export const TOO_LARGE =
  'the record is too large for a datagram: the system or the network does not allow datagrams of that size'

/** Counters of an output over datagrams. */
export const DATAGRAM_COUNTERS = {
  datagrams: 'datagrams that the kernel has taken',
  oversized_records: 'records that are too large for a datagram, which are in the dead letters',
} as const

/** Appends the datagrams of all records of a chunk, always the same ones for the same chunk. */
type EncodeDatagrams = (batch: DatagramBatch, chunk: Chunk) => void

/**
 * Delivers chunks as datagrams, with one fate for each record: taken by the kernel, in the dead letters, or sent with the next
 * attempt, which begins with the first record that was not taken.
 */
export class DatagramDelivery {
  readonly #client: DatagramClient
  readonly #ctx: OutputContext
  readonly #encode: EncodeDatagrams
  readonly #batch = new DatagramBatch()
  /** By the id of a chunk: the number of its datagrams that were taken, and the records that are still to be rejected. */
  readonly #progress = new Map<string, { taken: number; refused: RefusedRecord[] }>()

  constructor(client: DatagramClient, ctx: OutputContext, encode: EncodeDatagrams) {
    this.#client = client
    this.#ctx = ctx
    this.#encode = encode
  }

  async flush(chunk: Chunk): Promise<void> {
    const { counters } = this.#ctx
    const batch = this.#batch
    batch.reset()
    this.#encode(batch, chunk)
    const before = this.#progress.get(chunk.id)
    this.#progress.delete(chunk.id)
    if (before !== undefined) batch.refused.splice(0, batch.refused.length, ...before.refused)
    let at = before?.taken ?? 0
    for (;;) {
      const failure = await this.#client.send(batch, at)
      const end = failure?.at ?? batch.count
      if (end > at) counters.add('datagrams', end - at)
      if (failure === undefined) break
      at = batch.firstOfRecord(failure.at)
      if (!failure.isTooLarge) {
        this.#reject(chunk, at)
        this.#remember(chunk, at)
        throw failure.error
      }
      batch.refuse(batch.entry(at), batch.entryEnd(at), TOO_LARGE)
      at = batch.afterRecord(at)
    }
    this.#reject(chunk, batch.count)
  }

  /** Gives the records that are no datagrams to the dead letters. If that is not possible now, the next attempt does it. */
  #reject(chunk: Chunk, taken: number): void {
    const { refused } = this.#batch
    const { counters } = this.#ctx
    const { start } = chunk
    try {
      for (const { entry, entryEnd, reason } of refused)
        this.#ctx.reject(
          chunk,
          start + entry,
          start + entryEnd,
          new ShipperError('E_OUTPUT_REJECTED', reason),
        )
    } catch (error) {
      this.#remember(chunk, taken)
      throw error
    }
    if (refused.length > 0) counters.add('oversized_records', refused.length)
    refused.length = 0
  }

  /** A chunk that is not remembered begins from its start. */
  #remember(chunk: Chunk, taken: number): void {
    if (this.#progress.size < MAX_REMEMBERED)
      this.#progress.set(chunk.id, { taken, refused: [...this.#batch.refused] })
  }

  forget(chunk: Chunk): void {
    this.#progress.delete(chunk.id)
  }

  close(): void {
    this.#client.close()
  }
}
