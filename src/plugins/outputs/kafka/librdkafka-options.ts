import { ShipperError } from '../../../core/error.ts'
import { camelName, defineOptions, type OptionsOf } from '../../../core/options/option.ts'

const REJECTED_PREFIX = 'Not supported: '

/**
 * Options of librdkafka, as fluent-bit passes them on. Those with an equivalent of the same form are aliases in
 * options.ts; here are those with other units or values, those that have no effect, and those that are rejected with a
 * hint to the equivalent.
 */
export const RDKAFKA_OPTIONS = defineOptions({
  'rdkafka.security.protocol': {
    type: 'enum',
    values: ['plaintext', 'ssl', 'sasl_plaintext', 'sasl_ssl'],
    help: 'Selects TLS and SASL, as Tls and Sasl_Mechanism do.',
  },
  'rdkafka.request.timeout.ms': { type: 'int', min: 100, help: 'Request_Timeout in milliseconds.' },
  'rdkafka.socket.timeout.ms': { type: 'int', min: 100, help: 'Request_Timeout in milliseconds.' },
  'rdkafka.socket.connection.setup.timeout.ms': {
    type: 'int',
    min: 1,
    help: 'net.connect_timeout in milliseconds.',
  },
  'rdkafka.metadata.max.age.ms': { type: 'int', min: 1000, help: 'Metadata_Max_Age in milliseconds.' },
  'rdkafka.topic.metadata.refresh.interval.ms': {
    type: 'int',
    min: 1000,
    help: 'Metadata_Max_Age in milliseconds.',
  },
  'rdkafka.batch.size': {
    type: 'size',
    min: 1024,
    max: 100_000_000,
    raised: true,
    help: 'Batch_Max_Bytes, or less: the smaller of the two counts.',
  },
  'rdkafka.partitioner': {
    type: 'enum',
    values: ['murmur2', 'murmur2_random'],
    help: 'Both values select Partitioner murmur2. The default of librdkafka is another hash (CRC32), so after a migration from it the records of a key may go to another partition.',
  },
  'rdkafka.ssl.endpoint.identification.algorithm': {
    type: 'enum',
    values: ['none', 'https'],
    help: '`none` is the same as tls.verify_hostname off.',
  },
  ...ignoredOption('linger.ms', 'Flush of [SERVICE] sets how long records are collected'),
  ...ignoredOption('queue.buffering.max.ms', 'Flush of [SERVICE] sets how long records are collected'),
  ...ignoredOption('queue.buffering.max.messages', 'use Mem_Buf_Limit and Memory_Limit'),
  ...ignoredOption('queue.buffering.max.kbytes', 'use Mem_Buf_Limit and Memory_Limit'),
  ...ignoredOption('auto.offset.reset', 'it is for consumers, and this is a producer'),
  ...ignoredOption('batch.num.messages', 'use Batch_Max_Bytes'),
  ...ignoredOption('message.timeout.ms', 'records do not expire: see Retry_Limit'),
  ...ignoredOption('delivery.timeout.ms', 'records do not expire: see Retry_Limit'),
  ...ignoredOption('retries', 'use Retry_Limit'),
  ...ignoredOption('message.send.max.retries', 'use Retry_Limit'),
  ...ignoredOption('retry.backoff.ms', 'use scheduler.base of [SERVICE]'),
  ...ignoredOption('retry.backoff.max.ms', 'use scheduler.cap of [SERVICE]'),
  ...ignoredOption('reconnect.backoff.ms', 'use scheduler.base of [SERVICE]'),
  ...ignoredOption('reconnect.backoff.max.ms', 'use scheduler.cap of [SERVICE]'),
  ...ignoredOption('log_level', 'use Log_Level'),
  ...ignoredOption('log.connection.close', 'the metrics count connections'),
  ...ignoredOption('debug', 'use Log_Level debug'),
  ...ignoredOption('statistics.interval.ms', 'use the metrics endpoints'),
  ...ignoredOption('socket.keepalive.enable', 'keepalive is always on'),
  ...ignoredOption('socket.nagle.disable', 'Nagle’s algorithm is always off'),
  ...ignoredOption(
    'compression.level',
    'level 1 is used: higher levels cost three times the CPU for a tenth fewer bytes',
  ),
  ...ignoredOption('broker.address.family', 'the operating system resolves names'),
  ...ignoredOption('api.version.request', 'API versions are always requested'),
  ...ignoredOption('broker.version.fallback', 'Kafka 2.1 or newer is required'),
  ...ignoredOption(
    'sticky.partitioning.linger.ms',
    'records without a key go to the next partition with each chunk',
  ),
  ...ignoredOption('connections.max.idle.ms', 'a connection closed by the broker is reopened on demand'),
  ...ignoredOption('message.copy.max.bytes', 'each record is copied once, into its batch'),
  ...ignoredOption('queuing.strategy', 'records are sent in order'),
  ...ignoredOption('enable.gapless.guarantee', 'records are always sent in order, without gaps'),
  ...ignoredOption('socket.send.buffer.bytes', 'the operating system sizes socket buffers'),
  ...ignoredOption('socket.receive.buffer.bytes', 'the operating system sizes socket buffers'),
  ...ignoredOption('socket.max.fails', 'a connection is closed when a request times out'),
  ...ignoredOption('client.rack', 'only consumers use the nearest replica'),
  ...rejectedOption('ssl.truststore.location', 'use tls.ca_file with a PEM file'),
  ...rejectedOption('sasl.jaas.config', 'use Sasl_Mechanism, Sasl_Username and Sasl_Password'),
  ...rejectedOption(
    'transactional.id',
    'transactions are not supported; use Idempotence and Position_Headers',
  ),
  ...rejectedOption('sasl.kerberos.service.name', 'use Sasl_Mechanism SCRAM-SHA-512'),
  ...rejectedOption('sasl.oauthbearer.config', 'use Sasl_Mechanism SCRAM-SHA-512'),
  ...rejectedOption('sasl.oauthbearer.method', 'use Sasl_Mechanism SCRAM-SHA-512'),
  ...rejectedOption('ssl.keystore.location', 'use tls.crt_file and tls.key_file with PEM files'),
  ...rejectedOption('ssl.keystore.password', 'use tls.crt_file and tls.key_file with PEM files'),
  ...rejectedOption('ssl.ca.pem', 'use tls.ca_file with a file'),
  ...rejectedOption('ssl.certificate.pem', 'use tls.crt_file with a file'),
  ...rejectedOption('ssl.key.pem', 'use tls.key_file with a file'),
  ...rejectedOption('ssl.crl.location', 'use short-lived certificates: revocation lists are not checked'),
  ...rejectedOption('plugin.library.paths', 'librdkafka is not used, so its plugins cannot be loaded'),
})

