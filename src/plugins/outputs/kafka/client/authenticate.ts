import { randomBytes } from 'node:crypto'
import { messageOf, ShipperError } from '../../../../core/error.ts'
import { errorName } from '../../../../protocol/kafka/errors.ts'
import {
  API_VERSIONS,
  type Api,
  INIT_PRODUCER_ID,
  METADATA,
  PRODUCE,
  readApiVersions,
  readSaslAuthenticate,
  readSaslHandshake,
  SASL_AUTHENTICATE,
  SASL_HANDSHAKE,
  type SaslResponse,
  saslAuthenticateBody,
  saslHandshakeBody,
} from '../../../../protocol/kafka/requests.ts'
import { ScramClient } from '../../../../protocol/kafka/scram.ts'
import type { KafkaSettings, Sasl } from '../settings.ts'
import type { BrokerConnection } from './connection.ts'

const UNSUPPORTED_MECHANISM = 33
/** Part of the SASL session lifetime after which the connection gets no further request. */
const MAX_SESSION_PART = 0.8

/** Checks the API versions of a broker and authenticates a new connection. Rejects with a retryable ShipperError. */
export async function authenticate(connection: BrokerConnection, settings: KafkaSettings): Promise<void> {
  await checkVersions(connection, settings)
  if (settings.sasl !== undefined) await saslExchange(connection, settings.sasl)
}

async function checkVersions(connection: BrokerConnection, settings: KafkaSettings): Promise<void> {
  const { error, ranges } = readApiVersions(await connection.request(API_VERSIONS, Buffer.alloc(0)))
  if (error !== 0) throw connection.fail('E_PEER_PROTOCOL', `ApiVersions failed with ${errorName(error)}`)
  const needed: Api[] = [PRODUCE, METADATA]
  if (settings.idempotent) needed.push(INIT_PRODUCER_ID)
  if (settings.sasl !== undefined) needed.push(SASL_HANDSHAKE, SASL_AUTHENTICATE)
  for (const { name, key, version } of needed) {
    const range = ranges.find((r) => r.key === key)
    if (range !== undefined && range.min <= version && version <= range.max) continue
    const supported = range === undefined ? 'no version' : `versions ${range.min} to ${range.max}`
    throw connection.fail('E_PEER_PROTOCOL', `needs ${name} version ${version}, broker supports ${supported}`)
  }
}

async function saslExchange(connection: BrokerConnection, sasl: Sasl): Promise<void> {
  const body = saslHandshakeBody(sasl.mechanism)
  const { error, mechanisms } = readSaslHandshake(await connection.request(SASL_HANDSHAKE, body))
  if (error !== 0) {
    const reason =
      error === UNSUPPORTED_MECHANISM ? `broker supports ${mechanisms.join(', ')}` : errorName(error)
    throw authError(connection, `SASL mechanism ${sasl.mechanism} rejected: ${reason}`)
  }
  const { lifetimeMs } =
    sasl.mechanism === 'PLAIN' ? await plain(connection, sasl) : await scram(connection, sasl)
  if (lifetimeMs > 0) connection.recycleAfter(lifetimeMs * MAX_SESSION_PART)
}

/** Authenticates with PLAIN (RFC 4616): an empty authorization identity, user and password, separated by zero bytes. */
function plain(connection: BrokerConnection, { user, password }: Sasl): Promise<SaslResponse> {
  return exchangeToken(connection, Buffer.from(`\0${user}\0${password}`))
}

async function scram(
  connection: BrokerConnection,
  { mechanism, user, password }: Sasl,
): Promise<SaslResponse> {
  const hash = mechanism === 'SCRAM-SHA-256' ? 'sha256' : 'sha512'
  const client = new ScramClient(hash, user, password, randomBytes(18).toString('base64'))
  const challenge = await exchangeToken(connection, client.first())
  try {
    const response = await exchangeToken(connection, await client.final(challenge.token))
    client.verify(response.token)
    return response
  } catch (error) {
    throw error instanceof ShipperError
      ? error
      : authError(connection, `authentication failed: ${messageOf(error)}`)
  }
}

async function exchangeToken(connection: BrokerConnection, token: Buffer): Promise<SaslResponse> {
  const body = await connection.request(SASL_AUTHENTICATE, saslAuthenticateBody(token))
  const response = readSaslAuthenticate(body)
  if (response.error === 0) return response
  throw authError(connection, `authentication failed: ${response.message || errorName(response.error)}`)
}

function authError(connection: BrokerConnection, reason: string): ShipperError {
  return connection.fail('E_PEER_AUTH', reason)
}
