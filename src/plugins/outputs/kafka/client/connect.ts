import type { Socket } from 'node:net'
import type { Clock } from '../../../../core/services.ts'
import { connectSocket, formatAddress } from '../../../../lib/net/connect.ts'
import type { Address, KafkaSettings } from '../settings.ts'

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
    tls: settings.tls?.connectionOptions(address.host),
    limitMs: settings.connectTimeoutMs,
    keepAliveMs: KEEPALIVE_MS,
  }
  return connectSocket(options, clock, signal)
}
