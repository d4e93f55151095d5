import { LongTimer } from '../async/timer.ts'
import { HttpError, httpError } from './http-error.ts'
import type { HttpProxy } from './proxy.ts'
import { ResponseBody } from './response-body.ts'
import { refusal } from './tunnel.ts'
import type { Controller, Handler, Headers } from './undici.ts'

/** Maximum number of interim responses (1xx) before the response. */
const MAX_INTERIM = 8
/** Number of pieces of a body from which on they must have a mean size: each costs CPU, whatever it has. */
const MAX_SMALL_PIECES = 200_000
const MIN_MEAN_BYTES = 16

export interface ExchangeLimits {
  /**
   * Maximum time, once there is a connection, without progress of the request's body and without the status line and headers
   * of the response.
   */
  headTimeoutMs: number
  /** Maximum time without data while the body of the response is read. */
  bodyTimeoutMs: number
  /**
   * Maximum time from the head of the response to its end: the idle limit alone does not end a response that arrives byte by byte. Default:
   * no limit.
   */
  answerTimeoutMs?: number | undefined
  /** Maximum time from the call to the end of the response: the idle limit alone does not end a response that arrives byte by byte. */
  totalTimeoutMs?: number | undefined
  /** Maximum size of the body of the response in bytes; no limit by default. */
  maxBodyBytes?: number | undefined
}

export interface HttpResponse {
  status: number
  /** Returns the value of a header, whose name is given in lower case; of several, the first. */
  header(name: string): string | undefined
  /** Chunks of the body as they arrive; throws an HttpError when it is cut off, too slow or aborted. Must be read or discarded. */
  body: AsyncIterable<Buffer>
  /** Ends the request without reading the body; the connection is closed unless the whole response has arrived. */
  discard(): void
}

interface ExchangeContext {
  /** The request and its server, for errors. */
  where: string
  signal: AbortSignal
  hasBody: boolean
  /** Proxy that passes the request on. */
  proxy: HttpProxy | undefined
  /** Called for the head, each part of the body and the end of the response. */
  onFound: () => void
  /** Called once, when the exchange is over. */
  onEnd: () => void
}

/** One request and its response, as undici reports them, with the limits of this client. */
export class Exchange implements Handler {
  readonly response: Promise<HttpResponse>
  readonly #limits: ExchangeLimits
  readonly #where: string
  readonly #proxy: HttpProxy | undefined
  readonly #signal: AbortSignal
  readonly #hasBody: boolean
  readonly #onFound: () => void
  readonly #onEnd: () => void
  #resolve: (response: HttpResponse) => void = () => {}
  #reject: (error: Error) => void = () => {}
  #controller: Controller | undefined
  #cancelQueued: ((reason: Error) => void) | undefined
  #body: ResponseBody | undefined
  /** Head of the response, then silence of its body. */
  #timer: ReturnType<typeof setTimeout> | undefined
  #total: LongTimer | undefined
  #answer: LongTimer | undefined
  #isEnded = false
  #wasSent = false
  #isComplete = false
  #interim = 0
  #bodyBytes = 0
  #pieces = 0
  #isRestarted = false

  constructor(limits: ExchangeLimits, { where, signal, hasBody, proxy, onFound, onEnd }: ExchangeContext) {
    this.#limits = limits
    this.#where = where
    this.#proxy = proxy
    this.#signal = signal
    this.#hasBody = hasBody
    this.#onFound = onFound
    this.#onEnd = onEnd
    this.response = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    signal.addEventListener('abort', this.#onAbort, { once: true })
    const { totalTimeoutMs } = limits
    if (totalTimeoutMs !== undefined)
      this.#total = new LongTimer(
        () => this.#timeOut(`no complete response within ${totalTimeoutMs} ms`),
        totalTimeoutMs,
      )
  }

  get isEnded(): boolean {
    return this.#isEnded
  }

