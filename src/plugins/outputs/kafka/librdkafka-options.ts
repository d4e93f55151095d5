import { ShipperError } from '../../../core/error.ts'
import { camelName, defineOptions, type OptionsOf } from '../../../core/options/option.ts'

const REFUSED = 'Refused: '

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
  ...nothing('linger.ms', 'Flush of [SERVICE] says how long records are collected'),
  ...nothing('queue.buffering.max.ms', 'Flush of [SERVICE] says how long records are collected'),
  ...nothing('queue.buffering.max.messages', 'Mem_Buf_Limit and Memory_Limit are the limits'),
  ...nothing('queue.buffering.max.kbytes', 'Mem_Buf_Limit and Memory_Limit are the limits'),
  ...nothing('batch.num.messages', 'Batch_Max_Bytes is the limit'),
  ...nothing('message.timeout.ms', 'nothing is given up for its age: see Retry_Limit'),
  ...nothing('delivery.timeout.ms', 'nothing is given up for its age: see Retry_Limit'),
  ...nothing('retries', 'Retry_Limit says how often'),
  ...nothing('message.send.max.retries', 'Retry_Limit says how often'),
  ...nothing('retry.backoff.ms', 'scheduler.base of [SERVICE] says how long to wait'),
  ...nothing('retry.backoff.max.ms', 'scheduler.cap of [SERVICE] says how long to wait'),
  ...nothing('reconnect.backoff.ms', 'scheduler.base of [SERVICE] says how long to wait'),
  ...nothing('reconnect.backoff.max.ms', 'a peer that is away is asked at least once a second'),
  ...nothing('log_level', 'Log_Level is the option'),
  ...nothing('log.connection.close', 'connections are counted in the metrics'),
  ...nothing('debug', 'Log_Level debug is the option'),
  ...nothing('statistics.interval.ms', 'the metrics endpoints have the figures'),
  ...nothing('socket.keepalive.enable', 'it is always on'),
  ...nothing('socket.nagle.disable', 'it is always off'),
  ...nothing('compression.level', 'level 1: higher ones cost three times the CPU for a tenth fewer bytes'),
  ...nothing('broker.address.family', 'the system resolves names'),
  ...nothing('api.version.request', 'the broker is always asked'),
  ...nothing('broker.version.fallback', 'Kafka 2.1 or newer is needed'),
  ...nothing('sticky.partitioning.linger.ms', 'records without a key change their partition with each chunk'),
  ...nothing(
    'connections.max.idle.ms',
    'a connection that a broker closes is opened again when it is needed',
  ),
  ...nothing('message.copy.max.bytes', 'a record is copied once, into its batch'),
  ...nothing('queuing.strategy', 'records go in their order'),
  ...nothing('enable.gapless.guarantee', 'order is kept, and nothing is left out, in any case'),
  ...nothing('socket.send.buffer.bytes', 'the system sizes the buffers of sockets'),
  ...nothing('socket.receive.buffer.bytes', 'the system sizes the buffers of sockets'),
  ...nothing('socket.max.fails', 'a request without an answer in time closes its connection'),
  ...nothing('client.rack', 'only consumers are served by the nearest replica'),
  ...refused('ssl.truststore.location', 'use tls.ca_file with a PEM file'),
  ...refused('ssl.cipher.suites', 'leave it out: TLS 1.2 and 1.3 with their usual ciphers are offered'),
  ...refused('sasl.jaas.config', 'use Sasl_Mechanism, Sasl_Username and Sasl_Password'),
  ...refused('transactional.id', 'there are no transactions; use Idempotence and Position_Headers'),
  ...refused('sasl.kerberos.service.name', 'use Sasl_Mechanism SCRAM-SHA-512'),
  ...refused('sasl.oauthbearer.config', 'use Sasl_Mechanism SCRAM-SHA-512'),
  ...refused('sasl.oauthbearer.method', 'use Sasl_Mechanism SCRAM-SHA-512'),
  ...refused('ssl.keystore.location', 'use tls.crt_file and tls.key_file with PEM files'),
  ...refused('ssl.keystore.password', 'use tls.crt_file and tls.key_file with PEM files'),
  ...refused('ssl.ca.pem', 'use tls.ca_file with a file'),
  ...refused('ssl.certificate.pem', 'use tls.crt_file with a file'),
  ...refused('ssl.key.pem', 'use tls.key_file with a file'),
  ...refused('ssl.crl.location', 'use short-lived certificates: revocation lists are not read'),
  ...refused('plugin.library.paths', 'there is no librdkafka to load plugins into'),
})

type RdkafkaOptions = OptionsOf<typeof RDKAFKA_OPTIONS>

function nothing<const N extends string>(name: N, why: string) {
  const option = { type: 'string', help: 'Of librdkafka.', ignored: why } as const
  return { [`rdkafka.${name}`]: option } as { [K in `rdkafka.${N}`]: typeof option }
}

function refused<const N extends string>(name: N, instead: string) {
  const option = { type: 'string', help: `${REFUSED}${instead}.` } as const
  return { [`rdkafka.${name}`]: option } as { [K in `rdkafka.${N}`]: { type: 'string'; help: string } }
}

/** What the names in other units come to; throws E_CONFIG_BAD_VALUE for a refused one. */
interface Translated {
  requestTimeoutMs: number | undefined
  connectTimeoutMs: number | undefined
  metadataMaxAgeMs: number | undefined
  tls: boolean | undefined
  sasl: boolean | undefined
  verifyHostname: boolean | undefined
}

export function translate(o: RdkafkaOptions, given: Record<string, unknown>): Translated {
  for (const [name, option] of Object.entries(RDKAFKA_OPTIONS)) {
    if (!option.help.startsWith(REFUSED) || given[camelName(name)] === undefined) continue
    throw new ShipperError('E_CONFIG_BAD_VALUE', `"${name}" is librdkafka’s and has no equal here`, {
      option: name,
      hint: option.help.slice(REFUSED.length, -1),
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
