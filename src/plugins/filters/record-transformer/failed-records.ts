import type { Chunk } from '../../../core/chunk.ts'
import type { Deferral, FilterContext } from '../../../core/plugin.ts'
import { ErrorLabel } from '../../../lib/plugin/error-label.ts'

const LOG_INTERVAL_MS = 60_000

/**
 * Records on which an expression has failed: sent to the label @ERROR, or left to the filter if there is
 * none.
 */
export class FailedRecords {
  readonly #ctx: FilterContext
  readonly #label: ErrorLabel
  #loggedMs = Number.NEGATIVE_INFINITY
  #sinceLogged = 0

  constructor(ctx: FilterContext) {
    this.#ctx = ctx
    this.#label = new ErrorLabel(ctx, 'failed')
  }

  /**
   * Counts a record, and takes it if there is a label for it. Returns false when it has to continue
   * unchanged.
   */
  take(
    src: Buffer,
    at: number,
    end: number,
    tag: string,
    deferral: Deferral,
    source: string,
    error: Error,
  ): boolean {
    const isTaken = this.#label.isThere
    this.#ctx.counters.add('expression_failed', 1, isTaken ? 'error_label' : 'unchanged')
    this.#logFailure(source, error)
    if (isTaken) this.#label.take(src, at, end, tag, deferral)
    return isTaken
  }

  /** Sends what was taken from the chunk, which does not settle before it. */
  send(chunk: Chunk, deferral: Deferral): void {
    this.#label.send(chunk, deferral)
  }

  #logFailure(source: string, error: Error): void {
    const nowMs = this.#ctx.clock.nowMs()
    this.#sinceLogged++
    if (nowMs - this.#loggedMs < LOG_INTERVAL_MS) return
    const fate = this.#label.isThere ? 'go to @ERROR' : 'continue unchanged'
    const count = this.#sinceLogged === 1 ? 'a record' : `${this.#sinceLogged} records`
    this.#ctx.log.warn(
      `"${source}" failed on ${count}, last with: ${error.message}; such records ${fate}`,
      undefined,
      'expression',
    )
    this.#loggedMs = nowMs
    this.#sinceLogged = 0
  }
}
