import type { Server, Socket } from 'node:net'
import { hostname } from 'node:os'
import { messageOf } from '../../core/error.ts'
import type { Logger } from '../../core/services.ts'
import type { Snapshot } from '../../core/snapshot.ts'
import { formatAddress } from '../../lib/net/connect.ts'
import { Connection, type Handler } from '../../lib/net/http-server/connection.ts'
import type { AnswerFrame, ConnectionLimits } from '../../lib/net/http-server/exchange.ts'
import type { BadRequest, RequestHead } from '../../lib/net/http-server/head.ts'
import { reasonOfStatus } from '../../lib/net/http-server/status.ts'
import { type Bind, listenError, listening, listenOn } from '../../lib/net/listen.ts'
import { type Answer, endpointOf, json, notFound, type PluginNames } from './endpoints.ts'
import { type HealthOptions, HealthWindow } from './health.ts'
import { hostTest } from './hosts.ts'
import { type HttpRequest, MAX_TARGET_CHARS, requestOf } from './request.ts'

export interface HttpOptions {
  /** Address of Http_Listen. */
  listen: string
  /** Http_Port; 0 chooses a free port. */
  port: number
  health: HealthOptions
  /** Names that a request may have in Host besides those of this machine. */
  allowedHosts?: readonly string[]
  /** Names for `/api/v1/plugins`; defaults to the plugins in use. */
  plugins?: PluginNames
  /** storage.metrics; default: true. */
  hasStorage?: boolean
  /** Overrides for tests. */
  limits?: Partial<HttpLimits>
  /** Listens on a host; for tests of a machine without IPv6. */
  listenOn?: Bind
}

export interface HttpLimits extends Omit<ConnectionLimits, 'targetChars'> {
  connections: number
  /** Maximum size of the answers that clients have not taken, unless there is only one. */
  pendingBytes: number
}

const LISTEN_OPTIONS = { listen: 'Http_Listen', port: 'Http_Port' }

/** Limits are small, because the server is for a scraper, a probe and a person, and must not cost the agent memory. */
const DEFAULT_LIMITS: HttpLimits = {
  headersMs: 5000,
  keepAliveMs: 5000,
  sendMs: 10_000,
  headerBytes: 8192,
  connections: 32,
  pendingBytes: 16_000_000,
}

/** Times that a connection has, without a request and in any state, before it may be closed in favor of another one. */
const MIN_IDLE_MS = 100
const MIN_OPEN_MS = 1000

interface HttpServer {
  /** Actual port, also when 0 was configured. */
  port: number
  /** Stops listening and closes all connections. Idempotent. */
  close(): Promise<void>
}

/**
 * Starts the HTTP server; rejects with E_LISTEN. It answers only GET and HEAD and accepts no body. It has no
 * authentication, which is why it listens on the loopback address by default.
 *
 * It is not node:http, because that reads requests while earlier answers wait: 32 clients that send 2,000 requests each
 * and read nothing make it hold half a gigabyte.
 */
export async function startHttp(
  options: HttpOptions,
  snapshot: () => Snapshot,
  log: Logger,
): Promise<HttpServer> {
  const { createServer } = await import('node:net')
  const limits = { ...DEFAULT_LIMITS, ...options.limits }
  const window = new HealthWindow(options.health, snapshot().startedMs)
  const sources = {
    snapshot,
    health: () => window.check(snapshot()),
    plugins: options.plugins,
    hasStorage: options.hasStorage,
  }
  const isAllowed = hostTest([hostname(), options.listen], options.allowedHosts ?? [])
  const answers = new Answers(limits, log, (request) => answerTo(request, sources, isAllowed, log))
  const accept = (socket: Socket): void => answers.accept(socket)
  const server = createServer({ allowHalfOpen: true, noDelay: true }, accept)
  const listen = await listenOn(server, options.listen, options.port, options.listenOn ?? bind).catch(
    (error: unknown) => {
      throw listenError(
        `${formatAddress(options.listen, options.port)}, for the http server`,
        error,
        LISTEN_OPTIONS,
      )
    },
  )
  server.on('error', (error) => log.warn(`http server error: ${messageOf(error)}`))

  const timer = options.health.enabled
    ? setInterval(() => window.sample(snapshot()), window.intervalMs).unref()
    : undefined
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : options.port
  log.info('http server is ready', { listen, port })
  const close = (): Promise<void> => {
    clearInterval(timer)
    return new Promise((resolve) => {
      // Called with an error when the server is already closed, which is fine.
      server.close(() => resolve())
      answers.close()
    })
  }
  return { port, close }
}

/** The connections, and the turn-taking of their requests. */
class Answers implements Handler<Answer> {
  readonly #limits: HttpLimits & ConnectionLimits
  readonly #log: Logger
  readonly #answerTo: (request: HttpRequest) => Answer
  readonly #connections = new Set<Connection<Answer>>()
  /** Work that has to wait for its turn. */
  readonly #works: (() => void)[] = []
  #timer: NodeJS.Timeout | undefined

  constructor(limits: HttpLimits, log: Logger, answer: (request: HttpRequest) => Answer) {
    this.#limits = { ...limits, targetChars: MAX_TARGET_CHARS }
    this.#log = log
    this.#answerTo = answer
  }

