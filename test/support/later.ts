import type { BufferSource } from '../../src/core/buffer-source.ts'
import type { Ack, Deferral, Outcome } from '../../src/core/plugin.ts'
import { LooseBuffers } from './engine/chunk-of.ts'

/** What a filter is given with a chunk: notes what it keeps, and settles the chunk when told. */
export class LaterList implements Deferral {
  readonly buffers: BufferSource
  /** Outcomes of what was kept, undefined as long as it is. */
  readonly kept: (Outcome | undefined)[] = []
  readonly #attached: Ack[] = []

  constructor(buffers: BufferSource = new LooseBuffers()) {
    this.buffers = buffers
  }

  defer(): Ack {
    const at = this.kept.push(undefined) - 1
    return (outcome) => {
      this.kept[at] = outcome
    }
  }

  onSettled(ack: Ack): void {
    this.#attached.push(ack)
  }

  /** The chunk's outputs have done with it. */
  settle(outcome: Outcome): void {
    for (const ack of this.#attached) ack(outcome)
  }
}
