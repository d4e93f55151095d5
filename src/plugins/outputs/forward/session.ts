import type { Socket } from 'node:net'
import { type ErrorCode, messageOf, ShipperError } from '../../../core/error.ts'
import type { Clock, Counters, Logger, TimerHandle } from '../../../core/services.ts'
import { AckReader, UnsupportedHandshake } from '../../../protocol/forward/frame.ts'
import { peerName } from './connect.ts'
import type { Frame } from './frame.ts'
import type { ForwardOutputOptions } from './options.ts'

/** Repetitions of one acknowledgement that are passed over; a peer that sends more is not trusted any further. */
const MAX_REPEATED_ACKS = 16
/** Time without an answer to the first frame after which the log says what the peer may be. */
const NO_ANSWER_MS = 5000
/** Size up to which a frame waits for others of the same turn, in bytes. A copy of one this size costs less than a system call. */
const SMALL_FRAME_BYTES = 16 * 1024
/** Bytes of small frames that are written at once at most. */
const GATHERED_BYTES = 64 * 1024
const SILENT_HINT =
  'see the peer’s log; it may expect TLS or a shared key, which are not supported yet. The records are kept and sent again'

/** A frame that was written and waits for its ack or, without acks, for the kernel to take it. */
interface Pending {
  id: string
  /** Value of `#ticks` when it was sent. */
  tick: number
  frame: Frame
  resolve: () => void
  reject: (error: ShipperError) => void
}

/**
 * A connection to the peer. Frames are written in the order of `send`; their acks may come in any order and are matched by id.
 *
 * ```
 *   send --> [ socket ] --> peer
 *   pending: c2 c3 c4  <-- {"ack": c2}          any failure: destroy, reject all of pending
 * ```
 * After a failure it is unknown which frames of `pending` have arrived: all are rejected, and the engine sends their chunks
 * again on another session, with the same ids. A handshake with a shared key would precede the first frame.
 */
export class Session {
  readonly #options: ForwardOutputOptions
  readonly #socket: Socket
  readonly #clock: Clock
  readonly #counters: Counters
  readonly #log: Logger
  readonly #acks = new AckReader()
  readonly #pending: Pending[] = []
  /** Small frames of this turn, the last ones of `pending`, that are not written yet, and their size. */
  #gathered: Pending[] = []
  #gatheredBytes = 0
  readonly #onClosed: (failure: ShipperError | undefined) => void
  #timer: TimerHandle | undefined
  /** Number of timer periods since the start, which measures all limits. Wall time may jump, and would cost a call per chunk. */
  #ticks = 0
  readonly #tickMs: number
  /** Tick of the last ack. */
  #lastUsedTick = 0
  /** Tick at which the socket last took bytes, and how many it had taken by then. */
  #progressTick = 0
  #takenBytes = 0
  /** Number of frames sent. */
  #frames = 0
  /** Id of the last acknowledged chunk: a peer may repeat an ack, and only the last one is recognized. */
  #lastAcked = ''
  #repeatedAcks = 0
  #hasAnswered = false
  #answerTimer: TimerHandle | undefined
  #resolveEnded: () => void = () => {}
  open = true
  /** Resolves when the session is no longer open. One that needs recycling ends by itself with its last ack. */
  readonly ended: Promise<void>

