import type { BufferSource } from '../core/buffer-source.ts'
import { freeMemory } from '../core/free-memory.ts'

/** Sizes of pooled buffers; a larger buffer is allocated in the requested size and not pooled. */
const SMALL_SIZES = [1024, 4096, 16_384, 65_536, 262_144]
/** Maximum size of the pool, unless a quarter of the limit is less: a window of chunks is not larger. */
const MAX_POOLED_BYTES = 4_000_000

/**
 * Part of the limit that each account may have in records however many long-lived buffers there are: the peers of a server input choose how
 * much is in its receive buffers, and could otherwise stop all other inputs.
 */
const GUARANTEED_SHARE = 1 / 128

/** Part of an account, and of the limit, from which on little more is read that may never be delivered. */
const MAX_DOUBTFUL = 0.5

/**
 * The memory budget of the process, in bytes. Every buffer for records comes from here and is counted until it is given
 * back. Admission happens before reading, so memory stays flat whatever the outputs do.
 *
 * ```
 *   limit |=== taken by accounts (inputs) ===|--- free, pooled ---|  not allocated  |
 * ```
 * Not promised: `force` may exceed the limit by one chunk, each account by GUARANTEED_SHARE because of long-lived buffers, and
 * a single buffer larger than the limit is granted when nothing else is taken (else a long line could wait forever). For accounts with
 * `hasReserve` it is granted when they have nothing else, whatever the others have: what these hold waits for an output, which may be
 * down for days.
 */
export class Budget {
  readonly limitBytes: number
  used = 0
  /** Part of `used` in long-lived buffers. */
  longLivedBytes = 0
  /**
   * Bytes that only accounts with `hasReserve` may have: what these hold goes to disk, and the others may hold all the rest for as long
   * as an output is down. What such accounts have counts as a part of it.
   */
  reservedBytes = 0
  #usedOfReserve = 0
  /** Part of it in long-lived buffers. */
  #longLivedOfReserve = 0
  /** Sum of the accounts' `doubtfulBytes`. */
  doubtfulBytes = 0
  readonly #sizes: number[]
  readonly #free = new Map<number, Buffer[]>()
  readonly #maxPooledBytes: number
  #pooledBytes = 0
  readonly #owners = new Map<Buffer, Owner>()
  readonly #waiters: Waiter[] = []
  readonly #signals = new WeakSet<AbortSignal>()

  constructor(limitBytes: number, chunkBytes: number) {
    this.limitBytes = limitBytes
    this.#maxPooledBytes = Math.min(MAX_POOLED_BYTES, limitBytes / 4)
    // Rounding up to a size that the pool would not keep would only waste memory.
    this.#sizes = [...SMALL_SIZES.filter((size) => size < chunkBytes), chunkBytes].filter(
      (size) => size <= this.#maxPooledBytes,
    )
    for (const size of this.#sizes) this.#free.set(size, [])
  }

  /** Creates an account that may have `limitBytes` bytes at once. */
  account(limitBytes: number): Account {
    return new Account(this, limitBytes)
  }

  /** Bytes in the pool: allocated, but not in use and not counted in `used`. */
  get pooled(): number {
    return this.#pooledBytes
  }

