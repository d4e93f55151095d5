import type { Socket } from 'node:net'
import { type ErrorCode, messageOf, ShipperError } from '../../../core/error.ts'
import type { Clock, Counters, TimerHandle } from '../../../core/services.ts'
import { AckReader, UnsupportedHandshake } from '../../../protocol/forward/frame.ts'
import { peerName } from './connect.ts'
import type { Frame } from './frame.ts'
import type { ForwardOptions } from './options.ts'

/** A frame on its way: written, and waiting for its ack (or, without acks, for the kernel to take it). */
interface Pending {
  id: string
  /** Of `#ticks` when it was sent. */
  tick: number
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
  readonly #closed: (failure: ShipperError | undefined) => void
  #timer: TimerHandle | undefined
  /** Timer periods since the beginning: the clock of all limits. Wall time may jump, and would cost a call per chunk. */
  #ticks = 0
  readonly #tickMs: number
  #usedTick = 0
  /** When the socket was last seen to take a write, and what it had taken by then. */
  #movedTick = 0
  #takenBytes = 0
  #frames = 0
  /** A peer may repeat an ack; only that of the last chunk is known again. */
  #lastAcked = ''
  #settleEnded: () => void = () => {}
  open = true
  /** Resolves when it is no longer open. A worn session ends by itself with its last ack. */
  readonly ended: Promise<void>

  constructor(
    socket: Socket,
    o: ForwardOptions,
    clock: Clock,
    counters: Counters,
    closed: (failure: ShipperError | undefined) => void,
  ) {
    this.#socket = socket
    this.#o = o
    this.#clock = clock
    this.#counters = counters
    this.#closed = closed
    socket.on('data', (data) => this.#read(data as Buffer))
    socket.on('error', (error) => this.fail('E_PEER_CLOSED', messageOf(error)))
    // Half closed is closed: no ack can come, and a peer that reads on would never let 'close' come either.
    socket.on('end', () => this.fail('E_PEER_CLOSED', 'the peer closed the connection'))
    socket.on('close', () => this.fail('E_PEER_CLOSED', 'the peer closed the connection'))
    this.ended = new Promise((resolve) => {
      this.#settleEnded = resolve
    })
    this.#tickMs = tickMs(o)
    // A connection that waits for work must not keep the process alive; one with a flush in flight does.
    socket.unref()
    this.#watch()
  }

  /** True when this connection should take no further frame. */
  get needsRecycle(): boolean {
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
      const pending: Pending = { id, tick: this.#ticks, frame, resolve, reject }
      if (this.idle) this.#wake()
      this.#pending.push(pending)
      this.#frames++
      const last = frame.parts.length - 1
      for (const [i, part] of frame.parts.entries()) {
        if (i < last || this.#o.requireAckResponse) this.#socket.write(part)
        else this.#socket.write(part, (error) => error == null && this.#settle(pending))
      }
    })
  }

  /** Closes it; whatever is pending is rejected. */
  fail(code: ErrorCode, why: string, hint?: string): void {
    if (!this.open) return
    this.open = false
    this.#clock.cancel(this.#timer)
    this.#socket.destroy()
    const error = this.#error(code, why, hint)
    // A peer may close a connection that waits for work: nothing has failed then.
    this.#closed(this.idle ? undefined : error)
    this.#settleEnded()
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
    // Not left half closed: a peer that never closes its side would keep the descriptor.
    this.#socket.end(() => this.#socket.destroy())
    this.#closed(undefined)
    this.#settleEnded()
  }

  #read(data: Buffer): void {
    let ids: string[]
    try {
      ids = this.#acks.push(data)
    } catch (error) {
      if (error instanceof UnsupportedHandshake)
        this.fail(
          'E_PEER_PROTOCOL',
          `${error.message}, which is not offered yet`,
          'give it an entrance without',
        )
      else this.fail('E_PEER_PROTOCOL', messageOf(error))
      return
    }
    for (const id of ids) {
      const pending = this.#pending.find((p) => p.id === id)
      if (pending === undefined) {
        if (id === this.#lastAcked) continue
        // Perhaps the ack of an earlier try, perhaps another chunk's: whom it belongs to cannot be told any more.
        this.fail('E_PEER_PROTOCOL', `an acknowledgement for "${id.slice(0, 64)}", which is not in flight`)
        return
      }
      this.#lastAcked = id
      this.#counters.add('acks')
      this.#settle(pending)
    }
  }

  #settle(pending: Pending): void {
    const at = this.#pending.indexOf(pending)
    if (at < 0) return
    this.#pending.splice(at, 1)
    pending.frame.release()
    pending.resolve()
    if (!this.idle) return
    this.#usedTick = this.#ticks
    if (this.needsRecycle) this.end()
    else this.#socket.unref()
  }

  /** The first frame after idleness. */
  #wake(): void {
    this.#socket.ref()
    this.#movedTick = this.#ticks
    this.#watch()
  }

  /**
   * One timer that is armed again by itself: nothing is armed or cancelled per chunk. It rests when there is nothing
   * to watch. A limit is noticed at most half of it too late and never too early, also when the process was stopped.
   */
  #watch(): void {
    if (this.#timer !== undefined || !this.open || this.#tickMs === Number.POSITIVE_INFINITY) return
    if (this.idle && this.#o.netKeepaliveIdleTimeout === 0) return
    this.#timer = this.#clock.after(this.#tickMs, () => {
      this.#timer = undefined
      this.#ticks++
      this.#check()
      this.#watch()
    })
    ;(this.#timer as { unref?: () => void }).unref?.()
  }

  #check(): void {
    const { ackTimeout, netIoTimeout, netKeepaliveIdleTimeout } = this.#o
    const oldest = this.#pending[0]
    if (oldest === undefined) {
      if (this.#passed(this.#usedTick, netKeepaliveIdleTimeout)) this.end()
      return
    }
    if (this.#o.requireAckResponse && this.#passed(oldest.tick, ackTimeout)) {
      this.#counters.add('ack_timeouts')
      this.fail('E_PEER_TIMEOUT', `no acknowledgement in ${ackTimeout} ms`)
      return
    }
    if (this.#moves()) this.#movedTick = this.#ticks
    else if (this.#passed(this.#movedTick, netIoTimeout))
      this.fail('E_PEER_TIMEOUT', `the peer took no bytes for ${netIoTimeout} ms`)
  }

  /** `writableLength` counts writes that the kernel has not taken whole; how much of one it took cannot be seen. */
  #moves(): boolean {
    const taken = this.#socket.bytesWritten - this.#socket.writableLength
    const moved = taken !== this.#takenBytes || this.#socket.writableLength === 0
    this.#takenBytes = taken
    return moved
  }

  #passed(sinceTick: number, limitMs: number): boolean {
    return limitMs > 0 && (this.#ticks - sinceTick - 1) * this.#tickMs >= limitMs
  }

  #error(code: ErrorCode, why: string, hint?: string): ShipperError {
    return new ShipperError(code, `${peerName(this.#o)}: ${why}`, {
      retryable: true,
      scope: 'peer',
      ...(hint === undefined ? {} : { hint }),
    })
  }
}

/** A quarter of the shortest limit; Infinity when there is none. */
function tickMs(o: ForwardOptions): number {
  const limits = [o.netKeepaliveIdleTimeout, o.netIoTimeout, o.requireAckResponse ? o.ackTimeout : 0]
  return Math.max(1, Math.min(...limits.map((ms) => (ms > 0 ? ms / 4 : Number.POSITIVE_INFINITY))))
}
