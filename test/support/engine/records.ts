import { decodeMulti } from '@msgpack/msgpack'
import type { Chunk } from '../../../src/core/chunk.ts'
import { ShipperError } from '../../../src/core/error.ts'
import type { Output, OutputContext } from '../../../src/core/plugin.ts'

/**
 * An output that keeps its records, in the order of the flushes; while `blocked`, flushes wait, and fail at the end of the run.
 */
export class Records implements Output {
  readonly records: { tag: string; time: unknown; record: unknown }[] = []
  readonly chunks: { tag: string; id: string; bytes: Buffer }[] = []
  blocked = false
  /** Chunks of these tags are refused, as by a destination that does not take them. */
  refused: RegExp | undefined
  /** Error of every flush. */
  failure: Error | undefined
  #waiting: { chunk: Chunk; resolve: () => void; reject: (error: Error) => void }[] = []

  readonly create = (ctx: OutputContext): this => {
    const abort = (): void => {
      for (const { reject } of this.#waiting.splice(0)) reject(new Error('aborted'))
    }
    ctx.signal.addEventListener('abort', abort, { once: true })
    return this
  }

  async flush(chunk: Chunk): Promise<void> {
    if (this.refused?.test(chunk.tag))
      throw new ShipperError('E_OUTPUT_WRITE', `cannot write ${chunk.tag}`, { retryable: true })
    if (this.failure !== undefined) throw this.failure
    if (this.blocked)
      await new Promise<void>((resolve, reject) => this.#waiting.push({ chunk, resolve, reject }))
    else this.#keep(chunk)
  }

  #keep(chunk: Chunk): void {
    const bytes = Buffer.from(chunk.entries())
    this.chunks.push({ tag: chunk.tag, id: chunk.id, bytes })
    for (const entry of decodeMulti(bytes)) {
      const [time, record] = entry as [unknown, unknown]
      this.records.push({ tag: chunk.tag, time, record })
    }
  }

  get waiting(): number {
    return this.#waiting.length
  }

  /** Takes what waits at once: a flush that comes in the same turn is behind it. */
  open(): void {
    this.blocked = false
    for (const { chunk, resolve } of this.#waiting.splice(0)) {
      this.#keep(chunk)
      resolve()
    }
  }

  async close(): Promise<void> {}
}
