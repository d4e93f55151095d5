import type { BufferSource } from '../core/buffers.ts'

/** Sizes of pooled buffers; what does not fit the largest is allocated to measure and not kept. */
const SMALL_CLASSES = [4096, 16384, 65536]
/** Free buffers kept for the next chunk: more than a window of chunks is never refilled from the pool at once. */
const KEEP_FREE_BYTES = 4_000_000

/**
 * The one memory budget of the process, in bytes. Every buffer that can hold records comes from here and is counted
 * until it is given back: admission happens before reading, so memory stays flat whatever the outputs do.
 *
 * ```
 *   limit |=== taken by accounts (inputs) ===|--- free, pooled ---|  not allocated  |
 * ```
 * Not promised: `force` may pass the limit by one chunk, and a single buffer larger than the whole limit is given when
 * nothing else is taken (else a long line could wait for ever).
 */
export class Budget {
  readonly limitBytes: number
  used = 0
  /** Part of `used` that is held for good. */
  held = 0
  readonly #classes: number[]
  readonly #free = new Map<number, Buffer[]>()
  #freeBytes = 0
  readonly #owners = new Map<Buffer, Account>()
  readonly #waiters: Waiter[] = []

  constructor(limitBytes: number, chunkBytes: number) {
    this.limitBytes = limitBytes
    this.#classes = [...SMALL_CLASSES.filter((c) => c < chunkBytes), chunkBytes]
    for (const c of this.#classes) this.#free.set(c, [])
  }

  /** `limitBytes` is what this account may hold at once. */
  account(limitBytes: number): Account {
    return new Account(this, limitBytes)
  }

  /** @internal */
  allows(bytes: number): boolean {
    return this.used + bytes <= this.limitBytes || this.used === this.held
  }

  /** @internal The size that a request of `bytes` is answered with. */
  sizeFor(bytes: number): number {
    for (const c of this.#classes) if (bytes <= c) return c
    return bytes
  }

  /** @internal */
  take(size: number, owner: Account): Buffer {
    const free = this.#free.get(size)
    let buf = free?.pop()
    if (buf !== undefined) this.#freeBytes -= size
    else buf = Buffer.allocUnsafeSlow(size)
    this.used += size
    owner.used += size
    this.#owners.set(buf, owner)
    return buf
  }

  /** @internal Back from whoever held it; the account that took it is found here, so a chunk may change hands. */
  give(buf: Buffer): void {
    const owner = this.#owners.get(buf)
    if (owner === undefined) return
    this.#owners.delete(buf)
    const size = buf.length
    if (owner.unhold(buf)) this.held -= size
    this.used -= size
    owner.used -= size
    const free = this.#free.get(size)
    if (free !== undefined && this.#freeBytes + size <= KEEP_FREE_BYTES) {
      free.push(buf)
      this.#freeBytes += size
    }
    if (this.#waiters.length > 0) this.#wake()
  }

  /** @internal */
  wait(account: Account, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const waiter: Waiter = { account, resolve: done }
      const waiters = this.#waiters
      function done() {
        const at = waiters.indexOf(waiter)
        if (at >= 0) waiters.splice(at, 1)
        signal.removeEventListener('abort', done)
        resolve()
      }
      if (signal.aborted) {
        resolve()
        return
      }
      signal.addEventListener('abort', done)
      waiters.push(waiter)
    })
  }

  #wake(): void {
    for (const waiter of [...this.#waiters]) if (waiter.account.hasRoom) waiter.resolve()
  }
}

interface Waiter {
  account: Account
  resolve: () => void
}

/** What one input holds of the budget. */
export class Account implements BufferSource {
  readonly limitBytes: number
  used = 0
  /** True since the last `take` was refused; false when one is granted again. */
  paused = false
  #heldBytes = 0
  #refused = 0
  readonly #held = new Set<Buffer>()
  readonly #budget: Budget

  constructor(budget: Budget, limitBytes: number) {
    this.#budget = budget
    this.limitBytes = limitBytes
  }

  /** Whether what was refused last would be granted now. */
  get hasRoom(): boolean {
    return this.#fits(this.#refused)
  }

  take(bytes: number): Buffer | undefined {
    const size = this.#budget.sizeFor(bytes)
    this.paused = !this.#fits(size)
    if (!this.paused) return this.#budget.take(size, this)
    this.#refused = size
    return undefined
  }

  #fits(size: number): boolean {
    // What is held (a read buffer) counts for the process; the limit of the input is for its records.
    const free = this.used - this.#heldBytes
    return (free + size <= this.limitBytes || free === 0) && this.#budget.allows(size)
  }

  force(bytes: number): Buffer {
    return this.#budget.take(this.#budget.sizeFor(bytes), this)
  }

  hold(bytes: number): Buffer {
    const buf = this.#budget.take(bytes, this)
    this.#held.add(buf)
    this.#heldBytes += bytes
    this.#budget.held += bytes
    return buf
  }

  /** @internal True when the buffer was a held one. */
  unhold(buf: Buffer): boolean {
    if (!this.#held.delete(buf)) return false
    this.#heldBytes -= buf.length
    return true
  }

  give(buf: Buffer): void {
    this.#budget.give(buf)
  }

  /** Resolves when what was refused last fits, or on abort. */
  room(signal: AbortSignal): Promise<void> {
    if (this.hasRoom) return Promise.resolve()
    return this.#budget.wait(this, signal)
  }
}
