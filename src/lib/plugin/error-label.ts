import { type Chunk, headRoom, TAIL_ROOM } from '../../core/chunk.ts'
import type { Deferral, FilterContext } from '../../core/plugin.ts'
import { ByteWriter } from '../ruby/byte-writer.ts'

const ERROR_LABEL = '@ERROR'

/** Records of the current chunk that a filter sends to the label @ERROR of a configuration that is routed as in fluentd. */
export class ErrorLabel {
  /** False when there is no such label: then nothing may be taken. */
  readonly isThere: boolean
  readonly #ctx: FilterContext
  /** End of the ids of the chunks that are sent. */
  readonly #suffix: string
  #entries: ByteWriter | undefined
  #count = 0

  constructor(ctx: FilterContext, suffix: string) {
    this.isThere = ctx.labels?.has(ERROR_LABEL) === true
    this.#ctx = ctx
    this.#suffix = suffix
  }

  /** Takes the record whose entry is src[at, end). */
  take(src: Buffer, at: number, end: number, tag: string, deferral: Deferral): void {
    if (this.#entries === undefined) {
      this.#entries = new ByteWriter(headRoom(tag) + (end - at) + TAIL_ROOM, deferral.buffers)
      this.#entries.at = headRoom(tag)
    }
    this.#entries.copy(src, at, end)
    this.#count++
  }

  /** Sends what was taken from the chunk, which does not settle before it. */
  send({ tag, input, id, hasMetadata, rewrites, branch }: Chunk, deferral: Deferral): void {
    const entries = this.#entries
    if (entries === undefined) return
    entries.reserve(TAIL_ROOM)
    const { buf, at: end } = entries
    const count = this.#count
    this.#entries = undefined
    this.#count = 0
    const about = { tag, input, id: `${id}+${this.#suffix}`, inputBytes: 0, hasMetadata, rewrites, branch }
    const records = { ...about, buf, start: headRoom(tag), end, count }
    this.#ctx.emit(records, deferral.buffers, deferral.defer(), ERROR_LABEL)
  }

  /** Discards what was taken from a chunk that fails as a whole. */
  abandon(deferral: Deferral): void {
    if (this.#entries !== undefined) deferral.buffers.give(this.#entries.buf)
    this.#entries = undefined
    this.#count = 0
  }
}
