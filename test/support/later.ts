import type { BufferSource } from '../../src/core/buffer-source.ts'
import type { Ack, Deferral, Outcome } from '../../src/core/plugin.ts'
import { LooseBuffers } from './engine/chunk-of.ts'

/** Deferral of a filter under test: records what the filter keeps, and settles the chunk on request. */
export class LaterList implements Deferral {
  readonly buffers: BufferSource
  /** Outcome of each kept record, undefined while it is kept. */
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

  /** Settles the chunk, as its outputs do. */
  settle(outcome: Outcome): void {
    for (const ack of this.#attached) ack(outcome)
  }
}
