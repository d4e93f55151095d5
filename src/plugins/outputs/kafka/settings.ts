import { ShipperError } from '../../../core/error.ts'
import { maskValue } from '../../../core/mask-secrets.ts'
import type { Clock, Logger } from '../../../core/services.ts'
import { readTlsClient, type TlsClient } from '../../../lib/net/tls-client.ts'
import { translateLibrdkafka } from './librdkafka-options.ts'
import type { KafkaOptions } from './options.ts'

export interface Address {
  host: string
  port: number
}

export interface Sasl {
  mechanism: 'PLAIN' | 'SCRAM-SHA-256' | 'SCRAM-SHA-512'
  user: string
  password: string
}

/** Settings of the connections: the options, checked against each other, with those under librdkafka's names applied. */
export interface KafkaSettings {
  brokers: Address[]
  clientId: string
  /** Required acknowledgements; -1: all in-sync replicas. */
  acks: number
  idempotent: boolean
  maxInFlight: number
  requestTimeoutMs: number
  connectTimeoutMs: number
  metadataMaxAgeMs: number
  createTopics: boolean
  tls: TlsClient | undefined
  sasl: Sasl | undefined
}

const BROKER_ADDRESS = /^(?:([^:[\]]+)|\[([0-9a-fA-F:.]+)\])(?::(\d{1,5}))?$/
const DEFAULT_PORT = 9092

/**
 * Returns the settings for the options. Throws E_CONFIG_BAD_VALUE for options that contradict each other, and for files of TLS that
 * cannot be used.
 */
export function settingsOf(
  options: KafkaOptions,
  services: { readonly log: Logger; readonly clock: Clock },
): KafkaSettings {
  const rdkafka = translateLibrdkafka(options)
  const acks = options.acks === 'all' ? -1 : Number(options.acks)
  if (options.idempotence === true && acks !== -1)
    throw badValue(
      'idempotence',
      `idempotence requires acks all, not ${options.acks}`,
      'remove one of the two options',
    )
  return {
    brokers: options.brokers.map(parseBroker),
    clientId: options.clientId,
    acks,
    idempotent: options.idempotence ?? acks === -1,
    maxInFlight: options.maxInFlight,
    requestTimeoutMs: rdkafka.requestTimeoutMs ?? options.requestTimeout,
    connectTimeoutMs: rdkafka.connectTimeoutMs ?? options.netConnectTimeout,
    metadataMaxAgeMs: rdkafka.metadataMaxAgeMs ?? options.metadataMaxAge,
    createTopics: options.allowAutoCreateTopics,
    tls: readTlsClient(
      {
        ...options,
        tls: rdkafka.tls ?? options.tls,
        tlsVerifyHostname: rdkafka.verifyHostname ?? options.tlsVerifyHostname,
      },
      services,
    ),
    sasl: saslSettings(options, rdkafka.sasl),
  }
}

function parseBroker(text: string): Address {
  const match = BROKER_ADDRESS.exec(text)
  const port = Number(match?.[3] ?? DEFAULT_PORT)
  if (match === null || port < 1 || port > 65535)
    throw badValue(
      'brokers',
      `"${maskValue('', text)}" in brokers is not host:port`,
      'write host:port, or [address]:port for IPv6',
    )
  return { host: match[1] ?? match[2] ?? '', port }
}

function saslSettings(options: KafkaOptions, isEnabled: boolean | undefined): Sasl | undefined {
  if (isEnabled === false || (isEnabled === undefined && options.saslMechanism === undefined))
    return undefined
  if (options.saslUsername === undefined || options.saslPassword === undefined)
    throw badValue(
      'sasl_mechanism',
      'SASL requires a username and a password',
      'set Sasl_Username and Sasl_Password',
    )
  return {
    mechanism: options.saslMechanism ?? 'PLAIN',
    user: options.saslUsername,
    password: options.saslPassword,
  }
}

function badValue(option: string, message: string, hint: string): ShipperError {
  return new ShipperError('E_CONFIG_BAD_VALUE', message, { option, hint })
}
