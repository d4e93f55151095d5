import type { BufferSource } from '../../core/buffer-source.ts'
import type { Clock, TimerHandle } from '../../core/services.ts'
import { ReadGate } from './read-gate.ts'

/** Buffer size that a connection may have regardless of the others, so that small peers do not wait for large ones. */
const GUARANTEED_BYTES = 16_384
/** Bytes by which all of these may exceed the limit. */
const MAX_GUARANTEED_BYTES = 4_000_000
/** Least limit for the buffers and decoders of all connections. */
const MIN_LIMIT_BYTES = 4_000_000
/** Silence of a holder, and wait of another connection, after which the holder gives way. */
const GIVE_WAY_MS = 2000
/** Time between two looks whether one has to, while connections wait. */
const LOOK_MS = 100

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

/** The same of a connection for which silent holders give way. */
export interface PeerBudget extends ConnectionBudget {
  /** Resolves when what was refused last may be had, on `wake`, or when `signal` is aborted. */
  untilFree(signal?: AbortSignal): Promise<void>
}

/** A connection whose memory may be taken for others. */
export interface MemoryHolder {
  /** Time at which bytes arrived last; undefined while what has arrived is not read. */
  readonly silentSinceMs: number | undefined
  /** Reads the connection, also if it is held: what its peer has sent shows that it is not silent. Until `probed`. */
  probe(): void
  probed(): void
  /** Gives back its memory: the peer has sent nothing, and others wait. */
  giveWay(): void
}

/** What one connection has. */
interface Account {
  readonly holder: MemoryHolder | undefined
  usedBytes: number
  /** Size that was refused last, and the time at which it was first; 0: none since. */
  wantedBytes: number
  wantedMs: number
}

/**
 * Shared budget for what all connections have received and cannot be processed yet, such as an incomplete record or a compressed
 * payload:
 *
 * ```
 *   unread   in pieces as they arrived, while no buffer can be had     see ReadGate
 *   used     in buffers, and in decoders                               above the limit connections wait, with an unread piece
 * ```
 * Buffers count in the budget of the process, too. One connection at a time may exceed the limit; otherwise all could wait for each
 * other with half of what they need. Holders that have been silent for GIVE_WAY_MS give way to those that have waited as long: those
 * that have been silent longest, and no more than is needed.
 */
export class ReceiveBudget {
  readonly gate = new ReadGate()
  readonly #buffers: BufferSource
  readonly #limit: number
  readonly #clock: Clock | undefined
  #used = 0
  #privileged: Account | undefined
  readonly #waiting = new Set<() => void>()
  /** Connections that have memory and could give way, and those that wait. */
  readonly #holding = new Set<Account>()
  readonly #wanting = new Set<Account>()
  #timer: TimerHandle | undefined

  /** `largest`: size of the largest message. Without `clock` no holder gives way. */
  constructor(buffers: BufferSource, largest: number, clock?: Clock) {
    this.#buffers = buffers
    this.#limit = Math.max(MIN_LIMIT_BYTES, 2 * largest)
    this.#clock = clock
  }

  connection(holder?: MemoryHolder): PeerBudget {
    const isPrivileged = (): boolean => this.#privileged === account
    const budget: PeerBudget = {
      take: (bytes) => {
        if (!this.#hold(account, bytes)) return undefined
        const buf = this.#buffers.takeLongLived(bytes)
        // A pool has few sizes: all of the buffer is given back.
        account.usedBytes += buf.length - bytes
        this.#used += buf.length - bytes
        return buf
      },
      give: (buf) => {
        const { length } = buf
        this.#buffers.give(buf)
        this.#release(account, length)
      },
      hold: (bytes) => this.#hold(account, bytes),
      release: (bytes) => this.#release(account, bytes),
      untilFree: (signal) => this.#untilFree(account, signal),
      get isPrivileged() {
        return isPrivileged()
      },
    }
    const account: Account = { holder, usedBytes: 0, wantedBytes: 0, wantedMs: 0 }
    return budget
  }

  #hold(account: Account, bytes: number): boolean {
    if (!this.#allows(account, bytes)) {
      account.wantedBytes = bytes
      return false
    }
    account.wantedBytes = account.wantedMs = 0
    if (account.usedBytes === 0 && account.holder !== undefined) this.#holding.add(account)
    account.usedBytes += bytes
    this.#used += bytes
    return true
  }