  accept(socket: Socket): void {
    if (this.#connections.size >= this.#limits.connections && !this.#makeRoom()) {
      socket.on('error', () => {})
      socket.destroy()
      this.#log.warn('http connection refused: all connections are in use', {
        limit: this.#limits.connections,
      })
      return
    }
    const connection = new Connection(socket, this.#limits, this)
    this.#connections.add(connection)
    connection.start()
  }

  begin(head: RequestHead, connection: Connection<Answer>): undefined {
    this.inTurn(() => this.#answerRequest(requestOf(head), connection))
  }

  headOf(answer: Answer, frame: AnswerFrame): string {
    return headOf(answer, frame)
  }

  refusal({ status, error }: BadRequest): Answer {
    return { status, type: 'application/json', body: JSON.stringify({ error }) }
  }

  closed(connection: Connection<Answer>): void {
    this.#connections.delete(connection)
  }

  close(): void {
    clearTimeout(this.#timer)
    for (const connection of this.#connections) connection.destroy()
  }

  /** Closes the connection that has been idle for longest or sends its request slowest, else the oldest one. */
  #makeRoom(): boolean {
    const nowMs = performance.now()
    const oldest = [...this.#connections].sort((a, b) => a.openedMs - b.openedMs).at(0)
    const idle = [...this.#connections]
      .filter(({ state, sinceMs }) => state === 'reading' && nowMs - sinceMs >= MIN_IDLE_MS)
      .sort((a, b) => a.sinceMs - b.sinceMs)
      .at(0)
    const chosen =
      idle ?? (oldest !== undefined && nowMs - oldest.openedMs >= MIN_OPEN_MS ? oldest : undefined)
    if (chosen === undefined) return false
    chosen.destroy()
    this.#connections.delete(chosen)
    return true
  }

  inTurn(work: () => void): void {
    this.#works.push(work)
    if (this.#timer === undefined) this.#workNext()
  }

  /**
   * Answers one request, or makes a part of an answer, and the next one after as long a pause: requests get at most half of the
   * thread's time.
   */
  #workNext(): void {
    this.#timer = undefined
    const work = this.#works.shift()
    if (work === undefined) return
    const startMs = performance.now()
    try {
      work()
    } catch (error) {
      this.#log.error(`cannot answer a request: ${messageOf(error)}`, { code: 'E_INTERNAL' })
    }
    this.#timer = setTimeout(() => this.#workNext(), Math.ceil(performance.now() - startMs))
    this.#timer.unref()
  }

  #answerRequest(request: HttpRequest, connection: Connection<Answer>): void {
    if (connection.state === 'closed') return
    try {
      connection.answer(this.#answer(request))
    } catch (error) {
      connection.destroy()
      throw error
    }
  }

  #answer(request: HttpRequest): Answer {
    let pendingBytes = 0
    for (const connection of this.#connections) pendingBytes += connection.pendingBytes
    const answer =
      pendingBytes === 0 || pendingBytes < this.#limits.pendingBytes ? this.#answerTo(request) : undefined
    const size = typeof answer?.body === 'string' ? answer.body.length : 0
    const isTooMuch = pendingBytes > 0 && pendingBytes + size > this.#limits.pendingBytes
    if (answer !== undefined && !isTooMuch) return answer
    return {
      ...json({ error: 'other clients have not read their answers' }, 503),
      headers: { 'Retry-After': '1' },
    }
  }
}

type Sources = Parameters<NonNullable<ReturnType<typeof endpointOf>>['answer']>[0]

function answerTo(
  request: HttpRequest,
  sources: Omit<Sources, 'query' | 'isTrusted'>,
  isAllowed: (host: string) => boolean,
  log: Logger,
): Answer {
  const { method, path, query, host, hasBody } = request
  if (method !== 'GET' && method !== 'HEAD')
    return { ...json({ error: 'method not allowed' }, 405), headers: { Allow: 'GET, HEAD' } }
  if (hasBody) return json({ error: 'request body not accepted' }, 413)
  const endpoint = endpointOf(path)
  const isTrusted = host === undefined || isAllowed(host)
  if (!isTrusted && endpoint?.isPublic !== true) {
    log.warn('http request refused: its Host is not a name of this machine', {
      host,
      hint: 'add the name to Http_Allowed_Hosts, or use the address',
    })
    return json(
      { error: 'the Host of the request is not a name of this machine: see HTTP_Allowed_Hosts' },
      403,
    )
  }
  if (endpoint === undefined) return notFound()
  try {
    return endpoint.answer({ ...sources, query, isTrusted })
  } catch (error) {
    log.error(`cannot answer ${path}: ${messageOf(error)}`, { code: 'E_INTERNAL' })
    return json({ error: 'internal error' }, 500)
  }
}

function headOf({ status, type, headers = {} }: Answer, { length, isChunked, isLast }: AnswerFrame): string {
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
  return `HTTP/1.1 ${status} ${reasonOfStatus(status)}\r\n${lines.join('')}\r\n`
}

const BACKLOG = 64

function bind(server: Server, host: string, port: number): Promise<void> {
  return listening(server, { host, port, backlog: BACKLOG })
}
