import { createPrivateKey } from 'node:crypto'
import { messageOf, ShipperError } from '../../../core/error.ts'
import { maskValue } from '../../../core/mask-secrets.ts'
import { FsFailure, readWhole } from '../../../lib/fs/file-system.ts'
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

export interface TlsFiles {
  verify: boolean
  verifyHostname: boolean
  serverName: string | undefined
  ca: Buffer | undefined
  cert: Buffer | undefined
  key: Buffer | undefined
  passphrase: string | undefined
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
  tls: TlsFiles | undefined
  sasl: Sasl | undefined
}

const BROKER_ADDRESS = /^(?:([^:[\]]+)|\[([0-9a-fA-F:.]+)\])(?::(\d{1,5}))?$/
const DEFAULT_PORT = 9092

/**
 * Returns the settings for the options. Throws E_CONFIG_BAD_VALUE for options that contradict each other, and
 * E_CONFIG_UNREADABLE for a file that cannot be read.
 */
export function settingsOf(options: KafkaOptions): KafkaSettings {
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
    tls: (rdkafka.tls ?? options.tls) ? tlsSettings(options, rdkafka.verifyHostname) : undefined,
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

function tlsSettings(options: KafkaOptions, verifyHostname: boolean | undefined): TlsFiles {
  if ((options.tlsCrtFile === undefined) !== (options.tlsKeyFile === undefined))
    throw badValue(
      'tls.crt_file',
      'a client certificate requires its private key',
      'set both tls.crt_file and tls.key_file',
    )
  return {
    verify: options.tlsVerify,
    verifyHostname: verifyHostname ?? options.tlsVerifyHostname,
    serverName: options.tlsVhost,
    ca: readOptionFile('tls.ca_file', options.tlsCaFile),
    cert: readOptionFile('tls.crt_file', options.tlsCrtFile),
    key: readPrivateKey(options),
    passphrase: options.tlsKeyPasswd,
  }
}

/** Reads and checks the private key at startup: a failing TLS connection would not name the file or the passphrase. */
function readPrivateKey(options: KafkaOptions): Buffer | undefined {
  const key = readOptionFile('tls.key_file', options.tlsKeyFile)
  if (key === undefined) return undefined
  try {
    createPrivateKey({
      key,
      ...(options.tlsKeyPasswd === undefined ? {} : { passphrase: options.tlsKeyPasswd }),
    })
  } catch (error) {
    const message = `tls.key_file ${options.tlsKeyFile} is not a private key, or tls.key_passwd is wrong: ${messageOf(error)}`
    throw new ShipperError('E_CONFIG_BAD_VALUE', message, { option: 'tls.key_file', cause: error })
  }
  return key
}

/** Maximum size of a file with certificates or a key: more than all authorities of a system together. */
const MAX_TLS_FILE_BYTES = 4_000_000

function readOptionFile(option: string, path: string | undefined): Buffer | undefined {
  if (path === undefined) return undefined
  const content = readWhole(path, MAX_TLS_FILE_BYTES)
  if (!(content instanceof FsFailure) && content.length > 0) return content
  const reason = content instanceof FsFailure ? content.message : 'it is empty'
  throw new ShipperError('E_CONFIG_UNREADABLE', `cannot read ${option} ${path}: ${reason}`, { option })
}

function badValue(option: string, message: string, hint: string): ShipperError {
  return new ShipperError('E_CONFIG_BAD_VALUE', message, { option, hint })
}
