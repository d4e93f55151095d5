import type { NetConnectOpts, Socket } from 'node:net'
import type { Clock } from '../../../core/services.ts'
import { familyOf } from '../../../lib/net/client-options.ts'
import { connectSocket, formatAddress } from '../../../lib/net/connect.ts'
import type { ForwardOutputOptions } from './options.ts'

/** Returns the name of the peer in messages. */
export function peerName({ unixPath, host, port }: ForwardOutputOptions): string {
  return unixPath ?? formatAddress(host, port)
}

/** Connects as the `net.` options say; rejects as `connectSocket` does, with the hints of those options. */
export function connectPeer(
  options: ForwardOutputOptions,
  clock: Clock,
  signal: AbortSignal,
): Promise<Socket> {
  const connection = {
    peer: peerName(options),
    target: target(options),
    limitMs: options.netConnectTimeout,
    keepAliveMs: options.netTcpKeepalive ? Math.max(0, options.netTcpKeepaliveTime) * 1000 : undefined,
    hint: (code: string | undefined) => hintFor(code, options),
  }
  return connectSocket(connection, clock, signal)
}

/** Returns a hint for mistakes that do not concern host, port and network. */
function hintFor(code: string | undefined, options: ForwardOutputOptions): string | undefined {
  const { unixPath, netSourceAddress } = options
  if (unixPath !== undefined) return 'check Unix_Path, its permissions, and that the peer listens on it'
  if (netSourceAddress === undefined || code !== 'EADDRNOTAVAIL') return undefined
  return `Net.Source_Address ${netSourceAddress} is not an address of this machine`
}

function target(options: ForwardOutputOptions): NetConnectOpts {
  const { unixPath, host, port, netSourceAddress } = options
  if (unixPath !== undefined) return { path: unixPath }
  const family = familyOf(options)
  return {
    host,
    port,
    ...(family === undefined ? {} : { family }),
    ...(netSourceAddress === undefined ? {} : { localAddress: netSourceAddress }),
  }
}
