import type { Socket } from 'node:net'
import { BodyParts } from './body-parts.ts'
import type { Answer } from './endpoints.ts'
import { type BadRequest, type HttpRequest, readRequest } from './request.ts'

export interface ConnectionLimits {
  /** Time for a request to arrive completely, from its first byte or from the connection. */
  headersMs: number
  /** Time that a connection may be idle between two requests. */
  keepAliveMs: number
  /** Time for a client to take an answer. */
  sendMs: number
  /** Maximum size of a request. */
  headerBytes: number
}

/**
 * One client. Requests are read one at a time: while an answer waits for the client, nothing is read from the socket, so
 * a client that sends without reading holds one answer, whatever it has sent.
 *
 * ```
 *   reading --request--> asking --answer--> sending --taken--> reading (or closed)
 *      |                                       |
 *      +--too slow, too long, not HTTP---------+--too slow--> closed
 * ```
 */
export class Connection {
  state: 'reading' | 'asking' | 'sending' | 'closed' = 'reading'
  /** Time at which the state began, by `performance.now`. */
  sinceMs = performance.now()
  readonly openedMs = this.sinceMs
  /** Bytes of the answer that the client has not taken. */
  pendingBytes = 0
  readonly #socket: Socket
  readonly #limits: ConnectionLimits
  readonly #ask: (request: HttpRequest, connection: Connection) => void
  readonly #inTurn: (work: () => void) => void
  #received: Buffer = Buffer.alloc(0)
  #hasEnded = false
  #timer: NodeJS.Timeout | undefined

  constructor(
    socket: Socket,
    limits: ConnectionLimits,
    ask: (request: HttpRequest, connection: Connection) => void,
    inTurn: (work: () => void) => void,
    closed: () => void,
  ) {
    this.#socket = socket
    this.#limits = limits
    this.#ask = ask
    this.#inTurn = inTurn
    socket.on('data', (bytes: Buffer) => this.#read(bytes))
    socket.on('end', () => {
      this.#hasEnded = true
      if (this.state === 'reading') this.close()
    })
    // A client that goes away has no answer to lose.
    socket.on('error', () => this.close())
    socket.once('close', () => {
      this.close()
      closed()
    })
    this.#enter('reading', limits.headersMs)
  }

  /** Sends the answer and then reads the next request, if there is one. */
  answer(answer: Answer, request: Pick<HttpRequest, 'method' | 'keepAlive' | 'takesChunks'>): void {
    if (this.state === 'closed') return
    const parts = new BodyParts(answer.body)
    const first = parts.next()
    const isChunked = !parts.isDone && request.takesChunks
    // For a client of HTTP/1.0, the end of the connection is that of the body.
    const isLast = !request.keepAlive || this.#hasEnded || (!parts.isDone && !isChunked)
    const head = headOf(answer, parts.isDone ? first.length : undefined, isChunked, isLast)
    this.#enter('sending', this.#limits.sendMs)
    if (request.method === 'HEAD') this.#send([Buffer.from(head)], () => this.#sent(isLast))
    else
      this.#sendPart(parts, isChunked, isLast, [Buffer.from(head), ...framed(first, isChunked, parts.isDone)])
  }

  /** Sends `bytes`, and the rest of the body when the client has taken them, part by part. */
  #sendPart(parts: BodyParts, isChunked: boolean, isLast: boolean, bytes: Buffer[]): void {
    this.#send(bytes, () => {
      if (parts.isDone) this.#sent(isLast)
      else
        this.#inTurn(() => {
          if (this.state !== 'sending') return
          try {
            const part = parts.next()
            this.#sendPart(parts, isChunked, isLast, framed(part, isChunked, parts.isDone))
          } catch (error) {
            // The client notices that the body has no end.
            this.close()
            throw error
          }
        })
    })
  }

  #send(bytes: Buffer[], taken: () => void): void {
    const all = Buffer.concat(bytes)
    this.pendingBytes = all.length
    this.#socket.write(all, () => {
      this.pendingBytes = 0
      if (this.state === 'sending') taken()
    })
  }

  #sent(isLast: boolean): void {
    if (isLast) this.#end()
    else this.#next()
  }

  close(): void {
    if (this.state === 'closed') return
    this.state = 'closed'
    clearTimeout(this.#timer)
    this.pendingBytes = 0
    this.#received = Buffer.alloc(0)
    this.#socket.destroy()
  }

  #read(bytes: Buffer): void {
    if (this.state === 'closed') return
    // More arrives only as far as the kernel had it before the pause.
    if (this.#received.length > MAX_RECEIVED_BYTES) {
      this.close()
      return
    }
    this.#received = this.#received.length === 0 ? bytes : Buffer.concat([this.#received, bytes])
    if (this.state === 'reading') this.#parse()
  }

  #parse(): void {
    const request = readRequest(this.#received, this.#limits.headerBytes)
    if (request === undefined) return
    // Nothing is read until the answer was taken.
    this.#socket.pause()
    if (isBad(request)) {
      const answer = {
        status: request.status,
        type: 'application/json',
        body: JSON.stringify({ error: request.error }),
      }
      this.answer(answer, { method: 'GET', keepAlive: false, takesChunks: false })
      return
    }
    this.#received = this.#received.subarray(request.end)
    this.#enter('asking', this.#limits.sendMs)
    this.#ask(request, this)
  }

  #next(): void {
    this.#enter('reading', this.#received.length > 0 ? this.#limits.headersMs : this.#limits.keepAliveMs)
    if (this.#received.length > 0) this.#parse()
    if (this.state === 'reading') this.#socket.resume()
  }

  /** Closes after the client has read the answer: closing with unread bytes would reset the connection and lose it. */
  #end(): void {
    this.#received = Buffer.alloc(0)
    this.#socket.removeAllListeners('data')
    this.#socket.on('data', () => {})
    this.#socket.resume()
    this.#enter('sending', CLOSE_MS)
    this.#socket.end()
  }

  #enter(state: 'reading' | 'asking' | 'sending', limitMs: number): void {
    this.state = state
    this.sinceMs = performance.now()
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.close(), limitMs)
    this.#timer.unref()
  }
}

