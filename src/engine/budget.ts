import type { BufferSource } from '../core/buffer-source.ts'

/** Sizes of pooled buffers; what does not fit the largest is allocated to measure and not kept. */
const SMALL_CLASSES = [4096, 16_384, 65_536, 262_144]
/** Free buffers kept for the next chunk, besides a quarter of the limit: a window of chunks is not larger. */
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
  readonly #keepBytes: number
  #freeBytes = 0
  readonly #owners = new Map<Buffer, Account>()
  readonly #waiters: Waiter[] = []
  readonly #signals = new WeakSet<AbortSignal>()

  constructor(limitBytes: number, chunkBytes: number) {
    this.limitBytes = limitBytes
    this.#keepBytes = Math.min(KEEP_FREE_BYTES, limitBytes / 4)
    // A size that the pool would not keep would only be more than is asked for.
    this.#classes = [...SMALL_CLASSES.filter((c) => c < chunkBytes), chunkBytes].filter(
      (c) => c <= this.#keepBytes,
    )
    for (const c of this.#classes) this.#free.set(c, [])
  }

  /** `limitBytes` is what this account may hold at once. */
  account(limitBytes: number): Account {
    return new Account(this, limitBytes)
  }

  /** Bytes in the pool: allocated, held by nobody and not in `used`. */
  get pooled(): number {
    return this.#freeBytes
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

  /** The largest size of the pool that is not above `bytes`. */
  sizeWithin(bytes: number): number {
    return this.#classes.findLast((c) => c <= bytes) ?? bytes
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
    if (free !== undefined && this.#freeBytes + size <= this.#keepBytes) {
      free.push(buf)
      this.#freeBytes += size
    } else {
      // Frees its memory now: the garbage collector sees a small object and would come when there are hundreds of MB.
      ;(buf.buffer as ArrayBuffer).transfer(0)
    }
    if (this.#waiters.length > 0) this.#wake(hasRoom)
  }

  /** @internal */
  wait(account: Account, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.resolve()
    // One listener for each signal, not for each wait: a file that is drained waits once per chunk.
    if (!this.#signals.has(signal)) {
      this.#signals.add(signal)
      signal.addEventListener('abort', () => this.#wake((w) => w.signal === signal), { once: true })
    }
    return new Promise((resolve) => {
      this.#waiters.push({ account, signal, resolve })
    })
  }

  #wake(which: (waiter: Waiter) => boolean): void {
    for (let i = 0; i < this.#waiters.length; ) {
      const waiter = this.#waiters[i] as Waiter
      if (!which(waiter)) {
        i++
        continue
      }
      this.#waiters.splice(i, 1)
      waiter.resolve()
    }
  }
}

function hasRoom(waiter: Waiter): boolean {
  return waiter.account.hasRoom
}

interface Waiter {
  account: Account
  signal: AbortSignal
  resolve: () => void
}

/** What one input holds of the budget. */
export class Account implements BufferSource {
  readonly limitBytes: number
  used = 0
  #heldBytes = 0
  #refused = 0
  /** What was held when it was refused: who holds a read buffer while it asks will hold one again. */
  #refusedHeld = 0
  #waits = false
  readonly #held = new Set<Buffer>()
  readonly #budget: Budget

  constructor(budget: Budget, limitBytes: number) {
    this.#budget = budget
    this.limitBytes = limitBytes
  }

  /** Whether what was refused last would be granted now. */
  get hasRoom(): boolean {
    return this.#fits(this.#refused, Math.max(0, this.#refusedHeld - this.#heldBytes))
  }

  /** The last `take` was refused and would be refused now. */
  get paused(): boolean {
    return this.#waits && !this.hasRoom
  }

  take(bytes: number): Buffer | undefined {
    const size = this.#budget.sizeFor(bytes)
    this.#waits = !this.#fits(size, 0)
    if (!this.#waits) return this.#budget.take(size, this)
    this.#refused = size
    this.#refusedHeld = this.#heldBytes
    return undefined
  }

  #fits(size: number, heldAgain: number): boolean {
    // What is held (a read buffer) counts for the process; the limit of the input is for its records.
    const free = this.used - this.#heldBytes
    return (free + size <= this.limitBytes || free === 0) && this.#budget.allows(size + heldAgain)
  }

  force(bytes: number): Buffer {
    return this.#budget.take(this.#budget.sizeFor(bytes), this)
  }

  takeLongLived(bytes: number): Buffer {
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
  waitForMemory(signal: AbortSignal): Promise<void> {
    if (this.hasRoom) return Promise.resolve()
    return this.#budget.wait(this, signal)
  }
}