  #allows(account: Account, bytes: number): boolean {
    const used = this.#used + bytes
    if (used <= this.#limit) return true
    const isSmall = bytes <= GUARANTEED_BYTES && account.usedBytes <= GUARANTEED_BYTES
    if (isSmall && used <= this.#limit + MAX_GUARANTEED_BYTES) return true
    this.#privileged ??= account
    return this.#privileged === account
  }

  #release(account: Account, bytes: number): void {
    account.usedBytes -= bytes
    this.#used -= bytes
    if (account.usedBytes === 0) {
      this.#holding.delete(account)
      if (this.#privileged === account) this.#privileged = undefined
    }
    this.wake()
  }

  /** True when a connection is waiting for memory. */
  get hasWaiters(): boolean {
    return this.#waiting.size > 0
  }

  async #untilFree(account: Account, signal: AbortSignal | undefined): Promise<void> {
    if (this.#clock !== undefined) {
      account.wantedMs ||= this.#clock.nowMs()
      this.#wanting.add(account)
      this.#watch()
    }
    await this.waitForMemory(signal)
    this.#wanting.delete(account)
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
    if (this.#waiting.size > 0) for (const wake of [...this.#waiting]) wake()
  }

  #watch(): void {
    this.#timer ??= this.#clock?.after(LOOK_MS, () => void this.#look())
  }

  /** Takes memory from silent holders for those that have waited too long. */
  async #look(): Promise<void> {
    const since = (this.#clock?.nowMs() ?? 0) - GIVE_WAY_MS
    const chosen = this.#chooseSilent(since)
    if (chosen.length > 0) {
      for (const { holder } of chosen) holder?.probe()
      // In the first turn the kernel is asked; what it has arrives in the second at the latest.
      for (let turns = 0; turns < 2; turns++) await new Promise((resolve) => setImmediate(resolve))
      for (const { holder, usedBytes } of chosen) {
        const isSilent = usedBytes > 0 && isSilentSince(holder, since)
        holder?.probed()
        if (isSilent && this.#wanting.size > 0) holder?.giveWay()
      }
    }
    this.#timer = undefined
    if (this.#wanting.size > 0) this.#watch()
  }

  /** Returns holders without which those that have waited since then could have what they want, or the privileged one, if it is silent. */
  #chooseSilent(since: number): Account[] {
    let wanted = 0
    let isSmall = true
    for (const account of this.#wanting) {
      if (account.wantedMs > since) continue
      wanted += account.wantedBytes
      isSmall &&= account.usedBytes + account.wantedBytes <= GUARANTEED_BYTES
    }
    if (wanted === 0) return []
    const privileged = this.#privileged
    // Each of the large ones can have what it wants in its place.
    if (!isSmall && privileged !== undefined && isSilentSince(privileged.holder, since)) return [privileged]
    const limit = isSmall ? this.#limit + MAX_GUARANTEED_BYTES : this.#limit
    let needed = Math.min(wanted, this.#used + wanted - limit)
    const silent = [...this.#holding].filter(({ holder }) => isSilentSince(holder, since))
    silent.sort((a, b) => (a.holder?.silentSinceMs ?? 0) - (b.holder?.silentSinceMs ?? 0))
    return silent.filter(({ usedBytes }) => {
      if (needed <= 0) return false
      needed -= usedBytes
      return true
    })
  }
}

function isSilentSince(holder: MemoryHolder | undefined, since: number): boolean {
  const silentSinceMs = holder?.silentSinceMs
  return silentSinceMs !== undefined && silentSinceMs <= since
}
