import { isIP, type Socket } from 'node:net'
import type { ConnectionOptions } from 'node:tls'
import type { ShipperError } from '../../core/error.ts'
import type { Clock } from '../../core/services.ts'
import { type ConnectOptions, connectSocket } from '../net/connect.ts'
import { dropContinue } from './continue-filter.ts'
import { Exchange, type ExchangeLimits, type HttpResponse } from './exchange.ts'
import { HttpError } from './http-error.ts'
import type { HttpProxy } from './proxy.ts'
import { ReadLimit } from './read-limit.ts'
import { bodyLength, type RequestBody, undiciBody } from './request-body.ts'
import { openTunnel } from './tunnel.ts'
import { loadUndici, type Pool, type PoolOptions, type Undici } from './undici.ts'

export type { HttpResponse } from './exchange.ts'

/** One server, and how connections to it are made and kept. */
export interface HttpClientOptions {
  /** `https://host:port` */
  origin: string
  /** Path of the unix socket on which the server listens, instead of the host and port of the origin. */
  socketPath?: string | undefined
  /**
   * Returns the TLS options of a new connection to an origin with https. The certificate is verified against the origin's host
   * unless they say otherwise.
   */
  tls?: ((host: string) => ConnectionOptions) | undefined
  /** Longest time until a connection is ready, TLS handshake included. Default: 10,000. */
  connectTimeoutMs?: number
  /** False to use a new connection for every request. Default: true. */
  keepAlive?: boolean
  /** Time for which a connection is kept without a request. Default: 4,000; a shorter time that the server announces is used. */
  idleTimeoutMs?: number
  /** Maximum number of requests on one connection; 0: any. Default: 0. */
  maxRequestsPerConnection?: number
  /** Maximum number of connections at a time; requests beyond it wait. 0: any. Default: 0. */
  maxConnections?: number
  /** Proxy that all requests go through: by CONNECT for https, otherwise with the whole URL. */
  proxy?: HttpProxy | undefined
  /** Returns the TLS options of a new connection to a proxy with https. */
  proxyTls?: ((host: string) => ConnectionOptions) | undefined
  /** Address of this machine to connect from. */
  localAddress?: string | undefined
  /** Connect to addresses of this family only. By default all addresses of a name are tried. */
  family?: 4 | 6 | undefined
  /** Idle time before the first TCP keepalive probe, 0: the system's; undefined: no probes. */
  tcpKeepAliveMs?: number | undefined
}

export interface HttpRequest extends ExchangeLimits {
  /** Default: GET. */
  method?: string
  path: string
  /** Fields of the request; `host`, `connection` and `content-length` are the client's. */
  headers: Readonly<Record<string, string>>
  /** Must not change before the promise of `send` and the body of the response have settled. */
  body?: RequestBody | undefined
  signal: AbortSignal
}

/** Maximum size of the status line and all headers of a response. */
const MAX_HEADER_BYTES = 16_384
const DEFAULT_CONNECT_TIMEOUT_MS = 10_000
const DEFAULT_IDLE_TIMEOUT_MS = 4000

/** Timers of the runtime: what a server may take is not measured on a test's clock. */
const CLOCK: Clock = {
  nowMs: Date.now,
  after: (ms, fn) => setTimeout(fn, ms),
  cancel: (handle) => clearTimeout(handle as ReturnType<typeof setTimeout> | undefined),
}

/**
 * An HTTP and HTTPS client for one origin, for untrusted servers: every size and time that they choose has a limit, and
 * redirects are not followed, but returned like any other response. Connections are kept and used by one request at a time. No
 * request is sent twice: HttpError.wasSent says whether one that failed may have been carried out. undici is loaded
 * with the first request. docs/adr/0017-undici.md
 */
export class HttpClient {
  readonly #options: HttpClientOptions
  readonly #url: URL
  readonly #open = new Set<Exchange>()
  readonly #stop = new AbortController()
  readonly #readLimit: ReadLimit
  #undici: Undici | undefined
  #pool: Pool | undefined

  constructor(options: HttpClientOptions) {
    this.#options = options
    this.#url = new URL(options.origin)
    this.#readLimit = new ReadLimit(this.#url.origin)
  }

  /** Sends a request; resolves when status and headers have arrived. Rejects with an HttpError. */
  async send(request: HttpRequest): Promise<HttpResponse> {
    const { method = 'GET', path, headers, body, signal } = request
    const where = `${method} ${this.#url.origin}`
    const { proxy } = this.#options
    const exchange = new Exchange(request, {
      proxy: this.#url.protocol === 'http:' ? proxy : undefined,
      ...{ where, signal, hasBody: body !== undefined && bodyLength(body) > 0 },
      onFound: () => this.#readLimit.found(),
      onEnd: () => this.#open.delete(exchange),
    })
    this.#open.add(exchange)
    if (signal.aborted) exchange.end(new HttpError('E_PEER_CLOSED', 'stopped', where, false))
    else await this.#dispatch(exchange, { method, path, headers, body })
    return exchange.response
  }

