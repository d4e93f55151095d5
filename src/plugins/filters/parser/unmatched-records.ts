import type { Chunk } from '../../../core/chunk.ts'
import type { Deferral, FilterContext } from '../../../core/plugin.ts'
import { ErrorLabel } from '../../../lib/plugin/error-label.ts'

/** What becomes of the records that no parser can read. */
export class UnmatchedRecords {
  readonly #counters: FilterContext['counters']
  readonly #fate: 'pass' | 'error_label' | 'drop'
  /** True when records that go to a label go on as well. */
  readonly #alsoPasses: boolean
  readonly #label: ErrorLabel

  constructor(fate: 'pass' | 'error_label' | 'drop', alsoPasses: boolean, ctx: FilterContext) {
    this.#label = new ErrorLabel(ctx, 'unmatched')
    this.#fate = fate === 'error_label' && !this.#label.isThere ? 'pass' : fate
    this.#alsoPasses = alsoPasses
    this.#counters = ctx.counters
  }

  /** Returns true when the record whose entry is src[at, end) goes on unchanged. */
  passes(src: Buffer, at: number, end: number, tag: string, deferral: Deferral): boolean {
    if (this.#fate === 'pass') return true
    this.#counters.add('unmatched', 1, this.#fate)
    if (this.#fate === 'drop') return false
    this.#label.take(src, at, end, tag, deferral)
    return this.#alsoPasses
  }

  /** Sends what the chunk has for the label. The chunk does not settle before it. */
  send(chunk: Chunk, deferral: Deferral): void {
    this.#label.send(chunk, deferral)
  }

  /** Discards what was collected from a chunk that fails as a whole. */
  abandon(deferral: Deferral): void {
    this.#label.abandon(deferral)
  }
}
