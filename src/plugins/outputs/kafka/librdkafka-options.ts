import { ShipperError } from '../../../core/error.ts'
import { camelName, defineOptions, type OptionsOf } from '../../../core/options/option.ts'

const REFUSED_PREFIX = 'Refused: '

/**
 * librdkafka's names as fluent-bit passes them on. Those with an equal of the same form are aliases in options.ts; here
 * are those in other units, those without effect here, and those that are refused with the name of what does it.
 */
export const RDKAFKA_OPTIONS = defineOptions({
  'rdkafka.security.protocol': {
    type: 'enum',
    values: ['plaintext', 'ssl', 'sasl_plaintext', 'sasl_ssl'],
    help: 'As Tls and Sasl_Mechanism together.',
  },
  'rdkafka.request.timeout.ms': { type: 'int', min: 100, help: 'As Request_Timeout, in milliseconds.' },
  'rdkafka.socket.timeout.ms': { type: 'int', min: 100, help: 'As Request_Timeout, in milliseconds.' },
  'rdkafka.socket.connection.setup.timeout.ms': {
    type: 'int',
    min: 1,
    help: 'As net.connect_timeout, in milliseconds.',
  },
  'rdkafka.metadata.max.age.ms': { type: 'int', min: 1000, help: 'As Metadata_Max_Age, in milliseconds.' },
  'rdkafka.topic.metadata.refresh.interval.ms': {
    type: 'int',
    min: 1000,
    help: 'As Metadata_Max_Age, in milliseconds.',
  },
  'rdkafka.partitioner': {
    type: 'enum',
    values: ['murmur2', 'murmur2_random'],
    help: 'Both are Partitioner murmur2. librdkafka’s own default hashes otherwise than Java: records of a key move to another partition.',
  },
  'rdkafka.ssl.endpoint.identification.algorithm': {
    type: 'enum',
    values: ['none', 'https'],
    help: '`none`: as tls.verify_hostname off.',
  },
  ...ignoredOption('linger.ms', 'Flush of [SERVICE] says how long records are collected'),
  ...ignoredOption('queue.buffering.max.ms', 'Flush of [SERVICE] says how long records are collected'),
  ...ignoredOption('queue.buffering.max.messages', 'Mem_Buf_Limit and Memory_Limit are the limits'),
  ...ignoredOption('queue.buffering.max.kbytes', 'Mem_Buf_Limit and Memory_Limit are the limits'),
  ...ignoredOption('batch.num.messages', 'Batch_Max_Bytes is the limit'),
  ...ignoredOption('message.timeout.ms', 'nothing is given up for its age: see Retry_Limit'),
  ...ignoredOption('delivery.timeout.ms', 'nothing is given up for its age: see Retry_Limit'),
  ...ignoredOption('retries', 'Retry_Limit says how often'),
  ...ignoredOption('message.send.max.retries', 'Retry_Limit says how often'),
  ...ignoredOption('retry.backoff.ms', 'scheduler.base of [SERVICE] says how long to wait'),
  ...ignoredOption('retry.backoff.max.ms', 'scheduler.cap of [SERVICE] says how long to wait'),
  ...ignoredOption('reconnect.backoff.ms', 'scheduler.base of [SERVICE] says how long to wait'),
  ...ignoredOption('reconnect.backoff.max.ms', 'a peer that is away is asked at least once a second'),
  ...ignoredOption('log_level', 'Log_Level is the option'),
  ...ignoredOption('log.connection.close', 'connections are counted in the metrics'),
  ...ignoredOption('debug', 'Log_Level debug is the option'),
  ...ignoredOption('statistics.interval.ms', 'the metrics endpoints have the figures'),
  ...ignoredOption('socket.keepalive.enable', 'it is always on'),
  ...ignoredOption('socket.nagle.disable', 'it is always off'),
  ...ignoredOption(
    'compression.level',
    'level 1: higher ones cost three times the CPU for a tenth fewer bytes',
  ),
  ...ignoredOption('broker.address.family', 'the system resolves names'),
  ...ignoredOption('api.version.request', 'the broker is always asked'),
  ...ignoredOption('broker.version.fallback', 'Kafka 2.1 or newer is needed'),
  ...ignoredOption(
    'sticky.partitioning.linger.ms',
    'records without a key change their partition with each chunk',
  ),
  ...ignoredOption(
    'connections.max.idle.ms',
    'a connection that a broker closes is opened again when it is needed',
  ),
  ...ignoredOption('message.copy.max.bytes', 'a record is copied once, into its batch'),
  ...ignoredOption('queuing.strategy', 'records go in their order'),
  ...ignoredOption('enable.gapless.guarantee', 'order is kept, and nothing is left out, in any case'),
  ...ignoredOption('socket.send.buffer.bytes', 'the system sizes the buffers of sockets'),
  ...ignoredOption('socket.receive.buffer.bytes', 'the system sizes the buffers of sockets'),
  ...ignoredOption('socket.max.fails', 'a request without an answer in time closes its connection'),
  ...ignoredOption('client.rack', 'only consumers are served by the nearest replica'),
  ...refusedOption('ssl.truststore.location', 'use tls.ca_file with a PEM file'),
  ...refusedOption('ssl.cipher.suites', 'leave it out: TLS 1.2 and 1.3 with their usual ciphers are offered'),
  ...refusedOption('sasl.jaas.config', 'use Sasl_Mechanism, Sasl_Username and Sasl_Password'),
  ...refusedOption('transactional.id', 'there are no transactions; use Idempotence and Position_Headers'),
  ...refusedOption('sasl.kerberos.service.name', 'use Sasl_Mechanism SCRAM-SHA-512'),
  ...refusedOption('sasl.oauthbearer.config', 'use Sasl_Mechanism SCRAM-SHA-512'),
  ...refusedOption('sasl.oauthbearer.method', 'use Sasl_Mechanism SCRAM-SHA-512'),
  ...refusedOption('ssl.keystore.location', 'use tls.crt_file and tls.key_file with PEM files'),
  ...refusedOption('ssl.keystore.password', 'use tls.crt_file and tls.key_file with PEM files'),
  ...refusedOption('ssl.ca.pem', 'use tls.ca_file with a file'),
  ...refusedOption('ssl.certificate.pem', 'use tls.crt_file with a file'),
  ...refusedOption('ssl.key.pem', 'use tls.key_file with a file'),
  ...refusedOption('ssl.crl.location', 'use short-lived certificates: revocation lists are not read'),
  ...refusedOption('plugin.library.paths', 'there is no librdkafka to load plugins into'),
})

