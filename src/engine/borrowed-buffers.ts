import type { BufferSource } from '../core/buffer-source.ts'
import type { FanOut } from './fan-out.ts'

/** Passes on the buffers of the input whose chunk is being filtered, so that what a filter adds counts there. */
export class BorrowedBuffers implements BufferSource {
  /** Acks and buffers of that chunk; undefined while none is being filtered. */
  current: FanOut | undefined

  take(bytes: number): Buffer | undefined {
    return this.#lender.take(bytes)
  }

  force(bytes: number): Buffer {
    return this.#lender.force(bytes)
  }

  takeLongLived(bytes: number): Buffer {
    return this.#lender.takeLongLived(bytes)
  }

  give(buf: Buffer): void {
    this.#lender.give(buf)
  }

  get #lender(): BufferSource {
    if (this.current === undefined) throw new Error('buffers are lent only while a chunk is being filtered')
    return this.current.buffers
  }
}
