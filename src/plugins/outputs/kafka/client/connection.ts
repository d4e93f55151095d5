import type { Socket } from 'node:net'
import { type ErrorCode, messageOf, ShipperError } from '../../../../core/error.ts'
import type { Clock, Counters, TimerHandle } from '../../../../core/services.ts'
import {
  frameProduce,
  type Piece,
  type ProduceAnswer,
  readProduce,
} from '../../../../protocol/kafka/produce.ts'
import { type Api, encodeRequest, PRODUCE } from '../../../../protocol/kafka/requests.ts'
import type { Settings } from '../settings.ts'

interface Pending {
  correlation: number
  /** Of `#ticks` when it was sent. */
  tick: number
  resolve: (body: Buffer) => void
  reject: (error: ShipperError) => void
}

/** A broker's longest answer that we ask for is metadata of some topics. */
const MAX_RESPONSE_BYTES = 16_000_000
/** The answer that a broker without acks does not give. */
const NO_ANSWER = Buffer.alloc(0)

interface ConnectionParts {
  socket: Socket
  /** `host:port`, for messages. */
  peer: string
  settings: Settings
  clock: Clock
  counters: Counters
}

/**
 * One connection to a broker, which answers requests in their order.
 *
 * ```
 *   produce, request --> [ socket ] --> broker
 *   pending: r2 r3 r4  <-- answer 2         any failure, a late answer too: destroy, reject all of pending
 * ```
 * After a failure nothing of `pending` can be known to have been done. That a late answer ends the connection is what
 * keeps the order: a request sent again on the same one would overtake none, but on another one it might.
 */
export class BrokerConnection {
  open = true
  /** Called once, when it is no longer open. */
  closed: () => void = () => {}
  readonly peer: string
  readonly #socket: Socket
  readonly #s: Settings
  readonly #clock: Clock
  readonly #counters: Counters
  readonly #pending: Pending[] = []
  #received: Buffer = NO_ANSWER
  #correlation = 0
  #timer: TimerHandle | undefined
  #ticks = 0
  readonly #tickMs: number
  #wornTimer: TimerHandle | undefined
  /** The broker will soon want another authentication: take no further request. */
  needsRecycle = false