  constructor(
    socket: Socket,
    options: ForwardOutputOptions,
    clock: Clock,
    counters: Counters,
    log: Logger,
    onClosed: (failure: ShipperError | undefined) => void,
  ) {
    this.#socket = socket
    this.#options = options
    this.#clock = clock
    this.#counters = counters
    this.#log = log
    this.#onClosed = onClosed
    socket.on('data', (data) => this.#read(data as Buffer))
    socket.on('error', (error) => this.fail('E_PEER_CLOSED', messageOf(error)))
    // Half closed is closed: no ack can come, and while the peer still reads, 'close' would not come either.
    socket.on('end', () => this.#closedByPeer())
    socket.on('close', () => this.#closedByPeer())
    this.ended = new Promise((resolve) => {
      this.#resolveEnded = resolve
    })
    this.#tickMs = tickLengthMs(options)
    // An idle connection must not keep the process running; one with a flush in flight does.
    socket.unref()
    this.#scheduleCheck()
  }

  /** True when no further frame should be sent on this connection. */
  get needsRecycle(): boolean {
    const { netKeepalive, netKeepaliveMaxRecycle } = this.#options
    if (!netKeepalive) return this.#frames > 0
    return netKeepaliveMaxRecycle > 0 && this.#frames >= netKeepaliveMaxRecycle
  }

  get idle(): boolean {
    return this.#pending.length === 0
  }

  /** Resolves when the peer has the frame. The frame is released when the promise settles. */
  send(id: string, frame: Frame): Promise<void> {
    return new Promise((resolve, reject) => {
      if (!this.open) {
        frame.release()
        reject(this.#error('E_PEER_CLOSED', 'the connection was closed'))
        return
      }
      const pending: Pending = { id, tick: this.#ticks, frame, resolve, reject }
      if (this.#frames === 0) this.#expectAnswer()
      if (this.idle) this.#leaveIdle()
      this.#pending.push(pending)
      this.#frames++
      this.#write(pending)
    })
  }

  /**
   * Writes a frame, or keeps a small one until the turn ends: where many tags have few records each, as when an agent
   * follows the files of many containers, a system call and a packet for each chunk cost more than all else.
   */
  #write(pending: Pending): void {
    const { parts } = pending.frame
    const size = sizeOf(parts)
    if (this.#gatheredBytes + size > GATHERED_BYTES || size > SMALL_FRAME_BYTES) this.#writeGathered()
    if (size > SMALL_FRAME_BYTES) {
      this.#writeParts(parts, [pending])
      return
    }
    if (this.#gathered.length === 0) setImmediate(() => this.#writeGathered())
    this.#gathered.push(pending)
    this.#gatheredBytes += size
  }

  #writeGathered(): void {
    const gathered = this.#gathered
    if (gathered.length === 0 || !this.open) return
    const parts = gathered.flatMap((each) => each.frame.parts)
    this.#gathered = []
    this.#gatheredBytes = 0
    this.#writeParts([Buffer.concat(parts)], gathered)
  }

  /** Writes the parts of some frames. Without acks the frames are settled when the kernel has all of them. */
  #writeParts(parts: Buffer[], of: Pending[]): void {
    const last = parts.length - 1
    for (const [i, part] of parts.entries()) {
      if (i < last || this.#options.requireAckResponse) this.#socket.write(part)
      else this.#socket.write(part, (error) => error == null && this.#settleAll(of))
    }
  }

  /** Closes the connection and rejects all pending frames. */
  fail(code: ErrorCode, why: string, hint?: string): void {
    if (!this.open) return
    this.open = false
    this.#clock.cancel(this.#timer)
    this.#clock.cancel(this.#answerTimer)
    this.#socket.destroy()
    const error = this.#error(code, why, hint)
    // A peer may close an idle connection: nothing has failed then.
    this.#onClosed(this.idle ? undefined : error)
    this.#resolveEnded()
    for (const pending of this.#pending.splice(0)) {
      pending.frame.release()
      pending.reject(error)
    }
  }

  /** Ends the connection if nothing is pending. */
  end(): void {
    if (!this.open || !this.idle) return
    this.open = false
    this.#clock.cancel(this.#timer)
    this.#clock.cancel(this.#answerTimer)
    // Not left half closed: a peer that never closes its side would keep the descriptor open.
    this.#socket.end(() => this.#socket.destroy())
    this.#onClosed(undefined)
    this.#resolveEnded()
  }

  /** Says after a while what a peer may be that takes the first frame and does not answer. */
  #expectAnswer(): void {
    if (!this.#options.requireAckResponse) return
    this.#answerTimer = this.#clock.after(NO_ANSWER_MS, () => {
      if (this.#hasAnswered || !this.open) return
      this.#log.warn(
        `${peerName(this.#options)} has not acknowledged the first chunk for ${NO_ANSWER_MS / 1000} s: it is slow, or it expects TLS or a shared key, which are not supported yet, or it is no forward input`,
        { code: 'E_PEER_TIMEOUT', hint: 'the records are kept and sent again' },
      )
    })
    ;(this.#answerTimer as { unref?: () => void }).unref?.()
  }

  /** A peer that ends before its first answer may speak something else: a TLS server ends without a word. */
  #closedByPeer(): void {
    const wasSilent = this.#options.requireAckResponse && !this.#hasAnswered && !this.idle
    const hint = wasSilent ? SILENT_HINT : undefined
    this.fail('E_PEER_CLOSED', `the peer closed the connection${wasSilent ? ' without an answer' : ''}`, hint)
  }

  #read(data: Buffer): void {
    this.#hasAnswered = true
    this.#clock.cancel(this.#answerTimer)
    let ids: string[]
    try {
      ids = this.#acks.push(data)
    } catch (error) {
      if (error instanceof UnsupportedHandshake)
        this.fail(
          'E_PEER_PROTOCOL',
          `${error.message}, which is not supported yet`,
          'use a port without TLS or shared key',
        )
      else this.fail('E_PEER_PROTOCOL', messageOf(error))
      return
    }
    for (const id of ids) {
      const pending = this.#pending.find((p) => p.id === id)
      // A peer cannot have what is not written yet; its bytes are released with the ack.
      if (pending === undefined || this.#gathered.includes(pending)) {
        if (id === this.#lastAcked && ++this.#repeatedAcks <= MAX_REPEATED_ACKS) continue
        // It may be a late ack of an earlier attempt or belong to another chunk: there is no way to tell.
        this.fail('E_PEER_PROTOCOL', `acknowledgement of chunk "${id.slice(0, 64)}", which is not in flight`)
        return
      }
      this.#lastAcked = id
      this.#repeatedAcks = 0
      this.#counters.add('acks')
      this.#settle(pending)
    }
  }

  #settleAll(written: Pending[]): void {
    for (const pending of written) this.#settle(pending)
  }

  #settle(pending: Pending): void {
    const at = this.#pending.indexOf(pending)
    if (at < 0) return
    this.#pending.splice(at, 1)
    pending.frame.release()
    pending.resolve()
    if (!this.idle) return
    this.#lastUsedTick = this.#ticks
    if (this.needsRecycle) this.end()
    else this.#socket.unref()
  }

  /** Called before the first frame after idleness. */
  #leaveIdle(): void {
    this.#socket.ref()
    this.#progressTick = this.#ticks
    this.#scheduleCheck()
  }

  /**
   * Starts the timer of the limits unless it runs or nothing needs it. It restarts itself, so no timer is started or
   * cancelled per chunk. A timeout never fires early and at most 50 % late, also after the process was
   * suspended.
   */
  #scheduleCheck(): void {
    if (this.#timer !== undefined || !this.open || this.#tickMs === Number.POSITIVE_INFINITY) return
    if (this.idle && this.#options.netKeepaliveIdleTimeout === 0) return
    this.#timer = this.#clock.after(this.#tickMs, () => {
      this.#timer = undefined
      this.#ticks++
      this.#check()
      this.#scheduleCheck()
    })
    ;(this.#timer as { unref?: () => void }).unref?.()
  }

  #check(): void {
    const { ackTimeout, netIoTimeout, netKeepaliveIdleTimeout } = this.#options
    const oldest = this.#pending[0]
    if (oldest === undefined) {
      if (this.#isOver(this.#lastUsedTick, netKeepaliveIdleTimeout)) this.end()
      return
    }
    if (this.#options.requireAckResponse && this.#isOver(oldest.tick, ackTimeout)) {
      this.#counters.add('ack_timeouts')
      this.fail('E_PEER_TIMEOUT', `no acknowledgement within ${ackTimeout} ms`)
      return
    }
    if (this.#madeProgress()) this.#progressTick = this.#ticks
    else if (this.#isOver(this.#progressTick, netIoTimeout))
      this.fail('E_PEER_TIMEOUT', `the peer took no bytes for ${netIoTimeout} ms`)
  }

  /** Returns true when the kernel took bytes. Only complete writes are seen: `writableLength` counts one until all of it is taken. */
  #madeProgress(): boolean {
    const taken = this.#socket.bytesWritten - this.#socket.writableLength
    const progress = taken !== this.#takenBytes || this.#socket.writableLength === 0
    this.#takenBytes = taken
    return progress
  }

  #isOver(sinceTick: number, limitMs: number): boolean {
    return limitMs > 0 && (this.#ticks - sinceTick - 1) * this.#tickMs >= limitMs
  }

  #error(code: ErrorCode, why: string, hint?: string): ShipperError {
    return new ShipperError(code, `${peerName(this.#options)}: ${why}`, {
      retryable: true,
      scope: 'peer',
      ...(hint === undefined ? {} : { hint }),
    })
  }
}

function sizeOf(parts: Buffer[]): number {
  let size = 0
  for (const part of parts) size += part.length
  return size
}

/** Returns a quarter of the shortest limit; Infinity when there is none. */
function tickLengthMs(options: ForwardOutputOptions): number {
  const { netKeepaliveIdleTimeout, netIoTimeout, requireAckResponse, ackTimeout } = options
  const limits = [netKeepaliveIdleTimeout, netIoTimeout, requireAckResponse ? ackTimeout : 0]
  return Math.max(1, Math.min(...limits.map((ms) => (ms > 0 ? ms / 4 : Number.POSITIVE_INFINITY))))
}
