import type { Socket } from 'node:net'
import { type ErrorCode, messageOf, ShipperError } from '../../../../core/error.ts'
import type { Clock, Counters, TimerHandle } from '../../../../core/services.ts'
import {
  frameProduce,
  joinSmallParts,
  type PartitionResponse,
  type ProduceBatch,
  readProduce,
} from '../../../../protocol/kafka/produce.ts'
import { type Api, encodeRequest, PRODUCE } from '../../../../protocol/kafka/requests.ts'
import type { KafkaSettings } from '../settings.ts'
import { ResponseBuffer } from './response-buffer.ts'

interface PendingRequest {
  correlationId: number
  /** Value of `#ticks` when the request was sent. */
  tick: number
  resolve: (body: Buffer) => void
  reject: (error: ShipperError) => void
}

/** Maximum size of a response; the largest is the metadata of a topic with MAX_PARTITIONS. */
const MAX_RESPONSE_BYTES = 8_000_000
/** Bounds of the time after which a session ends that the broker asks for: none is renewed all the time, or overflows a timer. */
const MIN_SESSION_MS = 1000
const MAX_SESSION_MS = 24 * 3_600_000
/** Stands for the response to a Produce request without acks: the broker sends none. */
const EMPTY = Buffer.alloc(0)

interface BrokerConnectionInit {
  socket: Socket
  /** `host:port`, for messages. */
  peer: string
  settings: KafkaSettings
  clock: Clock
  counters: Counters
}

/**
 * One connection to a broker, which responds to requests in order.
 *
 * ```
 *   produce, request --> [ socket ] --> broker
 *   pending: r2 r3 r4  <-- response 2         any failure or timeout: destroy, reject all pending requests
 * ```
 * After a failure it is unknown which of the pending requests the broker has executed. A timeout has to close the
 * connection to keep the order: a request that is sent again on the same connection cannot overtake the first one, but on
 * another connection it could.
 */
export class BrokerConnection {
  open = true
  /** Called once, when the connection is no longer open. */
  onClose: () => void = () => {}
  readonly peer: string
  readonly #socket: Socket
  readonly #settings: KafkaSettings
  readonly #clock: Clock
  readonly #counters: Counters
  readonly #pending: PendingRequest[] = []
  readonly #received = new ResponseBuffer()
  #correlationId = 0
  #timer: TimerHandle | undefined
  #ticks = 0
  readonly #tickMs: number
  #recycleTimer: TimerHandle | undefined
  /** True when the connection takes no further request, as its SASL session or its time limit is about to end. */
  needsRecycle = false

