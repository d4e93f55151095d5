import { connect, type NetConnectOpts, type Socket } from 'node:net'
import type { ConnectionOptions } from 'node:tls'
import { ShipperError, systemCode } from '../../core/error.ts'
import type { Clock } from '../../core/services.ts'
import { descriptorShortage, isNameFailure, reasonsOf } from './connect-failure.ts'
import { tlsFailureOf } from './tls-failure.ts'

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

type ConnectCode = 'E_PEER_UNREACHABLE' | 'E_PEER_NAME' | 'E_PEER_TIMEOUT'

const NO_DESCRIPTOR_HINT =
  'raise LimitNOFILE of the service (`ulimit -n`), or follow fewer files; the peer was not asked'

const MAPPED = /^::ffff:(?=\d+(?:\.\d+){3}$)/i

/** Returns an address without the prefix that IPv4 peers have on a socket of IPv6. */
export function plainAddress(address: string): string {
  // Most addresses are of IPv4.
  return address.startsWith('::') ? address.replace(MAPPED, '') : address
}

/** Returns `host:port`, with brackets around an IPv6 address that has none, and an address of IPv4 plain. */
export function formatAddress(address: string, port: number): string {
  const host = plainAddress(address)
  return host.includes(':') && !host.startsWith('[') ? `[${host}]:${port}` : `${host}:${port}`
}

/**
 * Resolves with a connected socket without Nagle's delay. Rejects, always retryable, with E_PEER_TIMEOUT after `limitMs`,
 * with E_PEER_NAME when the name cannot be resolved, or with E_PEER_UNREACHABLE when the connection fails, is closed before
 * it is ready, or `signal` is aborted. The socket keeps a listener for errors, so an error before the caller adds its own
 * is not thrown.
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
    socket.on('error', (error) => {
      if (settle()) {
        socket.destroy()
        reject(failureOf(options, error))
      }
    })
    socket.once('close', () => fail('E_PEER_UNREACHABLE', 'the peer closed the connection'))
    socket.once(tlsModule === undefined ? 'connect' : 'secureConnect', () => {
      if (!settle()) return
      socket.setNoDelay(true)
      if (keepAliveMs !== undefined) socket.setKeepAlive(true, keepAliveMs)
      resolve(socket)
    })
  })
}

/** Returns the error of a connection that the system did not make. */
function failureOf(options: ConnectOptions, error: unknown): ShipperError {
  const shortage = descriptorShortage(error)
  if (shortage !== undefined) {
    const own = { ...options, hint: () => NO_DESCRIPTOR_HINT }
    return connectError(own, 'E_PEER_UNREACHABLE', shortage, error)
  }
  const failure = options.tls === undefined ? undefined : tlsFailureOf(error)
  if (failure !== undefined) {
    const explained = { ...options, hint: () => failure.hint }
    return connectError(explained, 'E_PEER_UNREACHABLE', failure.reason, error)
  }
  const code = isNameFailure(error) ? 'E_PEER_NAME' : 'E_PEER_UNREACHABLE'
  return connectError(options, code, reasonsOf(error), error)
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
