import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { messageOf, ShipperError, systemCode } from '../../core/error.ts'
import type { Logger } from '../../core/services.ts'
import type { Snapshot } from '../../core/snapshot.ts'
import { type Answer, endpointOf, json, type PluginNames } from './endpoints.ts'
import { type HealthOptions, HealthWindow } from './health.ts'

export interface HttpOptions {
  /** Address of Http_Listen. */
  listen: string
  /** Http_Port; 0 chooses a free port. */
  port: number
  health: HealthOptions
  /** Names for `/api/v1/plugins`; defaults to the plugins in use. */
  plugins?: PluginNames
  /** Overrides for tests. */
  limits?: Partial<HttpLimits>
}

export interface HttpLimits {
  headersMs: number
  requestMs: number
  keepAliveMs: number
  sendMs: number
  headerBytes: number
  connections: number
}

/** Limits are small, because the server is for a scraper, a probe and a person, and must not cost the agent memory. */
const DEFAULT_LIMITS: HttpLimits = {
  headersMs: 5000,
  requestMs: 10_000,
  keepAliveMs: 5000,
  sendMs: 10_000,
  headerBytes: 8192,
  connections: 32,
}

interface HttpServer {
  /** Actual port, also when 0 was configured. */
  port: number
  /** Stops listening and closes all connections. Idempotent. */
  close(): Promise<void>
}

/**
 * Starts the HTTP server; rejects with E_LISTEN. It answers only GET and HEAD and accepts no body. It has no
 * authentication, which is why it listens on the loopback address by default.
 */
export async function startHttp(
  options: HttpOptions,
  snapshot: () => Snapshot,
  log: Logger,
): Promise<HttpServer> {
  // Imported on demand: it costs 3-4 MB resident.
  const { createServer } = await import('node:http')
  const limits = { ...DEFAULT_LIMITS, ...options.limits }
  const server = createServer({
    headersTimeout: limits.headersMs,
    requestTimeout: limits.requestMs,
    keepAliveTimeout: limits.keepAliveMs,
    connectionsCheckingInterval: Math.min(limits.headersMs, 2500),
    maxHeaderSize: limits.headerBytes,
  })
  server.maxConnections = limits.connections
  const window = new HealthWindow(options.health, snapshot().startedMs)
  const sources = { snapshot, health: () => window.check(snapshot()), plugins: options.plugins }

  server.on('request', (request, response) => {
    const answer = answerTo(request, response, (path) => {
      try {
        return endpointOf(path)?.(sources)
      } catch (error) {
        log.error(`cannot answer ${path}: ${messageOf(error)}`, { code: 'E_INTERNAL' })
        return json({ error: 'internal error' }, 500)
      }
    })
    send(request, response, answer, limits.sendMs)
  })
  server.on('clientError', (_error, socket) => socket.destroy())
  await listen(server, options)
  server.on('error', (error) => log.warn(`http server error: ${messageOf(error)}`))

  const timer = options.health.enabled
    ? setInterval(() => window.sample(snapshot()), window.intervalMs).unref()
    : undefined
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : options.port
  log.info('http server is ready', { listen: options.listen, port })
  return { port, close: () => closeServer(server, timer) }
}

function answerTo(
  request: IncomingMessage,
  response: ServerResponse,
  find: (path: string) => Answer | undefined,
): Answer {
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.setHeader('Allow', 'GET, HEAD')
    return json({ error: 'method not allowed' }, 405)
  }
  if (hasBody(request)) return json({ error: 'request body not accepted' }, 413)
  const path = pathOf(request.url ?? '')
  return find(path) ?? json({ error: 'not found' }, 404)
}

function send(request: IncomingMessage, response: ServerResponse, answer: Answer, limitMs: number): void {
  const body = Buffer.from(answer.body)
  response.writeHead(answer.status, {
    'Content-Type': answer.type,
    'Content-Length': body.length,
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
    Server: 'shipper',
    // An unread body must not be parsed as the next request.
    ...(hasBody(request) ? { Connection: 'close' } : {}),
  })
  const { socket } = request
  // A client that does not read would keep the body in memory.
  const timeout = setTimeout(() => socket.destroy(), limitMs)
  timeout.unref()
  response.once('close', () => clearTimeout(timeout))
  response.end(request.method === 'HEAD' ? undefined : body)
}

function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) !== 0
}

function pathOf(url: string): string {
  const query = url.indexOf('?')
  return query < 0 ? url : url.slice(0, query)
}

function listen(server: Server, { listen: host, port }: HttpOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (error: unknown): void => reject(listenError(error, host, port))
    server.once('error', failed)
    try {
      server.listen({ host, port }, () => {
        server.off('error', failed)
        resolve()
      })
    } catch (error) {
      failed(error)
    }
  })
}

const HINTS: Record<string, string> = {
  EADDRINUSE: 'the port is used by another program (another agent?): stop it or set Http_Port',
  EACCES: 'ports below 1024 require a privilege: set Http_Port to a higher port',
  EADDRNOTAVAIL: 'the address does not belong to this machine: set Http_Listen',
  EINVAL: 'the address does not belong to this machine: set Http_Listen to an IP address',
  ENOTFOUND: 'the host name cannot be resolved: set Http_Listen to an IP address',
}

function listenError(error: unknown, host: string, port: number): ShipperError {
  const code = systemCode(error)
  const address = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
  const hint = HINTS[code ?? '']
  return new ShipperError(
    'E_LISTEN',
    `http server cannot listen on ${address}: ${code ?? messageOf(error)}`,
    {
      ...(hint === undefined ? {} : { hint }),
      cause: error,
    },
  )
}

function closeServer(server: Server, timer: NodeJS.Timeout | undefined): Promise<void> {
  clearInterval(timer)
  return new Promise((resolve) => {
    // Called with an error when the server is already closed, which is fine.
    server.close(() => resolve())
    server.closeAllConnections()
  })
}
