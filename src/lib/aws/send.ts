import { HttpClient, type HttpClientOptions } from '../http/client.ts'
import { type ProxyChoice, proxyFor } from '../http/proxy.ts'

/** A request whose answer is short: of the metadata services, of STS and of the APIs outside the byte path. */
interface ShortRequest {
  /** `https://host:port` */
  origin: string
  method: 'GET' | 'PUT' | 'POST'
  path: string
  headers: Record<string, string>
  body?: string | undefined
  /** True when the request may go through a proxy: not those to addresses of the machine itself. */
  mayUseProxy?: boolean
  signal: AbortSignal
  /** Maximum time of the whole exchange. */
  timeoutMs: number
  maxBodyBytes: number
}

/** An answer with any status, and its body as UTF-8. */
export interface ShortAnswer {
  status: number
  text: string
  header(name: string): string | undefined
}

/**
 * Sends a request and resolves with the answer, whatever its status; follows no redirect. Rejects with a ShipperError E_PEER_*
 * when there is none within the limits.
 */
export type Send = (request: ShortRequest) => Promise<ShortAnswer>

interface SendOptions {
  tls?: HttpClientOptions['tls']
  proxy?: ProxyChoice | undefined
}

/**
 * Returns a Send that makes a connection for each request: such requests are rare. undici is loaded with the first one.
 */
export function httpSend({ tls, proxy }: SendOptions = {}): Send {
  return async ({ origin, headers, body, timeoutMs, mayUseProxy = false, ...request }) => {
    const through = mayUseProxy ? proxyFor(new URL(origin), proxy ?? { ignoreEnvironment: false }) : undefined
    const client = new HttpClient({
      ...{ origin, tls, keepAlive: false, connectTimeoutMs: timeoutMs, proxy: through },
    })
    // The client's own headers, which are only given to be signed.
    const { host: _host, 'content-length': _length, ...others } = headers
    try {
      const response = await client.send({
        ...request,
        headers: others,
        ...(body === undefined ? {} : { body: Buffer.from(body) }),
        ...{ headTimeoutMs: timeoutMs, bodyTimeoutMs: timeoutMs, totalTimeoutMs: timeoutMs },
      })
      const pieces: Buffer[] = []
      for await (const piece of response.body) pieces.push(piece)
      const text = Buffer.concat(pieces).toString()
      return { status: response.status, text, header: (name) => response.header(name) }
    } finally {
      await client.close()
    }
  }
}
