import type { Clock } from '../../core/services.ts'
import type { Framing } from '../net/http-server/head.ts'
import type { MemoryHolder, PeerBudget, ReceiveBudget } from '../net/receive-budget.ts'
import { BodyBuffer } from './body-buffer.ts'
import type { BodyQueue, WaitingBody } from './body-queue.ts'

/** Time that a body may take when others wait for memory. */
const MAX_SLOW_MS = 10_000

/** What the bodies of all requests share. */
export interface BodyHost {
  readonly ctx: { readonly clock: Clock }
  readonly options: { readonly bufferMaxSize: number }
  /** Memory of bodies. */
  readonly receiveBudget: ReceiveBudget
  readonly bodies: BodyQueue
}

/** The request of a body. */
interface BodyOwner {
  /** The body waits for memory, and waits no more: what was not taken is to be offered again. */
  waits(): void
  readOn(): void
  /** The body is silent while others wait for its memory. */
  giveWay(): void
}

/** The body of a request while it arrives. It waits for its memory in turn, see BodyQueue. */
export class ReceivedBody implements WaitingBody, MemoryHolder {
  wantedBytes = 0
  isWaiting = false
  readonly #budget: PeerBudget
  readonly #host: BodyHost
  readonly #owner: BodyOwner
  readonly #buffer: BodyBuffer
  /** Time at which it has got memory first, by `performance.now`, and at which bytes arrived last. */
  #placedMs = 0
  #usedMs = 0
  #isComplete = false

  constructor(framing: Framing, host: BodyHost, owner: BodyOwner) {
    this.#host = host
    this.#owner = owner
    this.#budget = host.receiveBudget.connection(this)
    this.#buffer = new BodyBuffer(this.#budget, framing, host.options.bufferMaxSize)
  }

  get bytes(): Buffer {
    return this.#buffer.buf.subarray(0, this.#buffer.length)
  }

  get hasMemory(): boolean {
    return this.#buffer.buf.length > 0
  }

  get isPrivileged(): boolean {
    return this.#budget.isPrivileged
  }

  /** True while it is read, whatever others have sent: what arrives has a place, or is little. */
  get hasPlace(): boolean {
    return this.hasMemory && !this.isWaiting
  }

  /** Copies a part; false when there is no memory for it yet. */
  push(buf: Buffer, start: number, end: number): boolean {
    const bytes = end - start
    this.#usedMs = this.#host.ctx.clock.nowMs()
    if (!this.#buffer.fits(bytes)) {
      this.wantedBytes = this.#buffer.sizeFor(bytes)
      if (!this.#host.bodies.enter(this)) {
        this.isWaiting = true
        this.#owner.waits()
        return false
      }
    }
    this.#buffer.push(buf, start, end)
    return true
  }

  /** True when it takes long, and others wait for memory. */
  get isSlow(): boolean {
    return this.#host.bodies.hasWaiters && performance.now() - this.#placedMs > MAX_SLOW_MS
  }

  takePlace(): boolean {
    const isFirst = !this.hasMemory
    if (!this.#buffer.resize(this.wantedBytes)) return false
    if (isFirst) this.#placedMs = performance.now()
    return true
  }

  readOn(): void {
    this.isWaiting = false
    this.#owner.readOn()
  }

  untilFree(signal: AbortSignal): Promise<void> {
    return this.#budget.untilFree(signal)
  }

  get silentSinceMs(): number | undefined {
    return this.#isComplete || !this.hasPlace ? undefined : this.#usedMs
  }

  /** Nothing to do: a body with memory is read in any case. */
  probe(): void {}
  probed(): void {}

  giveWay(): void {
    this.#owner.giveWay()
  }

  /** All of it has arrived. */
  complete(): void {
    this.#isComplete = true
  }

  /** Gives the memory for its bytes back, and waits for none. */
  release(): void {
    this.#isComplete = true
    if (this.isWaiting) this.#host.bodies.leave(this)
    this.isWaiting = false
    this.#buffer.release()
  }
}
