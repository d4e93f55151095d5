import { connect, type NetConnectOpts, type Socket } from 'node:net'
import { messageOf, ShipperError, systemCode } from '../../../core/error.ts'
import type { Clock } from '../../../core/services.ts'
import type { ForwardOptions } from './options.ts'

/** How the peer is called in messages. */
export function peerName(o: ForwardOptions): string {
  return o.unixPath ?? (o.host.includes(':') ? `[${o.host}]:${o.port}` : `${o.host}:${o.port}`)
}

/**
 * A connected socket. The name is resolved anew each time, so a peer that moved is found. Rejects, always retryable,
 * with E_PEER_UNREACHABLE or, after Net.connect_timeout, E_PEER_TIMEOUT.
 */
export function connectPeer(o: ForwardOptions, clock: Clock, signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(target(o))
    const timer = clock.after(o.netConnectTimeout, () =>
      fail('E_PEER_TIMEOUT', `no answer in ${o.netConnectTimeout} ms`),
    )
    const abort = () => fail('E_PEER_UNREACHABLE', 'stopped while connecting')
    signal.addEventListener('abort', abort, { once: true })
    let settled = false
    function done(): boolean {
      if (settled) return false
      settled = true
      clock.cancel(timer)
      signal.removeEventListener('abort', abort)
      return true
    }
    function fail(code: ConnectCode, why: string, cause?: unknown): void {
      if (!done()) return
      socket.destroy()
      reject(unreachable(o, code, why, cause))
    }
    // Stays for the life of the socket: there is no moment at which an error would have no listener.
    socket.on('error', (error) => fail('E_PEER_UNREACHABLE', messageOf(error), error))
    socket.once('connect', () => {
      if (!done()) return
      socket.setNoDelay(true)
      if (o.netTcpKeepalive) socket.setKeepAlive(true, Math.max(0, o.netTcpKeepaliveTime) * 1000)
      resolve(socket)
    })
  })
}

type ConnectCode = 'E_PEER_TIMEOUT' | 'E_PEER_UNREACHABLE'

function unreachable(o: ForwardOptions, code: ConnectCode, why: string, cause?: unknown): ShipperError {
  const message = `cannot connect to ${peerName(o)}: ${why}`
  const hint = hintOf(o, systemCode(cause))
  return new ShipperError(code, message, {
    retryable: true,
    scope: 'peer',
    cause,
    ...(hint === undefined ? {} : { hint }),
  })
}

/** What is not about host, port and network. */
function hintOf(o: ForwardOptions, code: string | undefined): string | undefined {
  if (o.unixPath !== undefined) return 'check Unix_Path, its permissions, and that the peer listens on it'
  if (o.netSourceAddress === undefined || code !== 'EADDRNOTAVAIL') return undefined
  return `Net.Source_Address ${o.netSourceAddress} is not an address of this machine`
}

function target(o: ForwardOptions): NetConnectOpts {
  if (o.unixPath !== undefined) return { path: o.unixPath }
  const family = o.netDnsPreferIpv4 ? 4 : o.netDnsPreferIpv6 ? 6 : undefined
  return {
    host: o.host,
    port: o.port,
    ...(family === undefined ? {} : { family }),
    ...(o.netSourceAddress === undefined ? {} : { localAddress: o.netSourceAddress }),
  }
}