type RdkafkaOptions = OptionsOf<typeof RDKAFKA_OPTIONS>

function ignoredOption<const N extends string>(name: N, why: string) {
  const option = { type: 'string', help: 'Of librdkafka.', ignored: why } as const
  return { [`rdkafka.${name}`]: option } as { [K in `rdkafka.${N}`]: typeof option }
}

function refusedOption<const N extends string>(name: N, instead: string) {
  const option = { type: 'string', help: `${REFUSED_PREFIX}${instead}.` } as const
  return { [`rdkafka.${name}`]: option } as { [K in `rdkafka.${N}`]: { type: 'string'; help: string } }
}

/** What the names in other units come to; throws E_CONFIG_BAD_VALUE for a refused one. */
export interface LibrdkafkaSettings {
  requestTimeoutMs: number | undefined
  connectTimeoutMs: number | undefined
  metadataMaxAgeMs: number | undefined
  tls: boolean | undefined
  sasl: boolean | undefined
  verifyHostname: boolean | undefined
}

export function translateLibrdkafka(o: RdkafkaOptions, given: Record<string, unknown>): LibrdkafkaSettings {
  for (const [name, option] of Object.entries(RDKAFKA_OPTIONS)) {
    if (!option.help.startsWith(REFUSED_PREFIX) || given[camelName(name)] === undefined) continue
    throw new ShipperError('E_CONFIG_BAD_VALUE', `"${name}" is librdkafka’s and has no equal here`, {
      option: name,
      hint: option.help.slice(REFUSED_PREFIX.length, -1),
    })
  }
  const protocol = o.rdkafkaSecurityProtocol
  const identification = o.rdkafkaSslEndpointIdentificationAlgorithm
  return {
    requestTimeoutMs: o.rdkafkaRequestTimeoutMs ?? o.rdkafkaSocketTimeoutMs,
    connectTimeoutMs: o.rdkafkaSocketConnectionSetupTimeoutMs,
    metadataMaxAgeMs: o.rdkafkaMetadataMaxAgeMs ?? o.rdkafkaTopicMetadataRefreshIntervalMs,
    tls: protocol?.endsWith('ssl'),
    sasl: protocol?.startsWith('sasl'),
    verifyHostname: identification === undefined ? undefined : identification === 'https',
  }
}
