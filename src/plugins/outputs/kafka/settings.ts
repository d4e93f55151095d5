import { createPrivateKey } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { messageOf, ShipperError } from '../../../core/error.ts'
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

/** What connections need to know: options of both kinds of names, checked against each other. */
export interface Settings {
  brokers: Address[]
  clientId: string
  /** -1: all in sync. */
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

/** Throws E_CONFIG_BAD_VALUE for options that do not go together, E_CONFIG_UNREADABLE for a file. */
export function settingsOf(o: KafkaOptions): Settings {
  const other = translateLibrdkafka(o, o)
  const acks = o.acks === 'all' ? -1 : Number(o.acks)
  if (o.idempotence === true && acks !== -1)
    throw badValue('idempotence', `idempotence needs acks all, not ${o.acks}`, 'leave one of the two out')
  return {
    brokers: o.brokers.map(parseBroker),
    clientId: o.clientId,
    acks,
    idempotent: o.idempotence ?? acks === -1,
    maxInFlight: o.maxInFlight,
    requestTimeoutMs: other.requestTimeoutMs ?? o.requestTimeout,
    connectTimeoutMs: other.connectTimeoutMs ?? o.netConnectTimeout,
    metadataMaxAgeMs: other.metadataMaxAgeMs ?? o.metadataMaxAge,
    createTopics: o.allowAutoCreateTopics,
    tls: (other.tls ?? o.tls) ? tlsSettings(o, other.verifyHostname) : undefined,
    sasl: saslSettings(o, other.sasl),
  }
}

function parseBroker(text: string): Address {
  const match = BROKER_ADDRESS.exec(text)
  const port = Number(match?.[3] ?? DEFAULT_PORT)
  if (match === null || port < 1 || port > 65535)
    throw badValue(
      'brokers',
      `"${text}" in brokers is not host:port`,
      'write host:port, or [address]:port for IPv6',
    )
  return { host: match[1] ?? match[2] ?? '', port }
}

function saslSettings(o: KafkaOptions, wanted: boolean | undefined): Sasl | undefined {
  if (wanted === false || (wanted === undefined && o.saslMechanism === undefined)) return undefined
  if (o.saslUsername === undefined || o.saslPassword === undefined)
    throw badValue(
      'sasl_mechanism',
      'SASL needs a name and a password',
      'set Sasl_Username and Sasl_Password',
    )
  return { mechanism: o.saslMechanism ?? 'PLAIN', user: o.saslUsername, password: o.saslPassword }
}

function tlsSettings(o: KafkaOptions, verifyHostname: boolean | undefined): TlsFiles {
  if ((o.tlsCrtFile === undefined) !== (o.tlsKeyFile === undefined))
    throw badValue(
      'tls.crt_file',
      'a certificate of ours needs its key',
      'set both tls.crt_file and tls.key_file',
    )
  return {
    verify: o.tlsVerify,
    verifyHostname: verifyHostname ?? o.tlsVerifyHostname,
    serverName: o.tlsVhost,
    ca: readOptionFile('tls.ca_file', o.tlsCaFile),
    cert: readOptionFile('tls.crt_file', o.tlsCrtFile),
    key: readPrivateKey(o),
    passphrase: o.tlsKeyPasswd,
  }
}

/** Opened once before the start: a connection would only say that something could not be decrypted. */
function readPrivateKey(o: KafkaOptions): Buffer | undefined {
  const key = readOptionFile('tls.key_file', o.tlsKeyFile)
  if (key === undefined) return undefined
  try {
    createPrivateKey({ key, ...(o.tlsKeyPasswd === undefined ? {} : { passphrase: o.tlsKeyPasswd }) })
  } catch (error) {
    const message = `tls.key_file ${o.tlsKeyFile} is no key, or tls.key_passwd does not open it: ${messageOf(error)}`
    throw new ShipperError('E_CONFIG_BAD_VALUE', message, { option: 'tls.key_file', cause: error })
  }
  return key
}

function readOptionFile(option: string, path: string | undefined): Buffer | undefined {
  if (path === undefined) return undefined
  try {
    return readFileSync(path)
  } catch (error) {
    const message = `cannot read ${option} ${path}: ${messageOf(error)}`
    throw new ShipperError('E_CONFIG_UNREADABLE', message, { option, cause: error })
  }
}

function badValue(option: string, message: string, hint: string): ShipperError {
  return new ShipperError('E_CONFIG_BAD_VALUE', message, { option, hint })
}
