import { once } from 'node:events'
import { createServer, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import { gunzipSync, inflateSync, zstdDecompressSync } from 'node:zlib'
import type { Pair } from '../certs.ts'
import { freePorts } from '../ports.ts'
import { atEnd } from '../tmp.ts'
import { answerBytes, faultAnswer, faultOf, formOf, type StoreAnswer } from './answer.ts'
import { BadRequest, HttpReader, headerOf, type ReadHead, type ReadRequest } from './http-reader.ts'
import { Ledger, numberOf } from './ledger.ts'
import { type Fate, type Fault, FaultPlan, type PlanInit } from './plan.ts'

export type { StoreAnswer } from './answer.ts'

/** A request as an API sees it. */
export interface StoreRequest extends ReadRequest {
  path: string
  query: URLSearchParams
  /** Body without its Content-Encoding. */
  content: Buffer
  header(name: string): string | undefined
}

/** What an API may use of its double. */
export interface StoreContext {
  readonly ledger: Ledger
  readonly plan: FaultPlan
  /** True where only the ledger is wanted: an API keeps no contents that it does not need itself. */
  readonly isLean: boolean
  /** Time of the store. */
  nowMs(): number
  /** Decides about a record at this attempt; one that is refused is entered. */
  fate(record: unknown): Fate
}

/** How one kind of store takes requests. It keeps what it accepts in `store.ledger`. */
export interface StoreApi {
  handle(request: StoreRequest, store: StoreContext): StoreAnswer
  /** Returns an answer of this API for a fault with this status; default: a text. */
  error?(status: number): StoreAnswer
}

/** A request with what happened to it. */
export interface SeenRequest extends StoreRequest {
  connection: number
  fault: Fault | undefined
  /** Status of the answer; 0 without one. */
  status: number
  atMs: number
}

export interface DoubleInit extends PlanInit {
  /** A request whose body is longer, as sent, gets 413. */
  maxBytes?: number
  /** Milliseconds by which the clock of the store differs. */
  skewMs?: number
  /** True for many records: neither bodies of requests nor records are kept, only what became of them. */
  lean?: boolean
  tls?: Pair & { ca?: string; requestCert?: boolean }
}

const NONE = Buffer.alloc(0)
const SKEW_LIMIT_MS = 300_000

/**
 * A store over HTTP with faults. It reads requests strictly, keeps what its API accepts, and says for each numbered record
 * what became of it. Nothing is kept of a body that did not come as a whole.
 */
export class StoreDouble<Api extends StoreApi = StoreApi> implements StoreContext {
  readonly api: Api
  readonly ledger = new Ledger()
  readonly plan: FaultPlan
  readonly isLean: boolean
  readonly requests: SeenRequest[] = []
  /** What was wrong with requests that could not be read or decoded: must be empty at the end. */
  readonly bad: string[] = []
  /** Heads of requests that came with a fault that needs no body. */
  readonly heads: ReadHead[] = []
  /** Connections so far. */
  connections = 0
  port = 0
  readonly #init: DoubleInit
  readonly #open = new Set<Socket>()
  #server: Server | undefined

  private constructor(api: Api, init: DoubleInit) {
    this.api = api
    this.#init = init
    this.isLean = init.lean === true
    this.plan = new FaultPlan(init)
  }

  static async start<Api extends StoreApi>(api: Api, init: DoubleInit = {}): Promise<StoreDouble<Api>> {
    const double = new StoreDouble(api, init)
    await double.up()
    atEnd(() => double.down())
    return double
  }

  get url(): string {
    return `${this.#init.tls === undefined ? 'http' : 'https'}://127.0.0.1:${this.port}`
  }

  get open(): number {
    return this.#open.size
  }

  nowMs(): number {
    return Date.now() + (this.#init.skewMs ?? 0)
  }

  fate(record: unknown): Fate {
    const fate = this.plan.fate(numberOf(record))
    if (fate === 'refuse') this.ledger.refuse(record)
    return fate
  }

  /** Ends all connections and refuses new ones. */
  async down(): Promise<void> {
    const server = this.#server
    this.#server = undefined
    const closed = server === undefined ? undefined : new Promise((done) => server.close(done))
    for (const socket of this.#open) socket.destroy()
    await closed
  }

  /** Listens, again on the same port. */
  async up(): Promise<void> {
    const accept = (socket: Socket): void => this.#accept(socket)
    const { tls } = this.#init
    const server = tls === undefined ? createServer(accept) : createTlsServer(tls, accept)
    server.on('tlsClientError', () => {})
    this.#server = server
    // No other process gets it while the store is down, as it would one that the system chooses.
    if (this.port === 0) this.port = (await freePorts(1))[0] as number
    server.listen(this.port, '127.0.0.1')
    await once(server, 'listening')
  }

  #accept(socket: Socket): void {
    const connection = ++this.connections
    this.#open.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => this.#open.delete(socket))
    // Decided when the head is there, so that a fault may end the connection before the body.
    let fault: Fault | undefined
    const reader = new HttpReader((head) => {
      fault = this.plan.fault()
      if (fault === 'close-after-head' || fault === 'close-in-body') this.#cutBody(socket, head, fault)
      if (fault === 'continue-kept') socket.write('HTTP/1.1 100 Continue\r\n\r\n')
    })
    let isBusy = false
    socket.on('data', (part: Buffer) => {
      if (socket.destroyed) return
      try {
        for (const request of reader.push(part)) {
          if (isBusy) throw new BadRequest('a request before the answer to the one before it')
          if (fault === 'close-after-head' || fault === 'close-in-body') continue
          isBusy = true
          void this.#serve(socket, connection, request, fault).finally(() => {
            isBusy = false
          })
        }
      } catch (error) {
        if (!(error instanceof BadRequest)) throw error
        this.bad.push(error.message)
        socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n')
      }
    })
  }

  /** Ends a connection before the body, or after a part of it. */
  #cutBody(socket: Socket, head: ReadHead, fault: Fault): void {
    this.heads.push(head)
    if (fault === 'close-after-head') socket.destroy()
    else setTimeout(() => socket.destroy(), 5)
  }

  async #serve(
    socket: Socket,
    connection: number,
    raw: ReadRequest,
    fault: Fault | undefined,
  ): Promise<void> {
    const request = this.#decoded(raw)
    const bodies = this.isLean ? { body: NONE, content: NONE } : {}
    const seen: SeenRequest = { ...request, ...bodies, connection, fault, status: 0, atMs: performance.now() }
    this.requests.push(seen)
    if (fault === 'hang') return
    if (fault === 'close-unkept') return void socket.destroy()
    const answer =
      this.#tooLarge(raw) ?? this.#skewed(request) ?? faultAnswer(fault, this) ?? this.#handled(request)
    if (fault === 'close-kept') return void socket.destroy()
    if (fault === 'reset-kept') return void socket.resetAndDestroy()
    seen.status = answer.status
    const date = new Date(this.nowMs()).toUTCString()
    const form = faultOf(answer, fault)
    await formOf(form)(socket, answerBytes(answer, date, form), raw)
  }

  #decoded(raw: ReadRequest): StoreRequest {
    const url = new URL(raw.target, 'http://double')
    // A lean double keeps this function of each request, which must not keep the body.
    const head = { ...raw, body: NONE }
    const header = (name: string): string | undefined => headerOf(head, name)
    let content = raw.body
    try {
      content = decompressed(raw.body, header('content-encoding'))
    } catch (error) {
      this.bad.push(`${raw.method} ${raw.target}: ${String(error)}`)
    }
    return { ...raw, path: url.pathname, query: url.searchParams, content, header }
  }

  #handled(request: StoreRequest): StoreAnswer {
    try {
      return this.api.handle(request, this)
    } catch (error) {
      this.bad.push(`${request.method} ${request.target}: ${String(error)}`)
      return { status: 400, body: String(error) }
    }
  }

  #tooLarge({ body }: ReadRequest): StoreAnswer | undefined {
    if (body.length <= (this.#init.maxBytes ?? Number.POSITIVE_INFINITY)) return undefined
    return this.api.error?.(413) ?? { status: 413, body: 'Request Entity Too Large' }
  }

  /** Refuses a signed request whose time is more than five minutes from that of the store, as Amazon does. */
  #skewed({ header }: StoreRequest): StoreAnswer | undefined {
    const [, ...parts] = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(header('x-amz-date') ?? '') ?? []
    if (parts.length === 0) return undefined
    const [y = 0, mo = 0, d = 0, h = 0, mi = 0, s = 0] = parts.map(Number)
    if (Math.abs(Date.UTC(y, mo - 1, d, h, mi, s) - this.nowMs()) <= SKEW_LIMIT_MS) return undefined
    const [code, text] = [
      'RequestTimeTooSkewed',
      'The difference between the request time and the current time is too large.',
    ]
    if (header('x-amz-target') === undefined)
      return {
        status: 403,
        type: 'application/xml',
        body: `<Error><Code>${code}</Code><Message>${text}</Message></Error>`,
      }
    return { status: 403, body: JSON.stringify({ __type: code, message: text }) }
  }
}

function decompressed(body: Buffer, coding = 'identity'): Buffer {
  switch (coding) {
    case 'identity':
    case 'snappy':
      return body
    case 'gzip':
      return gunzipSync(body)
    case 'deflate':
      return inflateSync(body)
    case 'zstd':
      return zstdDecompressSync(body)
    default:
      throw new Error(`Content-Encoding: ${coding}`)
  }
}
