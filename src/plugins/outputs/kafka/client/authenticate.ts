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
import type { Sasl, Settings } from '../settings.ts'
import type { BrokerConnection } from './connection.ts'

const UNSUPPORTED_MECHANISM = 33
/** Part of a session's life after which it gets no further request. */
const MAX_SESSION_PART = 0.8

/** The first requests of a connection: does the broker speak our versions, and who are we. Rejects retryable. */
export async function authenticate(connection: BrokerConnection, s: Settings): Promise<void> {
  await checkVersions(connection, s)
  if (s.sasl !== undefined) await saslExchange(connection, s.sasl)
}

async function checkVersions(connection: BrokerConnection, s: Settings): Promise<void> {
  const { error, ranges } = readApiVersions(await connection.request(API_VERSIONS, Buffer.alloc(0)))
  if (error !== 0) throw connection.fail('E_PEER_PROTOCOL', `it answers ApiVersions with ${errorName(error)}`)
  const needed: Api[] = [PRODUCE, METADATA]
  if (s.idempotent) needed.push(INIT_PRODUCER_ID)
  if (s.sasl !== undefined) needed.push(SASL_HANDSHAKE, SASL_AUTHENTICATE)
  for (const { name, key, version } of needed) {
    const range = ranges.find((r) => r.key === key)
    if (range !== undefined && range.min <= version && version <= range.max) continue
    const has = range === undefined ? 'not at all' : `in versions ${range.min} to ${range.max}`
    throw connection.fail('E_PEER_PROTOCOL', `it knows ${name} ${has}, and not version ${version}`)
  }
}

async function saslExchange(connection: BrokerConnection, sasl: Sasl): Promise<void> {
  const body = saslHandshakeBody(sasl.mechanism)
  const { error, mechanisms } = readSaslHandshake(await connection.request(SASL_HANDSHAKE, body))
  if (error !== 0) {
    const why = error === UNSUPPORTED_MECHANISM ? `it takes ${mechanisms.join(', ')}` : errorName(error)
    throw authError(connection, `no authentication with ${sasl.mechanism}: ${why}`)
  }
  const { lifetimeMs } =
    sasl.mechanism === 'PLAIN' ? await plain(connection, sasl) : await scram(connection, sasl)
  if (lifetimeMs > 0) connection.recycleAfter(lifetimeMs * MAX_SESSION_PART)
}

/** RFC 4616: authorization identity (none), name, password, each behind a zero byte. */
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
    const answer = await exchangeToken(connection, await client.final(challenge.token))
    client.verify(answer.token)
    return answer
  } catch (error) {
    throw error instanceof ShipperError ? error : authError(connection, messageOf(error))
  }
}

async function exchangeToken(connection: BrokerConnection, token: Buffer): Promise<SaslResponse> {
  const body = await connection.request(SASL_AUTHENTICATE, saslAuthenticateBody(token))
  const answer = readSaslAuthenticate(body)
  if (answer.error === 0) return answer
  throw authError(connection, `authentication failed: ${answer.message || errorName(answer.error)}`)
}

function authError(connection: BrokerConnection, why: string): ShipperError {
  return connection.fail('E_PEER_AUTH', why)
}
