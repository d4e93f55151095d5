import type { Socket } from 'node:net'
import { ShipperError } from '../../core/error.ts'
import type { Clock, TimerHandle } from '../../core/services.ts'
import type { Unacknowledged } from './unacknowledged.ts'

/** Most bytes that are given to a socket at once. */
const MAX_WRITE_BYTES = 4_194_304
/** Waits between two questions to the kernel whether the peer has the bytes: about the time of a round trip. */
const FIRST_POLL_MS = 1
const LAST_POLL_MS = 50
/** Longest time for which a peer that has ended its side may take nothing: such a peer may have stopped reading for good. */
const ENDED_TIMEOUT_MS = 1000

interface StreamConnectionOptions {
  readonly socket: Socket
  /** Name of the peer in messages. */
  readonly name: string
  /** Longest time for which the peer may take nothing, in milliseconds; 0: no limit. */
  readonly ioTimeoutMs: number
  readonly clock: Clock
  readonly unacknowledged: Unacknowledged
  /** Returns the error of a chunk that was cut off: the first one, or a later. `cause`: undefined when the peer has ended the connection. */
  closedError(cause: Error | undefined, isFirst: boolean): ShipperError
  /**
   * Called when the peer has ended its side, and this side has not. Such a peer may only say that it sends nothing, and read on; one that
   * has closed the connection answers the next bytes, or closes with bytes unread, by a reset.
   */
  onEnd(connection: StreamConnection): void
  /** Called once, when the connection is closed. */
  onClose(connection: StreamConnection): void
}

/**
 * A connection to a peer that acknowledges nothing. Its kernel does, on the way: bytes count as sent when that has them, which is
 * later than this kernel has taken them and sooner than the peer reads them.
 *
 * ```
 *   send -> socket.write -> taken by this kernel -> acknowledged by that of the peer: resolve
 *                  |                   |
 *                  +-------------------+-> reset, ended by the peer, aborted or timed out: reject
 * ```
 */
export class StreamConnection {
  /** Number of chunks and bytes that the kernel of the peer has. */
  sent = 0
  sentBytes = 0
  /** Error that ended the connection: the runtime reports an alert of TLS only as an event. */
  failure: Error | undefined
  /** True while bytes are on their way. */
  isSending = false
  /** True when the peer has ended its side. */
  isEnded = false
  readonly connectedMs: number
  readonly #options: StreamConnectionOptions
  readonly #socket: Socket

  constructor(options: StreamConnectionOptions) {
    const { socket, clock, onClose, onEnd } = options
    this.#options = options
    this.#socket = socket
    this.connectedMs = clock.nowMs()
    socket.on('error', (error) => {
      this.failure ??= error
    })
    socket.once('end', () => {
      this.isEnded = true
      if (socket.writableEnded) socket.destroy()
      else onEnd(this)
    })
    socket.once('close', () => onClose(this))
    // Bytes from the peer are discarded. Unread, they would hide its end and turn ours into a reset.
    socket.resume()
  }

  get isClosed(): boolean {
    return this.#socket.destroyed
  }

  /** True when nothing more is to be sent on it. */
  get isOver(): boolean {
    return this.isClosed || this.isEnded
  }

  destroy(): void {
    this.#socket.destroy()
  }

  /** Resolves when the kernel of the peer has `bytes`, or when this one has them where more cannot be known. */
  async send(bytes: Buffer): Promise<void> {
    this.isSending = true
    try {
      // The runtime copies what a socket does not take at once.
      for (let at = 0; at === 0 || at < bytes.length; at += MAX_WRITE_BYTES)
        await this.#write(bytes.subarray(at, at + MAX_WRITE_BYTES))
      this.sent++
      this.sentBytes += bytes.length
    } finally {
      this.isSending = false
    }
  }

  #write(bytes: Buffer): Promise<void> {
    const socket = this.#socket
    const { clock, name, closedError, ioTimeoutMs: limitMs, unacknowledged } = this.#options
    return new Promise((resolve, reject) => {
      let watching: TimerHandle | undefined
      let polling: TimerHandle | undefined
      let timeout: ShipperError | undefined
      let pollMs = FIRST_POLL_MS
      let left = -1
      const settle = (): void => {
        clock.cancel(watching)
        clock.cancel(polling)
        socket.off('close', fail)
        socket.off('end', ended)
      }
      const fail = (): void => {
        settle()
        reject(timeout ?? closedError(this.failure, this.sent === 0))
      }
      const ask = (): void => {
        if ((unacknowledged(socket) ?? 0) === 0 && !socket.destroyed) {
          settle()
          resolve()
          return
        }
        polling = clock.after(pollMs, ask)
        pollMs = Math.min(pollMs * 2, LAST_POLL_MS)
      }
      const ended = (): void => {
        // Read to its end: the last bytes are acknowledged with that.
        if (polling !== undefined && unacknowledged(socket) === 0) {
          settle()
          resolve()
          return
        }
        this.isEnded = true
        left = -1
        watch()
      }
      const watch = (): void => {
        clock.cancel(watching)
        const now = socket.writableLength + (unacknowledged(socket) ?? 0)
        if (now === left) {
          timeout = this.isEnded ? closedError(undefined, this.sent === 0) : timeoutError(name, limitMs)
          socket.destroy()
          return
        }
        left = now
        const ms = this.isEnded ? Math.min(limitMs || ENDED_TIMEOUT_MS, ENDED_TIMEOUT_MS) : limitMs
        watching = clock.after(ms, watch)
      }
      // Before the listener that destroys the socket.
      socket.prependOnceListener('end', ended)
      socket.once('close', fail)
      socket.write(bytes, (failure) => {
        // After an error 'close' follows.
        if (failure == null) ask()
      })
      if (limitMs > 0 || this.isEnded) watch()
    })
  }

  /** Resolves when the connection is not closed for another `ms`; rejects when it is, by whomever and however. */
  outlive(ms: number): Promise<void> {
    const { clock, closedError } = this.#options
    return new Promise((resolve, reject) => {
      const closed = (): void => {
        clock.cancel(timer)
        reject(closedError(this.failure, true))
      }
      const timer = clock.after(ms, () => {
        this.#socket.off('close', closed)
        resolve()
      })
      if (this.isClosed) closed()
      else this.#socket.once('close', closed)
    })
  }

  /**
   * Ends this side, and reads what the peer still says until it ends its own, for at most `lingerMs`: closed with bytes of the peer
   * unread, the system would reset the connection, and the peer could lose what it has not read. Resolves when it is closed.
   */
  end(lingerMs: number): Promise<void> {
    const { clock } = this.#options
    const socket = this.#socket
    return new Promise((resolve) => {
      if (this.isClosed) {
        resolve()
        return
      }
      const timer = clock.after(lingerMs, () => socket.destroy())
      socket.once('close', () => {
        clock.cancel(timer)
        resolve()
      })
      socket.end()
    })
  }
}

function timeoutError(name: string, limitMs: number): ShipperError {
  return new ShipperError('E_PEER_TIMEOUT', `${name}: it took nothing for ${limitMs} ms (net.io_timeout)`, {
    retryable: true,
    scope: 'peer',
  })
}
