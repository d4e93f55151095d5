import { type Chunk, headRoom, TAIL_ROOM } from '../../../core/chunk.ts'
import type { Deferral, FilterContext } from '../../../core/plugin.ts'
import { ByteWriter } from '../../../lib/ruby/byte-writer.ts'

const ERROR_LABEL = '@ERROR'
const LOG_INTERVAL_MS = 60_000

/**
 * Records on which an expression has failed: sent to the label @ERROR, or left to the filter if there is
 * none.
 */
export class FailedRecords {
  readonly #ctx: FilterContext
  #entries: ByteWriter | undefined
  #count = 0
  #loggedMs = Number.NEGATIVE_INFINITY
  #sinceLogged = 0

  constructor(ctx: FilterContext) {
    this.#ctx = ctx
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
    const isTaken = this.#ctx.labels?.has(ERROR_LABEL) === true
    this.#ctx.counters.add('expression_failed', 1, isTaken ? 'error_label' : 'unchanged')
    this.#log(source, error, isTaken)
    if (!isTaken) return false
    if (this.#entries === undefined) {
      this.#entries = new ByteWriter(headRoom(tag) + (end - at) + TAIL_ROOM, deferral.buffers)
      this.#entries.at = headRoom(tag)
    }
    this.#entries.copy(src, at, end)
    this.#count++
    return true
  }

  /** Sends what was taken from the chunk, which does not settle before it. */
  send({ tag, input, id, hasMetadata }: Chunk, deferral: Deferral): void {
    const entries = this.#entries
    if (entries === undefined) return
    entries.reserve(TAIL_ROOM)
    const { buf, at: end } = entries
    const count = this.#count
    this.#entries = undefined
    this.#count = 0
    const about = { tag, input, id: `${id}+failed`, inputBytes: 0, hasMetadata }
    const records = { ...about, buf, start: headRoom(tag), end, count }
    this.#ctx.emit(records, deferral.buffers, deferral.defer(), ERROR_LABEL)
  }

  #log(source: string, error: Error, isTaken: boolean): void {
    const nowMs = this.#ctx.clock.nowMs()
    this.#sinceLogged++
    if (nowMs - this.#loggedMs < LOG_INTERVAL_MS) return
    const fate = isTaken ? `go to ${ERROR_LABEL}` : 'continue unchanged'
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