  constructor({ socket, peer, settings, clock, counters }: BrokerConnectionInit) {
    this.#socket = socket
    this.peer = peer
    this.#settings = settings
    this.#clock = clock
    this.#counters = counters
    this.#tickMs = Math.max(1, settings.requestTimeoutMs / 4)
    socket.on('data', (data) => this.#read(data as Buffer))
    socket.on('error', (error) => this.#closedByPeer(messageOf(error)))
    // Half closed is closed: no response can arrive.
    socket.on('end', () => this.#closedByPeer('the broker closed the connection'))
    socket.on('close', () => this.#closedByPeer('the broker closed the connection'))
    // An idle connection must not keep the process alive; one with a request in flight does.
    socket.unref()
  }

  get inFlight(): number {
    return this.#pending.length
  }

  /** Resolves with the body of the response. Rejects, always retryable, when the connection closes before. */
  request(api: Api, body: Buffer): Promise<Buffer> {
    const correlationId = this.#nextCorrelationId()
    return this.#send([encodeRequest(api, correlationId, this.#settings.clientId, body)], correlationId, true)
  }

  /**
   * Sends a Produce request and resolves with the response for each partition. Without acks there are none, and it
   * resolves when the operating system has taken the bytes.
   */
  async produce(batches: readonly ProduceBatch[]): Promise<PartitionResponse[]> {
    const correlationId = this.#nextCorrelationId()
    const { clientId, acks, requestTimeoutMs } = this.#settings
    // The broker times out first: its error code tells more than a missing response.
    const timeoutMs = Math.ceil(requestTimeoutMs * 0.7)
    const framed = frameProduce(batches, { correlationId, clientId, acks, timeoutMs })
    const parts = framed.length === 1 ? framed : joinSmallParts(framed)
    const body = await this.#send(parts, correlationId, acks !== 0)
    if (acks === 0) return []
    try {
      return readProduce(body).responses
    } catch (error) {
      throw this.fail('E_PEER_PROTOCOL', `invalid ${PRODUCE.name} response: ${messageOf(error)}`)
    }
  }

  /** Closes the connection, rejects all pending requests with an error, and returns it. */
  fail(code: ErrorCode, reason: string): ShipperError {
    const error = new ShipperError(code, `${this.peer}: ${reason}`, { retryable: true, scope: 'peer' })
    if (!this.open) return error
    this.#markClosed()
    this.#socket.destroy()
    for (const pending of this.#pending.splice(0)) pending.reject(error)
    this.onClose()
    return error
  }

  /** Closes the connection when no request is pending, otherwise after the last response. */
  end(): void {
    this.needsRecycle = true
    if (!this.open || this.inFlight > 0) return
    this.#markClosed()
    this.#socket.end(() => this.#socket.destroy())
    this.onClose()
  }

  /** Ends the connection after `ms`, but between a second and a day, as `end` does; later calls have no effect. */
  recycleAfter(ms: number): void {
    if (this.#recycleTimer !== undefined) return
    const boundedMs = Math.min(MAX_SESSION_MS, Math.max(MIN_SESSION_MS, ms))
    this.#recycleTimer = this.#clock.after(boundedMs, () => this.end())
    ;(this.#recycleTimer as { unref?: () => void }).unref?.()
  }

  #markClosed(): void {
    this.open = false
    this.#clock.cancel(this.#timer)
    this.#clock.cancel(this.#recycleTimer)
  }

  #nextCorrelationId(): number {
    this.#correlationId = (this.#correlationId + 1) % 0x7fffffff
    return this.#correlationId
  }

  #send(parts: Buffer[], correlationId: number, answered: boolean): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      if (!this.open) {
        const message = `${this.peer}: the connection was closed`
        reject(new ShipperError('E_PEER_CLOSED', message, { retryable: true, scope: 'peer' }))
        return
      }
      const pending: PendingRequest = { correlationId, tick: this.#ticks, resolve, reject }
      if (this.inFlight === 0) this.#socket.ref()
      this.#pending.push(pending)
      this.#startTimer()
      const last = parts.length - 1
      for (const [i, part] of parts.entries()) {
        if (i < last || answered) this.#socket.write(part)
        else this.#socket.write(part, (error) => error == null && this.#settle(pending, EMPTY))
      }
    })
  }

  #read(data: Buffer): void {
    this.#received.push(data)
    while (this.open) {
      const size = this.#received.size
      if (size === undefined) return
      if (size < 4 || size > MAX_RESPONSE_BYTES) {
        this.fail('E_PEER_PROTOCOL', `response of ${size} bytes: not a Kafka broker, or it requires TLS`)
        return
      }
      const response = this.#received.take(size)
      if (response === undefined) return
      this.#readResponse(response.readInt32BE(0), response.subarray(4))
    }
  }

  #readResponse(correlationId: number, body: Buffer): void {
    const pending = this.#pending[0]
    if (pending?.correlationId === correlationId) this.#settle(pending, body)
    else this.fail('E_PEER_PROTOCOL', `response with unexpected correlation id ${correlationId}`)
  }

  #settle(pending: PendingRequest, body: Buffer): void {
    const at = this.#pending.indexOf(pending)
    if (at < 0) return
    this.#pending.splice(at, 1)
    pending.resolve(body)
    if (this.inFlight > 0) return
    this.#socket.unref()
    if (this.needsRecycle) this.end()
  }

  /** Starts the one timer, which restarts itself while requests are pending: no timer is set or cancelled per request. */
  #startTimer(): void {
    if (this.#timer !== undefined || !this.open || this.inFlight === 0) return
    this.#timer = this.#clock.after(this.#tickMs, () => {
      this.#timer = undefined
      this.#ticks++
      this.#checkTimeout()
      this.#startTimer()
    })
    ;(this.#timer as { unref?: () => void }).unref?.()
  }

  #checkTimeout(): void {
    const oldest = this.#pending[0]
    if (
      oldest === undefined ||
      (this.#ticks - oldest.tick - 1) * this.#tickMs < this.#settings.requestTimeoutMs
    )
      return
    this.#counters.add('request_timeouts')
    this.fail('E_PEER_TIMEOUT', `no response in ${this.#settings.requestTimeoutMs} ms`)
  }

  #closedByPeer(reason: string): void {
    this.fail('E_PEER_CLOSED', reason)
  }
}
