import type { Ack, Contributor } from '../../../core/plugin.ts'

/**
 * The records of one connection in one chunk that come without options, so that nobody waits for an acknowledgement. They
 * are counted all the same: a connection has its share of the memory.
 */
export class LooseRecords implements Contributor {
  bytes = 0
  readonly #identity: string
  readonly #sealed: () => void
  readonly #settled: (bytes: number) => void

  /** `identity` is unique among all of this agent. */
  constructor(identity: string, sealed: () => void, settled: (bytes: number) => void) {
    this.#identity = identity
    this.#sealed = sealed
    this.#settled = settled
  }

  closeRange(): { identity: string; settle: Ack } {
    this.#sealed()
    return { identity: this.#identity, settle: () => this.#settled(this.bytes) }
  }
}
