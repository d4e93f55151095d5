import type { Chunk } from '../../../core/chunk.ts'
import type { Ack, LateDelivery, Outcome } from '../../../core/plugin.ts'
import type { OpenObject } from './open-object.ts'
import type { Redelivery } from './redelivery.ts'

/** Maximum number of chunks that wait for their objects: each takes about 1.4 KB, and those of a buffer are limited by it. */
const MAX_CHUNKS = { placed: 20_000, read: 20_000, buffer: 3000, none: 20_000 }

/** Counts the chunks that were taken over and wait for their objects, and settles each with the last of its objects. */
export class TakenChunks {
  readonly #late: Pick<LateDelivery, 'takeOver'>
  readonly #counts: Record<Redelivery, number> = { placed: 0, read: 0, buffer: 0, none: 0 }

  constructor(late: Pick<LateDelivery, 'takeOver'>) {
    this.#late = late
  }

  /** True when as many chunks wait as may. */
  isFull(redelivery: Redelivery): boolean {
    return this.#counts[redelivery] >= MAX_CHUNKS[redelivery]
  }

  /** Takes over a chunk whose records are in `objects`. It settles with the worst of their outcomes. */
  takeOver(chunk: Chunk, redelivery: Redelivery, objects: ReadonlySet<OpenObject>): void {
    const ack = this.#late.takeOver(chunk)
    const counts = this.#counts
    counts[redelivery]++
    let open = objects.size
    let worst: Outcome = 'delivered'
    const settle: Ack = (outcome) => {
      if (outcome === 'aborted') worst = outcome
      if (--open > 0) return
      counts[redelivery]--
      ack(worst)
    }
    for (const object of objects) object.addAck(settle)
  }
}