type RdkafkaOptions = OptionsOf<typeof RDKAFKA_OPTIONS>

function ignoredOption<const N extends string>(name: N, why: string) {
  const option = { type: 'string', help: 'Option of librdkafka.', ignored: why } as const
  return { [`rdkafka.${name}`]: option } as { [K in `rdkafka.${N}`]: typeof option }
}

function rejectedOption<const N extends string>(name: N, instead: string) {
  const option = { type: 'string', help: `${REJECTED_PREFIX}${instead}.` } as const
  return { [`rdkafka.${name}`]: option } as { [K in `rdkafka.${N}`]: { type: 'string'; help: string } }
}

/** Settings from options of librdkafka with other units or values; undefined where none is set. */
interface LibrdkafkaSettings {
  requestTimeoutMs: number | undefined
  connectTimeoutMs: number | undefined
  metadataMaxAgeMs: number | undefined
  tls: boolean | undefined
  sasl: boolean | undefined
  verifyHostname: boolean | undefined
}

/** Translates the options of this table; throws E_CONFIG_BAD_VALUE for a rejected one. */
export function translateLibrdkafka(options: RdkafkaOptions): LibrdkafkaSettings {
  for (const [name, option] of Object.entries(RDKAFKA_OPTIONS)) {
    if (
      !option.help.startsWith(REJECTED_PREFIX) ||
      options[camelName(name) as keyof RdkafkaOptions] === undefined
    )
      continue
    throw new ShipperError('E_CONFIG_BAD_VALUE', `the librdkafka option "${name}" is not supported`, {
      option: name,
      hint: option.help.slice(REJECTED_PREFIX.length, -1),
    })
  }
  const protocol = options.rdkafkaSecurityProtocol
  const identification = options.rdkafkaSslEndpointIdentificationAlgorithm
  return {
    requestTimeoutMs: options.rdkafkaRequestTimeoutMs ?? options.rdkafkaSocketTimeoutMs,
    connectTimeoutMs: options.rdkafkaSocketConnectionSetupTimeoutMs,
    metadataMaxAgeMs: options.rdkafkaMetadataMaxAgeMs ?? options.rdkafkaTopicMetadataRefreshIntervalMs,
    tls: protocol?.endsWith('ssl'),
    sasl: protocol?.startsWith('sasl'),
    verifyHostname: identification === undefined ? undefined : identification === 'https',
  }
}
