import type { Socket } from 'node:net'
import { type ErrorCode, messageOf, ShipperError } from '../../../core/error.ts'
import type { Clock, Counters, TimerHandle } from '../../../core/plugin.ts'
import { AckReader } from '../../../protocol/forward.ts'
import { peerName } from './connect.ts'
import type { Frame } from './frame.ts'
import type { ForwardOptions } from './options.ts'

/** A frame on its way: written, and waiting for its ack (or, without acks, for the kernel to take it). */
interface Pending {
  id: string
  sentMs: number
  frame: Frame
  resolve: () => void
  reject: (error: ShipperError) => void
}

/**
 * One connection. Frames are written in the order of `send`; their acks may come in any order and are matched by id.
 *
 * ```
 *   send --> [ socket ] --> peer
 *   pending: c2 c3 c4  <-- {"ack": c2}          any failure: destroy, reject all of pending
 * ```
 * After a failure nothing of `pending` can be known to have arrived: all is rejected, and the engine sends it again, on
 * another session, under the same ids. The handshake of a secured peer would come before the first frame.
 */
export class Session {
  readonly #o: ForwardOptions
  readonly #socket: Socket
  readonly #clock: Clock
  readonly #counters: Counters
  readonly #acks = new AckReader()
  readonly #pending: Pending[] = []
  readonly #closed: (failed: boolean) => void
  #timer: TimerHandle | undefined
  #lastWrittenBytes = 0
  #frames = 0
  #usedMs = 0
  #dueMs = 0
  open = true

  constructor(
    socket: Socket,
    o: ForwardOptions,
    clock: Clock,
    counters: Counters,
    closed: (failed: boolean) => void,
  ) {
    this.#socket = socket
    this.#o = o
    this.#clock = clock
    this.#counters = counters
    this.#closed = closed
    socket.on('data', (data) => this.#read(data as Buffer))
    socket.on('error', (error) => this.fail('E_PEER_CLOSED', messageOf(error)))
    socket.on('close', () => this.fail('E_PEER_CLOSED', 'the peer closed the connection'))
    // A connection that waits for work must not keep the process alive; a flush in flight does by its timer.
    this.#watch()
  }

  /** True when this connection should take no further frame. */
  get worn(): boolean {
    const { netKeepalive, netKeepaliveMaxRecycle } = this.#o
    if (!netKeepalive) return this.#frames > 0
    return netKeepaliveMaxRecycle > 0 && this.#frames >= netKeepaliveMaxRecycle
  }

  get idle(): boolean {
    return this.#pending.length === 0
  }

  /** Resolves when the peer has the frame, which is released then, or with the rejection. */
  send(id: string, frame: Frame): Promise<void> {
    return new Promise((resolve, reject) => {
      if (!this.open) {
        frame.release()
        reject(this.#error('E_PEER_CLOSED', 'the connection was closed'))
        return
      }
      const pending: Pending = { id, sentMs: this.#clock.nowMs(), frame, resolve, reject }
      this.#pending.push(pending)
      this.#frames++
      const last = frame.parts.length - 1
      for (const [i, part] of frame.parts.entries()) {
        if (i < last || this.#o.requireAckResponse) this.#socket.write(part)
        else this.#socket.write(part, (error) => error == null && this.#settle(pending))
      }
      this.#watch()
    })
  }

  /** Closes it; whatever is pending is rejected. */
  fail(code: ErrorCode, why: string): void {
    if (!this.open) return
    this.open = false
    this.#clock.cancel(this.#timer)
    this.#socket.destroy()
    this.#closed(true)
    const error = this.#error(code, why)
    for (const pending of this.#pending.splice(0)) {
      pending.frame.release()
      pending.reject(error)
    }
  }

  /** Ends it when nothing is pending. */
  end(): void {
    if (!this.open || !this.idle) return
    this.open = false
    this.#clock.cancel(this.#timer)
    this.#socket.removeAllListeners('close')
    this.#socket.end()
    this.#socket.unref()
    this.#closed(false)
  }

  #read(data: Buffer): void {
    let ids: string[]
    try {
      ids = this.#acks.push(data)
    } catch (error) {
      this.fail('E_PEER_PROTOCOL', messageOf(error))
      return
    }
    for (const id of ids) {
      const pending = this.#pending.find((p) => p.id === id)
      if (pending === undefined) {
        // Perhaps the ack of an earlier try, perhaps another chunk's: whom it belongs to cannot be told any more.
        this.fail('E_PEER_PROTOCOL', `an acknowledgement for "${id.slice(0, 64)}", which is not in flight`)
        return
      }
      this.#counters.add('acks')
      this.#settle(pending)
    }
  }

  #settle(pending: Pending): void {
    const at = this.#pending.indexOf(pending)
    if (at < 0) return
    this.#pending.splice(at, 1)
    this.#usedMs = this.#clock.nowMs()
    pending.frame.release()
    pending.resolve()
    if (this.idle && this.worn) this.end()
    else if (this.idle) this.#watch()
  }

  /**
   * Sees to it that a timer fires in time for what has to be watched now: an ack, a stalled write, or idleness. One that
   * fires earlier is left: it looks and arms the next, so a steady flow costs no timers.
   */
  #watch(): void {
    if (!this.open) return
    const ms = this.idle ? this.#o.netKeepaliveIdleTimeout : this.#busyLimitMs()
    const nowMs = this.#clock.nowMs()
    if (ms <= 0 || (this.#timer !== undefined && this.#dueMs <= nowMs + ms)) return
    this.#clock.cancel(this.#timer)
    this.#usedMs = nowMs
    this.#dueMs = nowMs + ms
    this.#lastWrittenBytes = this.#socket.bytesWritten - this.#socket.writableLength
    this.#timer = this.#clock.after(ms, () => {
      this.#timer = undefined
      this.#check()
    })
    if (this.idle) (this.#timer as { unref?: () => void }).unref?.()
  }

  #busyLimitMs(): number {
    const oldest = this.#pending[0]?.sentMs ?? this.#clock.nowMs()
    const limits: number[] = []
    if (this.#o.requireAckResponse) limits.push(oldest + this.#o.ackTimeout - this.#clock.nowMs())
    if (this.#o.netIoTimeout > 0) limits.push(this.#o.netIoTimeout)
    return limits.length === 0 ? 0 : Math.max(1, Math.min(...limits))
  }

  #check(): void {
    const now = this.#clock.nowMs()
    const oldest = this.#pending[0]
    if (oldest === undefined) {
      if (this.#o.netKeepaliveIdleTimeout > 0 && now - this.#usedMs >= this.#o.netKeepaliveIdleTimeout)
        this.end()
      else this.#watch()
      return
    }
    if (this.#o.requireAckResponse && now - oldest.sentMs >= this.#o.ackTimeout) {
      this.#counters.add('ack_timeouts')
      this.fail('E_PEER_TIMEOUT', `no acknowledgement in ${this.#o.ackTimeout} ms`)
      return
    }
    const written = this.#socket.bytesWritten - this.#socket.writableLength
    const stalled = this.#socket.writableLength > 0 && written === this.#lastWrittenBytes
    if (stalled && this.#o.netIoTimeout > 0 && now - this.#usedMs >= this.#o.netIoTimeout) {
      this.fail('E_PEER_TIMEOUT', `the peer took no bytes for ${this.#o.netIoTimeout} ms`)
      return
    }
    this.#watch()
  }

  #error(code: ErrorCode, why: string): ShipperError {
    return new ShipperError(code, `${peerName(this.#o)}: ${why}`, { retryable: true, scope: 'peer' })
  }
}