  /** Ends all open requests and closes the connections. */
  async close(): Promise<void> {
    this.#stop.abort()
    const error = new HttpError('E_PEER_CLOSED', 'stopped', this.#url.origin, true)
    for (const exchange of this.#open) exchange.end(error)
    await this.#pool?.destroy(error)
  }

  async #dispatch(
    exchange: Exchange,
    { method, path, headers, body }: Pick<HttpRequest, 'path' | 'headers' | 'body'> & { method: string },
  ): Promise<void> {
    try {
      this.#undici ??= await loadUndici()
      if (exchange.isEnded) return
      this.#pool ??= new this.#undici.Pool(this.#url.origin, this.#poolOptions(this.#undici))
      const fields = Object.entries(headers).flat()
      const forward = this.#url.protocol === 'http:' ? this.#options.proxy : undefined
      if (forward?.authorization !== undefined) fields.push('proxy-authorization', forward.authorization)
      if (body !== undefined) fields.push('content-length', String(bodyLength(body)))
      this.#pool.dispatch(
        {
          ...{ method, headers: fields, body: undiciBody(body, () => exchange.isEnded) },
          path: forward === undefined ? path : this.#url.origin + path,
          reset: this.#options.keepAlive === false ? true : null,
          // Its timers tick once a second.
          ...{ headersTimeout: 0, bodyTimeout: 0 },
          [this.#undici.queuedAbort]: exchange.onQueued,
        },
        exchange,
      )
    } catch (cause) {
      exchange.end(cause)
    }
  }

  #poolOptions(undici: Undici): PoolOptions {
    const {
      maxConnections = 0,
      maxRequestsPerConnection = 0,
      idleTimeoutMs = DEFAULT_IDLE_TIMEOUT_MS,
    } = this.#options
    return {
      connections: maxConnections || null,
      // With more, undici sends requests again by itself.
      pipelining: 1,
      allowH2: false,
      maxHeaderSize: MAX_HEADER_BYTES,
      ...{ keepAliveTimeout: idleTimeoutMs, keepAliveMaxTimeout: idleTimeoutMs },
      ...(maxRequestsPerConnection === 0 ? {} : { maxRequestsPerClient: maxRequestsPerConnection }),
      connect: (_, done) => {
        this.#connection(undici).then(
          (socket) => done(null, this.#readLimit.watch(dropContinue(socket))),
          (error) => done(error),
        )
      },
    }
  }

  /** Resolves with a new connection; rejects with an HttpError. */
  async #connection(undici: Undici): Promise<Socket> {
    const { proxy, socketPath } = this.#options
    const isSecure = this.#url.protocol === 'https:'
    const host = unbracketed(this.#url.hostname)
    const port = Number(this.#url.port) || (isSecure ? 443 : 80)
    const limitMs = this.#options.connectTimeoutMs ?? DEFAULT_CONNECT_TIMEOUT_MS
    const tls = isSecure ? this.#tlsOptions(host, this.#options.tls) : undefined
    if (proxy === undefined) {
      const target = socketPath === undefined ? { host, port, ...this.#local() } : { path: socketPath }
      return this.#connect({ peer: socketPath ?? this.#url.host, target, limitMs, tls })
    }
    const untilMs = performance.now() + limitMs
    const toProxy = (): Promise<Socket> => this.#proxyConnection(proxy, limitMs)
    if (tls === undefined) return toProxy()
    const socket = await openTunnel({
      ...{ undici, proxy, authority: `${this.#url.hostname}:${port}`, maxHeaderBytes: MAX_HEADER_BYTES },
      ...{ limitMs, signal: this.#stop.signal, connect: toProxy },
    })
    const leftMs = Math.max(1, untilMs - performance.now())
    const peer = `${this.#url.host} through the proxy ${proxy.name}`
    try {
      return await this.#connect({ peer, target: { host, port }, limitMs: leftMs, tls: { ...tls, socket } })
    } catch (error) {
      socket.destroy()
      throw error
    }
  }

  #proxyConnection(proxy: HttpProxy, limitMs: number): Promise<Socket> {
    const { host, port, name, isSecure } = proxy
    const tls = isSecure ? this.#tlsOptions(host, this.#options.proxyTls) : undefined
    return this.#connect({
      peer: `the proxy ${name}`,
      target: { host, port, ...this.#local() },
      limitMs,
      tls,
    })
  }

  #tlsOptions(host: string, own: HttpClientOptions['tls']): ConnectionOptions {
    return { ...(isIP(host) === 0 ? { servername: host } : {}), ALPNProtocols: ['http/1.1'], ...own?.(host) }
  }

  /** Returns the socket options for the local address and the address family. */
  #local(): { localAddress?: string; family?: 4 | 6 } {
    const { localAddress, family } = this.#options
    return {
      ...(localAddress === undefined ? {} : { localAddress }),
      ...(family === undefined ? {} : { family }),
    }
  }

  async #connect(options: ConnectOptions): Promise<Socket> {
    const prefix = `cannot connect to ${options.peer}`
    try {
      const { tcpKeepAliveMs: keepAliveMs } = this.#options
      return await connectSocket({ ...options, keepAliveMs }, CLOCK, this.#stop.signal)
    } catch (cause) {
      const { code, message } = cause as ShipperError
      throw new HttpError(code, message.replace(`${prefix}: `, ''), prefix, false, { cause })
    }
  }
}

function unbracketed(host: string): string {
  return host.startsWith('[') ? host.slice(1, -1) : host
}
