import type { ClientRequest, IncomingMessage, RequestOptions } from 'node:http'
import type { RequestOptions as SecureOptions } from 'node:https'
import { LongTimer } from '../async/timer.ts'

/** Origin and TLS settings of an HttpClient. */
interface HttpClientOptions {
  /** `https://host:port` */
  origin: string
  /** Path of the unix socket on which the server listens, instead of the host and port of the origin. */
  socketPath?: string | undefined
  /** PEM of the trusted CA certificates; undefined: those of the system. */
  ca?: string | undefined
  /** False to accept any certificate. */
  verify: boolean
  /** False to accept a certificate for another host name. */
  verifyHost: boolean
  /** Name for SNI and the certificate check, instead of the host's. */
  serverName?: string | undefined
}

interface HttpRequest {
  /** Default: GET. A PUT has no body. */
  method?: 'GET' | 'PUT'
  path: string
  headers: Record<string, string>
  signal: AbortSignal
  /** Maximum wait for the status line and headers. */
  headTimeoutMs: number
  /** Maximum silence while the body is read. */
  bodyTimeoutMs: number
  /** Maximum time for the whole body: silence alone does not end one that arrives byte by byte. No limit by default. */
  totalTimeoutMs?: number
  /** Maximum size of the body in bytes; no limit by default. */
  maxBodyBytes?: number
}

export interface HttpResponse {
  status: number
  header(name: string): string | undefined
  /** Chunks of the body as they arrive; throws when it is cut off, too slow or aborted. Must be read or discarded. */
  body: AsyncIterable<Buffer>
  /** Ends the request without reading the body. */
  discard(): void
}

/** Maximum size of the status line and all headers of a response. */
const MAX_HEADER_BYTES = 16_384
/** Maximum number of interim responses (1xx) before the response. */
const MAX_INTERIM = 8

/**
 * An HTTP and HTTPS client for one origin, for servers that need not be trusted: what they choose has a limit, and no
 * redirect is followed, which is a response like any other. It opens one connection per request: requests are rare, and this way no idle
 * connection can be closed by the server as the next request is sent. The runtime's module is loaded with the first
 * request. Not undici: its parser alone takes 20 MB and 70 ms to compile. docs/adr/0010-http-client.md
 */
export class HttpClient {
  readonly #url: URL
  readonly #baseRequest: SecureOptions
  readonly #openRequests = new Set<ClientRequest>()

  constructor(options: HttpClientOptions) {
    const { origin, socketPath, verify, verifyHost, ca, serverName } = options
    this.#url = new URL(origin)
    const { protocol, hostname, port } = this.#url
    this.#baseRequest = {
      protocol,
      hostname: hostname.startsWith('[') ? hostname.slice(1, -1) : hostname,
      ...(port === '' ? {} : { port }),
      agent: false,
      maxHeaderSize: MAX_HEADER_BYTES,
      rejectUnauthorized: verify,
      ...(socketPath === undefined ? {} : { socketPath }),
      ...(ca === undefined ? {} : { ca }),
      ...(serverName === undefined ? {} : { servername: serverName }),
      ...(verifyHost ? {} : { checkServerIdentity: () => undefined }),
    }
  }

  /** Sends a request; resolves when status and headers have arrived. */
  async get(options: HttpRequest): Promise<HttpResponse> {
    const { method = 'GET', path, headers, signal } = options
    const request = await this.#create({ ...this.#baseRequest, method, path, headers, signal })
    const response = await this.#send(request, options.headTimeoutMs)
    return {
      status: response.statusCode ?? 0,
      header: (name) => {
        const value = response.headers[name]
        return Array.isArray(value) ? value[0] : value
      },
      body: bodyChunks(response, options),
      discard: () => {
        // Ignores the error that ending the body reports.
        response.on('error', () => {})
        request.destroy()
      },
    }
  }

  /** Ends all open requests. */
  async close(): Promise<void> {
    for (const request of this.#openRequests) request.destroy()
  }

  async #create(options: RequestOptions): Promise<ClientRequest> {
    const isSecure = this.#url.protocol === 'https:'
    const { request } = isSecure ? await import('node:https') : await import('node:http')
    const created = request(options)
    this.#openRequests.add(created)
    created.once('close', () => this.#openRequests.delete(created))
    return created
  }

  #send(request: ClientRequest, timeoutMs: number): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => request.destroy(new Error(`no response within ${timeoutMs} ms`)),
        timeoutMs,
      )
      let interim = 0
      request.on('information', () => {
        if (++interim > MAX_INTERIM) request.destroy(new Error(`more than ${MAX_INTERIM} interim responses`))
      })
      request.once('response', (response: IncomingMessage) => {
        // It may be in the same piece as the interim response that was one too many.
        if (interim > MAX_INTERIM) return
        clearTimeout(timer)
        resolve(response)
      })
      // Stays for the lifetime of the request: after the headers, reading the body reports errors.
      request.on('error', (error) => {
        clearTimeout(timer)
        reject(error)
      })
      request.end()
    })
  }
}

async function* bodyChunks(response: IncomingMessage, options: HttpRequest): AsyncGenerator<Buffer> {
  const { bodyTimeoutMs, totalTimeoutMs, maxBodyBytes = Number.POSITIVE_INFINITY } = options
  const destroyFor = (reason: string) => (): void => void response.destroy(new Error(reason))
  const idle = setTimeout(destroyFor(`no data for ${bodyTimeoutMs} ms`), bodyTimeoutMs)
  const total =
    totalTimeoutMs === undefined
      ? undefined
      : new LongTimer(destroyFor(`the response did not end within ${totalTimeoutMs} ms`), totalTimeoutMs)
  let bytes = 0
  try {
    for await (const chunk of response) {
      idle.refresh()
      bytes += (chunk as Buffer).length
      if (bytes > maxBodyBytes) throw new Error(`the response is larger than ${maxBodyBytes} bytes`)
      yield chunk as Buffer
    }
    if (!response.complete) throw new Error('the connection was closed before the end of the response')
  } finally {
    clearTimeout(idle)
    total?.cancel()
  }
}