  constructor({ socket, peer, settings, clock, counters }: ConnectionParts) {
    this.#socket = socket
    this.peer = peer
    this.#s = settings
    this.#clock = clock
    this.#counters = counters
    this.#tickMs = Math.max(1, settings.requestTimeoutMs / 4)
    socket.on('data', (data) => this.#read(data as Buffer))
    socket.on('error', (error) => this.#broken(messageOf(error)))
    // Half closed is closed: no answer can come.
    socket.on('end', () => this.#broken('the broker closed the connection'))
    socket.on('close', () => this.#broken('the broker closed the connection'))
    // A connection that waits for work must not keep the process alive; one with a request in flight does.
    socket.unref()
  }

  get inFlight(): number {
    return this.#pending.length
  }

  /** The body of the answer. Rejects, always retryable, when the connection ends before. */
  request(api: Api, body: Buffer): Promise<Buffer> {
    const correlation = this.#next()
    return this.#send([encodeRequest(api, correlation, this.#s.clientId, body)], correlation, true)
  }

  /** The answers for each piece; empty without acks, when the kernel has taken the bytes. */
  async produce(pieces: readonly Piece[]): Promise<ProduceAnswer[]> {
    const correlation = this.#next()
    const { clientId, acks, requestTimeoutMs } = this.#s
    // The broker gives up first: its word is worth more than our silence.
    const timeoutMs = Math.ceil(requestTimeoutMs * 0.7)
    const parts = frameProduce(pieces, { correlation, clientId, acks, timeoutMs })
    const body = await this.#send(parts, correlation, acks !== 0)
    if (acks === 0) return []
    try {
      return readProduce(body).answers
    } catch (error) {
      throw this.fail('E_PEER_PROTOCOL', `its answer to ${PRODUCE.name} cannot be read: ${messageOf(error)}`)
    }
  }

  /** Closes it; what is pending is rejected with the error, which is returned. */
  fail(code: ErrorCode, why: string): ShipperError {
    const error = new ShipperError(code, `${this.peer}: ${why}`, { retryable: true, scope: 'peer' })
    if (!this.open) return error
    this.#end()
    this.#socket.destroy()
    for (const pending of this.#pending.splice(0)) pending.reject(error)
    this.closed()
    return error
  }

  /** Ends it when nothing is pending, else with the last answer. */
  end(): void {
    this.needsRecycle = true
    if (!this.open || this.inFlight > 0) return
    this.#end()
    this.#socket.end(() => this.#socket.destroy())
    this.closed()
  }

  /** Takes no further request after `ms`; the first call counts. */
  recycleAfter(ms: number): void {
    if (this.#wornTimer !== undefined) return
    this.#wornTimer = this.#clock.after(ms, () => this.end())
    ;(this.#wornTimer as { unref?: () => void }).unref?.()
  }

  #end(): void {
    this.open = false
    this.#clock.cancel(this.#timer)
    this.#clock.cancel(this.#wornTimer)
  }

  #next(): number {
    this.#correlation = (this.#correlation + 1) % 0x7fffffff
    return this.#correlation
  }

  #send(parts: Buffer[], correlation: number, answered: boolean): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      if (!this.open) {
        const why = `${this.peer}: the connection was closed`
        reject(new ShipperError('E_PEER_CLOSED', why, { retryable: true, scope: 'peer' }))
        return
      }
      const pending: Pending = { correlation, tick: this.#ticks, resolve, reject }
      if (this.inFlight === 0) this.#socket.ref()
      this.#pending.push(pending)
      this.#watch()
      const last = parts.length - 1
      for (const [i, part] of parts.entries()) {
        if (i < last || answered) this.#socket.write(part)
        else this.#socket.write(part, (error) => error == null && this.#settle(pending, NO_ANSWER))
      }
    })
  }

  #read(data: Buffer): void {
    let bytes = this.#received.length === 0 ? data : Buffer.concat([this.#received, data])
    while (bytes.length >= 8 && this.open) {
      const size = bytes.readInt32BE(0)
      if (size < 4 || size > MAX_RESPONSE_BYTES) {
        this.fail('E_PEER_PROTOCOL', `an answer of ${size} bytes: it does not speak Kafka, or wants TLS`)
        return
      }
      if (bytes.length < size + 4) break
      this.#answered(bytes.readInt32BE(4), bytes.subarray(8, size + 4))
      bytes = bytes.subarray(size + 4)
    }
    // A copy: the view would keep the runtime's receive buffer.
    this.#received = bytes.length === 0 ? NO_ANSWER : Buffer.from(bytes)
  }

  #answered(correlation: number, body: Buffer): void {
    const pending = this.#pending[0]
    if (pending?.correlation === correlation) this.#settle(pending, body)
    else this.fail('E_PEER_PROTOCOL', `an answer to request ${correlation}, which is not the next`)
  }

  #settle(pending: Pending, body: Buffer): void {
    const at = this.#pending.indexOf(pending)
    if (at < 0) return
    this.#pending.splice(at, 1)
    pending.resolve(body)
    if (this.inFlight > 0) return
    this.#socket.unref()
    if (this.needsRecycle) this.end()
  }

  /** One timer, armed again by itself while something is pending: nothing is armed or cancelled per request. */
  #watch(): void {
    if (this.#timer !== undefined || !this.open || this.inFlight === 0) return
    this.#timer = this.#clock.after(this.#tickMs, () => {
      this.#timer = undefined
      this.#ticks++
      this.#check()
      this.#watch()
    })
    ;(this.#timer as { unref?: () => void }).unref?.()
  }

  #check(): void {
    const oldest = this.#pending[0]
    if (oldest === undefined || (this.#ticks - oldest.tick - 1) * this.#tickMs < this.#s.requestTimeoutMs)
      return
    this.#counters.add('request_timeouts')
    this.fail('E_PEER_TIMEOUT', `no answer in ${this.#s.requestTimeoutMs} ms`)
  }

  #broken(why: string): void {
    this.fail('E_PEER_CLOSED', why)
  }
}