  /** @internal Returns true when the limit of the process allows `bytes` more. */
  allows(bytes: number, hasReserve: boolean): boolean {
    if (hasReserve && this.#usedOfReserve === this.#longLivedOfReserve) return true
    const kept = hasReserve ? 0 : Math.max(0, this.reservedBytes - this.#usedOfReserve)
    return this.used + kept + bytes <= this.limitBytes || this.used === this.longLivedBytes
  }

  /** @internal Counts what accounts with a reserve have. */
  countReserve(bytes: number): void {
    this.#usedOfReserve += bytes
  }

  /** @internal Counts the part of it in long-lived buffers. */
  countLongLived(bytes: number, hasReserve: boolean): void {
    this.longLivedBytes += bytes
    if (hasReserve) this.#longLivedOfReserve += bytes
  }

  /** Lets a buffer count for another account from now on; false when it is none of this budget. */
  move(buf: Buffer, to: Account): boolean {
    const owner = this.#owners.get(buf)
    if (owner === undefined) return false
    owner.count(-buf.length)
    this.#owners.set(buf, to)
    to.count(buf.length)
    if (this.#waiters.length > 0) this.#wake(canRetry)
    return true
  }

  /** @internal Returns true when an account that has `records` bytes of records may have `bytes` more whatever is long-lived. */
  guarantees(records: number, bytes: number): boolean {
    return (
      records + bytes <= this.limitBytes * GUARANTEED_SHARE &&
      this.used - this.longLivedBytes + bytes <= this.limitBytes
    )
  }

  /** @internal Returns the size of the buffer for a request of `bytes`. */
  sizeFor(bytes: number): number {
    for (const size of this.#sizes) if (bytes <= size) return size
    return bytes
  }

  /** Returns the largest size of the pool that is not above `bytes`. */
  sizeWithin(bytes: number): number {
    return this.#sizes.findLast((size) => size <= bytes) ?? bytes
  }

  /** @internal Takes a buffer of exactly `size` bytes, from the pool if possible. */
  take(size: number, owner: Owner): Buffer {
    const free = this.#free.get(size)
    let buf = free?.pop()
    if (buf !== undefined) this.#pooledBytes -= size
    else buf = Buffer.allocUnsafeSlow(size)
    this.used += size
    owner.count(size)
    this.#owners.set(buf, owner)
    return buf
  }

  /** @internal Takes a buffer back. It counts for the account that took it, so a chunk may change hands. */
  give(buf: Buffer): void {
    const owner = this.#owners.get(buf)
    if (owner === undefined) return
    this.#owners.delete(buf)
    const size = buf.length
    if (owner.account.releaseLongLived(buf)) this.countLongLived(-size, owner.account.hasReserve)
    this.used -= size
    owner.count(-size)
    const free = this.#free.get(size)
    if (free !== undefined && this.#pooledBytes + size <= this.#maxPooledBytes) {
      free.push(buf)
      this.#pooledBytes += size
    } else {
      freeMemory(buf)
    }
    if (this.#waiters.length > 0) this.#wake(canRetry)
  }

  /** @internal Resolves when the request of `account` refused last fits, or on abort. */
  wait(account: Account, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.resolve()
    // One listener per signal and not per wait: a file that is being drained waits once per chunk.
    if (!this.#signals.has(signal)) {
      this.#signals.add(signal)
      signal.addEventListener('abort', () => this.#wake((w) => w.signal === signal), { once: true })
    }
    return new Promise((resolve) => {
      this.#waiters.push({ account, signal, resolve })
    })
  }

  /** @internal Wakes those whose request fits now. */
  wakeAll(): void {
    this.#wake(canRetry)
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

function canRetry(waiter: Waiter): boolean {
  return waiter.account.fitsNow
}

interface Waiter {
  account: Account
  signal: AbortSignal
  resolve: () => void
}

/** What a buffer counts for: an account, or a part of it. */
interface Owner {
  readonly account: Account
  count(bytes: number): void
}

/** One input's or output's part of the budget. */
export class Account implements BufferSource {
  readonly limitBytes: number
  used = 0
  /** Part of `used` that is in doubt; see Holding. */
  doubtfulBytes = 0
  readonly account = this
  /** True when it may use what the budget keeps back from others. Set before it is used. */
  hasReserve = false
  /** Bytes by which `limitBytes` may be exceeded; see Shares. */
  #extraBytes = 0
  /** Bytes by which a buffer that is larger than the limit exceeds it, until it is given back. */
  #excessBytes = 0
  #longLivedBytes = 0
  /** Size of the buffer refused last. */
  #refusedBytes = 0
  /** `#longLivedBytes` at that time: a caller that had a read buffer when it was refused will take one again. */
  #longLivedAtRefusal = 0
  #wasRefused = false
  readonly #longLived = new Set<Buffer>()
  readonly #budget: Budget

  constructor(budget: Budget, limitBytes: number) {
    this.#budget = budget
    this.limitBytes = limitBytes
  }

  /** Allows the limit to be exceeded, and wakes those that wait. */
  setExtra(bytes: number): void {
    if (bytes === this.#extraBytes) return
    this.#extraBytes = bytes
    this.#budget.wakeAll()
  }

  /** Bytes of records that the account may have now: its limit with the extra, or less if others leave less of the process's. */
  get ceilingBytes(): number {
    const { limitBytes, used } = this.#budget
    return Math.min(this.#ownCeilingBytes, limitBytes - used + this.recordBytes)
  }

  /** The extra is for others than the one who has the excess. */
  get #ownCeilingBytes(): number {
    return this.limitBytes + (this.#extraBytes > 0 ? this.#extraBytes + this.#excessBytes : 0)
  }

  /** Part of `used` that is not in long-lived buffers. */
  get recordBytes(): number {
    return this.used - this.#longLivedBytes
  }

  /** True when half of the account is in doubt, or half of the memory of the process. */
  get isHalfInDoubt(): boolean {
    const { limitBytes, doubtfulBytes } = this.#budget
    return doubtfulBytes >= limitBytes * MAX_DOUBTFUL || this.doubtfulBytes >= this.limitBytes * MAX_DOUBTFUL
  }

  /** @internal */
  count(bytes: number): void {
    this.used += bytes
    if (this.hasReserve) this.#budget.countReserve(bytes)
    if (bytes < 0 && this.#excessBytes > 0 && this.recordBytes <= this.limitBytes) this.#excessBytes = 0
  }

  /** @internal */
  countDoubtful(bytes: number): void {
    this.doubtfulBytes += bytes
    this.#budget.doubtfulBytes += bytes
  }

  /** True when the request refused last would be granted now. */
  get fitsNow(): boolean {
    return this.#fits(this.#refusedBytes, Math.max(0, this.#longLivedAtRefusal - this.#longLivedBytes))
  }

  /** True when the last `take` was refused and would still be refused. */
  get paused(): boolean {
    return this.#wasRefused && !this.fitsNow
  }

  take(bytes: number, owner?: Owner): Buffer | undefined {
    const size = this.#budget.sizeFor(bytes)
    this.#wasRefused = !this.#fits(size, 0)
    if (!this.#wasRefused) return this.#takeSize(size, owner)
    this.#refusedBytes = size
    this.#longLivedAtRefusal = this.#longLivedBytes
    return undefined
  }

  #fits(size: number, longLivedAgain: number): boolean {
    // Long-lived buffers (a read buffer) count for the process; the limit of the input is for its records.
    const records = this.recordBytes
    if (records > 0 && records + size > this.#ownCeilingBytes) return false
    if (this.#budget.guarantees(records, size)) return true
    return this.#budget.allows(size + longLivedAgain, this.hasReserve)
  }

  force(bytes: number, owner?: Owner): Buffer {
    return this.#takeSize(this.#budget.sizeFor(bytes), owner)
  }

  #takeSize(size: number, owner: Owner | undefined): Buffer {
    if (size > this.limitBytes) this.#excessBytes = Math.max(this.#excessBytes, size - this.limitBytes)
    return this.#budget.take(size, owner ?? this)
  }

  takeLongLived(bytes: number): Buffer {
    const buf = this.#budget.take(bytes, this)
    this.#longLived.add(buf)
    this.#longLivedBytes += bytes
    this.#budget.countLongLived(bytes, this.hasReserve)
    return buf
  }

  /** @internal Returns true when the buffer was a long-lived one. */
  releaseLongLived(buf: Buffer): boolean {
    if (!this.#longLived.delete(buf)) return false
    this.#longLivedBytes -= buf.length
    return true
  }

  give(buf: Buffer): void {
    this.#budget.give(buf)
  }

  /** Resolves when the request refused last fits, or on abort. */
  waitForMemory(signal: AbortSignal): Promise<void> {
    if (this.fitsNow) return Promise.resolve()
    return this.#budget.wait(this, signal)
  }
}