  /** Ends the exchange at once, wherever it is. */
  end(cause: unknown): void {
    if (this.#isEnded) return
    const error = this.#errorOf(cause)
    this.#settle()
    this.#reject(error)
    this.#body?.fail(error)
    if (this.#controller !== undefined) this.#controller.abort(error)
    else this.#cancelQueued?.(error)
  }

  /** Keeps the function that removes the request from the queue. */
  readonly onQueued = (cancel: (reason: Error) => void): void => {
    this.#cancelQueued = cancel
  }

  onRequestStart(controller: Controller): void {
    this.#controller = controller
    if (this.#isEnded) {
      controller.abort(new Error('stopped'))
      return
    }
    if (!this.#hasBody) this.#wasSent = true
    const { headTimeoutMs } = this.#limits
    this.#timer = setTimeout(() => this.#timeOut(`no response within ${headTimeoutMs} ms`), headTimeoutMs)
  }

  onBodySent(): void {
    this.#wasSent = true
    if (this.#body === undefined) this.#timer?.refresh()
  }

  onRequestSent(): void {
    this.#wasSent = true
    this.#isComplete = true
  }

  onResponseStart(controller: Controller, status: number, headers: Headers): void {
    this.#onFound()
    if (this.#isEnded) return
    if (status < 200) {
      if (++this.#interim > MAX_INTERIM)
        this.end(this.#protocolError(`more than ${MAX_INTERIM} interim responses`))
      return
    }
    if (status === 407 && this.#proxy !== undefined) {
      this.end(refusal(status, this.#proxy, `${this.#where} through the proxy ${this.#proxy.name}`))
      return
    }
    if (status < 300 && !this.#isComplete) {
      this.end(
        this.#protocolError(`the server answered with status ${status} before it had the whole request`),
      )
      return
    }
    clearTimeout(this.#timer)
    const { bodyTimeoutMs, answerTimeoutMs } = this.#limits
    if (answerTimeoutMs !== undefined)
      this.#answer = new LongTimer(
        () => this.#timeOut(`the response has not ended within ${answerTimeoutMs} ms`),
        answerTimeoutMs,
      )
    this.#timer = setTimeout(() => this.#onSilence(), bodyTimeoutMs)
    const body = new ResponseBody({
      pause: () => controller.pause(),
      resume: () => {
        this.#timer?.refresh()
        controller.resume()
      },
      abandon: () => this.end(this.#closedError('the response was not read to its end')),
    })
    this.#body = body
    this.#resolve({
      status,
      header: (name) => {
        const value = headers[name]
        return Array.isArray(value) ? value[0] : value
      },
      body,
      discard: () => body.discard(),
    })
  }

  onResponseData(_: Controller, piece: Buffer): void {
    this.#onFound()
    if (this.#isEnded) return
    this.#restartSilence()
    this.#bodyBytes += piece.length
    const { maxBodyBytes = Number.POSITIVE_INFINITY } = this.#limits
    if (this.#bodyBytes > maxBodyBytes)
      this.end(this.#protocolError(`the response is larger than ${maxBodyBytes} bytes`))
    else if (++this.#pieces > MAX_SMALL_PIECES && this.#bodyBytes < this.#pieces * MIN_MEAN_BYTES)
      this.end(
        this.#protocolError(`the response comes in more than ${MAX_SMALL_PIECES} pieces of a few bytes`),
      )
    else this.#body?.push(piece)
  }

  /** Begins the time of silence anew: once in a turn, as there may be thousands of small pieces in one. */
  #restartSilence(): void {
    if (this.#isRestarted) return
    this.#isRestarted = true
    this.#timer?.refresh()
    queueMicrotask(() => {
      this.#isRestarted = false
    })
  }

  onResponseEnd(): void {
    this.#onFound()
    if (this.#isEnded) return
    this.#settle()
    // After undici has made the connection free again, so that who reads to the end and sends the next request uses it.
    queueMicrotask(() => setImmediate(() => this.#body?.end()))
  }

  onResponseError(_: Controller | null, cause: Error): void {
    this.end(cause)
  }

  readonly #onAbort = (): void => this.end(this.#closedError('stopped'))

  #onSilence(): void {
    // A body that waits for its reader is not idle.
    if (this.#body?.isPaused === true) return
    this.#timeOut(`no data for ${this.#limits.bodyTimeoutMs} ms`)
  }

  #timeOut(reason: string): void {
    this.end(new HttpError('E_PEER_TIMEOUT', reason, this.#where, this.#wasSent))
  }

  #protocolError(reason: string): HttpError {
    return new HttpError('E_PEER_PROTOCOL', reason, this.#where, this.#wasSent)
  }

  #closedError(reason: string): HttpError {
    return new HttpError('E_PEER_CLOSED', reason, this.#where, this.#wasSent)
  }

  #errorOf(cause: unknown): HttpError {
    return httpError(cause, this.#where, { wasSent: this.#wasSent, hasHead: this.#body !== undefined })
  }

  #settle(): void {
    this.#isEnded = true
    clearTimeout(this.#timer)
    this.#total?.cancel()
    this.#answer?.cancel()
    this.#signal.removeEventListener('abort', this.#onAbort)
    this.#onEnd()
  }
}
