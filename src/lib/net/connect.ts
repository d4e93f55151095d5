import { connect, type NetConnectOpts, type Socket } from 'node:net'
import type { ConnectionOptions } from 'node:tls'
import { messageOf, ShipperError, systemCode } from '../../core/error.ts'
import type { Clock } from '../../core/services.ts'

export interface ConnectOptions {
  /** Name of the peer in error messages. */
  readonly peer: string
  /** Host and port, or the path of a unix socket. A name is resolved at each call, so a peer that moved is found. */
  readonly target: NetConnectOpts
  /** TLS options; undefined: a plain connection. `node:tls` is loaded only when they are given. */
  readonly tls?: ConnectionOptions | undefined
  /** Longest time until the connection is ready, TLS handshake included. */
  readonly limitMs: number
  /** Idle time before the first TCP keepalive probe, 0: the system's; undefined: no probes. */
  readonly keepAliveMs?: number | undefined
  /** Returns a hint for a system error code, when there is a better one than that of the error code. */
  hint?(systemCode: string | undefined): string | undefined
}

type ConnectCode = 'E_PEER_UNREACHABLE' | 'E_PEER_TIMEOUT'

/** Returns `host:port`, with brackets around an IPv6 address. */
export function formatAddress(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

/**
 * Resolves with a connected socket without Nagle's delay. Rejects, always retryable, with E_PEER_TIMEOUT after `limitMs`,
 * or with E_PEER_UNREACHABLE when the connection fails, is closed before it is ready, or `signal` is aborted. The socket
 * keeps a listener for errors, so an error before the caller adds its own is not thrown.
 */
export async function connectSocket(
  options: ConnectOptions,
  clock: Clock,
  signal: AbortSignal,
): Promise<Socket> {
  const { target, tls, limitMs, keepAliveMs } = options
  const tlsModule = tls === undefined ? undefined : await import('node:tls')
  if (signal.aborted) throw connectError(options, 'E_PEER_UNREACHABLE', 'stopped while connecting')
  return new Promise((resolve, reject) => {
    const socket = tlsModule === undefined ? connect(target) : tlsModule.connect({ ...target, ...tls })
    const timer = clock.after(limitMs, () => fail('E_PEER_TIMEOUT', `no connection within ${limitMs} ms`))
    const abort = () => fail('E_PEER_UNREACHABLE', 'stopped while connecting')
    let settled = false
    function settle(): boolean {
      if (settled) return false
      settled = true
      clock.cancel(timer)
      signal.removeEventListener('abort', abort)
      return true
    }
    function fail(code: ConnectCode, reason: string, cause?: unknown): void {
      if (!settle()) return
      socket.destroy()
      reject(connectError(options, code, reason, cause))
    }
    signal.addEventListener('abort', abort, { once: true })
    // Never removed: there must be no moment without a listener for errors.
    socket.on('error', (error) => fail('E_PEER_UNREACHABLE', messageOf(error), error))
    socket.once('close', () => fail('E_PEER_UNREACHABLE', 'the peer closed the connection'))
    socket.once(tlsModule === undefined ? 'connect' : 'secureConnect', () => {
      if (!settle()) return
      socket.setNoDelay(true)
      if (keepAliveMs !== undefined) socket.setKeepAlive(true, keepAliveMs)
      resolve(socket)
    })
  })
}

function connectError(
  { peer, hint }: ConnectOptions,
  code: ConnectCode,
  reason: string,
  cause?: unknown,
): ShipperError {
  const text = hint?.(systemCode(cause))
  return new ShipperError(code, `cannot connect to ${peer}: ${reason}`, {
    retryable: true,
    scope: 'peer',
    cause,
    ...(text === undefined ? {} : { hint: text }),
  })
}