/** Maximum size of further requests that have arrived with the first one. */
const MAX_RECEIVED_BYTES = 256_000
/** Time for a client to close after the last answer. */
const CLOSE_MS = 1000

const REASONS: Record<number, string> = {
  200: 'OK',
  400: 'Bad Request',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  413: 'Content Too Large',
  414: 'URI Too Long',
  431: 'Request Header Fields Too Large',
  500: 'Internal Server Error',
  503: 'Service Unavailable',
  505: 'HTTP Version Not Supported',
}

/** `length`: undefined when it is not known yet. */
function headOf(
  { status, type, headers = {} }: Answer,
  length: number | undefined,
  isChunked: boolean,
  isLast: boolean,
): string {
  const fields = {
    'Content-Type': type,
    ...(length === undefined ? {} : { 'Content-Length': length }),
    ...(isChunked ? { 'Transfer-Encoding': 'chunked' } : {}),
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
    Date: new Date().toUTCString(),
    Server: 'shipper',
    ...headers,
    Connection: isLast ? 'close' : 'keep-alive',
  }
  const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`)
  return `HTTP/1.1 ${status} ${REASONS[status] ?? 'Error'}\r\n${lines.join('')}\r\n`
}

/** Returns a part of a body as it is sent; `chunk = hex-length CRLF bytes CRLF`, the last one has the length 0. */
function framed(part: Buffer, isChunked: boolean, isDone: boolean): Buffer[] {
  if (!isChunked) return [part]
  const head = part.length === 0 ? '' : `${part.length.toString(16)}\r\n`
  const end = `${part.length === 0 ? '' : '\r\n'}${isDone ? '0\r\n\r\n' : ''}`
  return [Buffer.from(head), part, Buffer.from(end)]
}

function isBad(request: HttpRequest | BadRequest): request is BadRequest {
  return 'status' in request
}
