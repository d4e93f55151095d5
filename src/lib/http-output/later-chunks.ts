import type { Chunk } from '../../core/chunk.ts'
import { ShipperError } from '../../core/error.ts'
import type { OutputContext } from '../../core/plugin.ts'
import type { Delivery } from './delivery.ts'
import type { RequestLane } from './request-lane.ts'

/**
 * Number of chunks of all lanes of a search among whose records it may look for one that is accepted: two of a lane, the first and the
 * newest, however many lanes there are.
 */
const MAX_LATER = 16

/**
 * Chunks that wait in the engine behind those in flight, and of which records may be delivered ahead: their state is kept until their turn,
 * in which the rest is sent.
 */
export class LaterChunks {
  /** Returns true for a chunk of which another output has delivered records: none of it is sent here before its turn. */
  isElsewhere: ((chunk: Chunk) => boolean) | undefined
  readonly #ctx: Pick<OutputContext, 'waitingChunks'>
  readonly #deliveries: Map<Chunk, Delivery>
  readonly #create: (chunk: Chunk) => Delivery | ShipperError

  /** `deliveries`: the state of all chunks of the output, to which those are added; `create` returns that of a new one. */
  constructor(
    ctx: Pick<OutputContext, 'waitingChunks'>,
    deliveries: Map<Chunk, Delivery>,
    create: (chunk: Chunk) => Delivery | ShipperError,
  ) {
    this.#ctx = ctx
    this.#deliveries = deliveries
    this.#create = create
  }

  /** Returns chunks behind those of lanes that have records with a key left; to be given to `leave`. */
  of(lanes: ReadonlySet<RequestLane>, key: string): Delivery[] {
    const count = Math.max(2, Math.floor(MAX_LATER / lanes.size))
    const isWanted = (chunk: Chunk): boolean =>
      this.#deliveries.get(chunk)?.hasLeft(key) !== false && this.isElsewhere?.(chunk) !== true
    const later: Delivery[] = []
    for (const { tag } of lanes)
      for (const chunk of this.#ctx.waitingChunks?.(tag, count, isWanted) ?? []) {
        const delivery = this.#deliveries.get(chunk) ?? this.#create(chunk)
        // A record of it cannot be kept now: that is for its turn.
        if (delivery instanceof ShipperError) continue
        this.#deliveries.set(chunk, delivery)
        later.push(delivery)
      }
    return later
  }

  /** True for one that has not come to its lane meanwhile, nor was given up. */
  isLater(delivery: Delivery): boolean {
    return !delivery.isWaiting && this.#deliveries.get(delivery.chunk) === delivery
  }

  /** Forgets those of which no record has a fate. */
  leave(later: readonly Delivery[]): void {
    for (const delivery of later)
      if (delivery.isUntouched && delivery.suspects === undefined && this.isLater(delivery))
        this.#deliveries.delete(delivery.chunk)
  }
}
