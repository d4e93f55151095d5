import type { BufferSource } from '../../../core/buffer-source.ts'

/** Buffer size that a connection may have regardless of the others, so that small peers do not wait for large ones. */
const GUARANTEED_BYTES = 16_384
/** Bytes by which all of these may exceed the limit. */
const MAX_GUARANTEED_BYTES = 4_000_000
/** Least limit for the buffers and decoders of all connections. */
const MIN_LIMIT_BYTES = 4_000_000
/** Bytes of all connections that have arrived and have no place in a buffer: a peer that sends more then is closed. */
const MAX_UNREAD_BYTES = 8_000_000
/** The same, from which on and up to which large peers are not read. */
const PAUSE_BYTES = 2_000_000
const RESUME_BYTES = 1_000_000

/** Source of one connection's memory. */
export interface ConnectionBudget {
  /** Returns a buffer; undefined when none is available, see `waitForMemory`. A connection has two buffers while it grows. */
  take(bytes: number): Buffer | undefined
  give(buf: Buffer): void
  /** Counts memory that others allocate; false when there is none, see `waitForMemory`. */
  hold(bytes: number): boolean
  release(bytes: number): void
  /** True for the one that may exceed the limit. */
  readonly isPrivileged: boolean
}

/**
 * Shared budget for what all connections have received and cannot be processed yet, such as an incomplete record or a compressed
 * payload:
 *
 * ```
 *   unread   in pieces as they arrived, while no buffer can be had     above PAUSE_BYTES large peers are not read
 *   used     in buffers, and in decoders                               above the limit connections wait, with an unread piece
 * ```
 * Buffers count in the budget of the process, too. One connection at a time may exceed the limit; otherwise all could wait for each
 * other with half of what they need.
 */
export class ReceiveBudget {
  readonly #buffers: BufferSource
  readonly #limit: number
  readonly #onCongestion: (isCongested: boolean) => void
  #used = 0
  #unread = 0
  #isCongested = false
  #privileged: ConnectionBudget | undefined
  readonly #waiting = new Set<() => void>()

  /** `onCongestion` is called when large peers are to be read no more, and again. */
  constructor(buffers: BufferSource, largest: number, onCongestion: (isCongested: boolean) => void) {
    this.#buffers = buffers
    this.#limit = Math.max(MIN_LIMIT_BYTES, 2 * largest)
    this.#onCongestion = onCongestion
  }

  connection(): ConnectionBudget {
    const isPrivileged = (): boolean => this.#privileged === budget
    let usedBytes = 0
    const hold = (bytes: number): boolean => {
      if (!this.#allows(bytes, usedBytes, budget)) return false
      usedBytes += bytes
      this.#used += bytes
      return true
    }
    const release = (bytes: number): void => {
      usedBytes -= bytes
      this.#used -= bytes
      if (usedBytes === 0 && this.#privileged === budget) this.#privileged = undefined
      this.wake()
    }
    const budget: ConnectionBudget = {
      take: (bytes) => {
        if (!hold(bytes)) return undefined
        const buf = this.#buffers.takeLongLived(bytes)
        // A pool has few sizes: all of the buffer is given back.
        usedBytes += buf.length - bytes
        this.#used += buf.length - bytes
        return buf
      },
      give: (buf) => {
        const { length } = buf
        this.#buffers.give(buf)
        release(length)
      },
      hold,
      release,
      get isPrivileged() {
        return isPrivileged()
      },
    }
    return budget
  }

  #allows(bytes: number, usedBytes: number, budget: ConnectionBudget): boolean {
    const used = this.#used + bytes
    if (used <= this.#limit) return true
    const isSmall = bytes <= GUARANTEED_BYTES && usedBytes <= GUARANTEED_BYTES
    if (isSmall && used <= this.#limit + MAX_GUARANTEED_BYTES) return true
    this.#privileged ??= budget
    return this.#privileged === budget
  }

  /** Counts bytes that have arrived. False when there are too many: the peer that sent them has to be closed. */
  arrived(bytes: number): boolean {
    this.#unread += bytes
    if (this.#unread > PAUSE_BYTES) this.#setCongested(true)
    return this.#unread <= MAX_UNREAD_BYTES
  }

  /** Bytes that had arrived have a place in a buffer, or are dropped. */
  placed(bytes: number): void {
    this.#unread -= bytes
    if (this.#unread < RESUME_BYTES) this.#setCongested(false)
  }

  #setCongested(isCongested: boolean): void {
    if (isCongested === this.#isCongested) return
    this.#isCongested = isCongested
    this.#onCongestion(isCongested)
  }

  /** True when a connection is waiting for memory. */
  get hasWaiters(): boolean {
    return this.#waiting.size > 0
  }

  /**
   * Resolves when memory was released, on `wake`, or when `signal` is aborted: nothing of a connection that has ended is kept
   * here until memory is released, which may be never.
   */
  waitForMemory(signal?: AbortSignal): Promise<void> {
    if (signal?.aborted) return Promise.resolve()
    return new Promise((resolve) => {
      const wake = (): void => {
        this.#waiting.delete(wake)
        signal?.removeEventListener('abort', wake)
        resolve()
      }
      this.#waiting.add(wake)
      signal?.addEventListener('abort', wake)
    })
  }

  wake(): void {
    for (const wake of [...this.#waiting]) wake()
  }
}
