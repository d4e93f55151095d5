import type { Socket } from 'node:net'
import { HttpError, httpError } from './http-error.ts'
import type { HttpProxy } from './proxy.ts'
import type { Undici } from './undici.ts'

interface TunnelOptions {
  undici: Undici
  proxy: HttpProxy
  /** `host:port` of the server. */
  authority: string
  /** Maximum size of the head of the proxy's answer. */
  maxHeaderBytes: number
  limitMs: number
  signal: AbortSignal
  /** Opens a connection to the proxy. */
  connect(): Promise<Socket>
}

/**
 * Resolves with a connection to a server through a proxy (CONNECT). Rejects with an HttpError in which nothing was sent:
 * the server is not asked before the tunnel is there.
 */
export function openTunnel(options: TunnelOptions): Promise<Socket> {
  const { undici, proxy, authority, maxHeaderBytes, limitMs, signal } = options
  const where = `cannot connect to ${authority} through the proxy ${proxy.name}`
  const pool = new undici.Pool(`${proxy.isSecure ? 'https' : 'http'}://${proxy.name}`, {
    ...{ connections: 1, pipelining: 1, allowH2: false, maxHeaderSize: maxHeaderBytes },
    ...{ keepAliveTimeout: 1, keepAliveMaxTimeout: 1 },
    connect: (_, done) => {
      options.connect().then(
        (socket) => done(null, socket),
        (error) => done(error),
      )
    },
  })
  const headers = proxy.authorization === undefined ? [] : ['proxy-authorization', proxy.authorization]
  return new Promise((resolve, reject) => {
    const settle = (): void => {
      clearTimeout(timer)
      signal.removeEventListener('abort', stop)
    }
    const fail = (cause: unknown): void => {
      settle()
      const error = httpError(cause, where, { wasSent: false, hasHead: false })
      reject(error)
      pool.destroy(error).catch(() => {})
    }
    const stop = (): void => fail(new HttpError('E_PEER_CLOSED', 'stopped', where, false))
    const timer = setTimeout(
      () => fail(new HttpError('E_PEER_TIMEOUT', `no tunnel within ${limitMs} ms`, where, false)),
      limitMs,
    )
    signal.addEventListener('abort', stop, { once: true })
    pool.dispatch(
      {
        ...{ method: 'CONNECT', path: authority, headers, body: null, reset: null },
        headersTimeout: 0,
        bodyTimeout: 0,
      },
      {
        onRequestStart: () => {},
        onRequestUpgrade: (_controller, status, _headers, socket) => {
          if (status < 200 || status > 299) {
            socket.on('error', () => {})
            socket.destroy()
            fail(refusal(status, proxy, where))
            return
          }
          settle()
          resolve(socket)
        },
        onResponseError: (_, error) => fail(error),
      },
    )
  })
}

/** Returns the error of a proxy that refuses a request: for 407 its user and password are missing or wrong. */
export function refusal(status: number, proxy: HttpProxy, where: string): HttpError {
  if (status !== 407)
    return new HttpError(
      'E_PEER_UNREACHABLE',
      `the proxy refused CONNECT with status ${status}`,
      where,
      false,
      {
        hint: 'let the proxy connect to this server, or name the server in NO_PROXY',
      },
    )
  const reason =
    proxy.authorization === undefined
      ? 'the proxy requires a user and a password (407)'
      : 'the proxy does not accept the user and the password (407)'
  return new HttpError('E_PEER_AUTH', reason, where, false, {
    hint: 'write user and password into the URL of the proxy: http://USER:PASSWORD@HOST:PORT',
  })
}
