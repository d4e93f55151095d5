import { isIP, type Socket } from 'node:net'
import type { ConnectionOptions } from 'node:tls'
import type { Clock } from '../../../../core/services.ts'
import { connectSocket, formatAddress } from '../../../../lib/net/connect.ts'
import type { Address, KafkaSettings, TlsFiles } from '../settings.ts'

/** Idle time before the first TCP keepalive probe. */
const KEEPALIVE_MS = 60_000

/** Returns the name of a broker in messages. */
export function brokerName({ host, port }: Address): string {
  return formatAddress(host, port)
}

/** Connects to a broker, with TLS when it is configured; rejects as `connectSocket` does. */
export function connectBroker(
  address: Address,
  settings: KafkaSettings,
  clock: Clock,
  signal: AbortSignal,
): Promise<Socket> {
  const options = {
    peer: brokerName(address),
    target: { host: address.host, port: address.port },
    tls: settings.tls === undefined ? undefined : tlsOptions(address, settings.tls),
    limitMs: settings.connectTimeoutMs,
    keepAliveMs: KEEPALIVE_MS,
  }
  return connectSocket(options, clock, signal)
}

function tlsOptions(address: Address, files: TlsFiles): ConnectionOptions {
  const serverName = files.serverName ?? address.host
  return {
    rejectUnauthorized: files.verify,
    // RFC 6066 allows no address as server name, but the certificate may be issued for one.
    ...(isIP(serverName) === 0 ? { servername: serverName } : {}),
    ...(files.verifyHostname ? {} : { checkServerIdentity: () => undefined }),
    ...(files.ca === undefined ? {} : { ca: files.ca }),
    ...(files.cert === undefined ? {} : { cert: files.cert }),
    ...(files.key === undefined ? {} : { key: files.key }),
    ...(files.passphrase === undefined ? {} : { passphrase: files.passphrase }),
  }
}
