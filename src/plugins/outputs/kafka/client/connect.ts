import { connect, isIP, type Socket } from 'node:net'
import type { ConnectionOptions } from 'node:tls'
import { messageOf, ShipperError } from '../../../../core/error.ts'
import type { Clock } from '../../../../core/services.ts'
import type { Address, Settings, TlsFiles } from '../settings.ts'

/** How a broker is called in messages. */
export function brokerName({ host, port }: Address): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

/**
 * A connected socket, behind TLS when that is asked for. Rejects, always retryable, with E_PEER_UNREACHABLE or, after
 * net.connect_timeout, E_PEER_TIMEOUT.
 */
export async function connectSocket(
  address: Address,
  s: Settings,
  clock: Clock,
  signal: AbortSignal,
): Promise<Socket> {
  const tls = s.tls === undefined ? undefined : await import('node:tls')
  return new Promise((resolve, reject) => {
    const socket =
      tls === undefined || s.tls === undefined ? connect(address) : tls.connect(tlsOptions(address, s.tls))
    const timer = clock.after(s.connectTimeoutMs, () =>
      fail('E_PEER_TIMEOUT', `no connection in ${s.connectTimeoutMs} ms`),
    )
    const abort = () => fail('E_PEER_UNREACHABLE', 'stopped while connecting')
    let settled = false
    function done(): boolean {
      if (settled) return false
      settled = true
      clock.cancel(timer)
      signal.removeEventListener('abort', abort)
      return true
    }
    function fail(code: 'E_PEER_TIMEOUT' | 'E_PEER_UNREACHABLE', why: string, cause?: unknown): void {
      if (!done()) return
      socket.destroy()
      const message = `cannot connect to ${brokerName(address)}: ${why}`
      reject(new ShipperError(code, message, { retryable: true, scope: 'peer', cause }))
    }
    signal.addEventListener('abort', abort, { once: true })
    // Stays for the life of the socket: there is no moment at which an error would have no listener.
    socket.on('error', (error) => fail('E_PEER_UNREACHABLE', messageOf(error), error))
    socket.once('close', () => fail('E_PEER_UNREACHABLE', 'the broker closed the connection'))
    socket.once(tls === undefined ? 'connect' : 'secureConnect', () => {
      if (!done()) return
      socket.setNoDelay(true)
      socket.setKeepAlive(true, 60_000)
      resolve(socket)
    })
    if (signal.aborted) abort()
  })
}

function tlsOptions(address: Address, files: TlsFiles): ConnectionOptions {
  const serverName = files.serverName ?? address.host
  return {
    ...address,
    rejectUnauthorized: files.verify,
    // An address is no server name (RFC 6066), but the certificate may be for it.
    ...(isIP(serverName) === 0 ? { servername: serverName } : {}),
    ...(files.verifyHostname ? {} : { checkServerIdentity: () => undefined }),
    ...(files.ca === undefined ? {} : { ca: files.ca }),
    ...(files.cert === undefined ? {} : { cert: files.cert }),
    ...(files.key === undefined ? {} : { key: files.key }),
    ...(files.passphrase === undefined ? {} : { passphrase: files.passphrase }),
  }
}
