import { defineOptions, type OptionsOf } from '../../../core/options/option.ts'
import { tlsClientOptions } from '../../../lib/net/tls-client.ts'
import { RDKAFKA_OPTIONS } from './librdkafka-options.ts'

/** TLS is on by an option of librdkafka, too. */
const TLS = tlsClientOptions({ tls: ['true'], 'rdkafka.security.protocol': ['ssl', 'sasl_ssl'] })

/** Options of the output, under fluent-bit's names where it has one. The help mentions defaults that differ. */
export const KAFKA_OPTIONS = defineOptions({
  brokers: {
    type: 'clist',
    default: '127.0.0.1:9092',
    aliases: ['rdkafka.bootstrap.servers', 'rdkafka.metadata.broker.list'],
    help: 'One or more brokers as `host:port`, separated by commas; the others of the cluster are discovered. The default port is 9092.',
  },
  topics: {
    type: 'clist',
    default: 'fluent-bit',
    help: 'Topic, or several separated by commas: then Topic_Key selects one, and records without a match go to the first. `$TAG` is replaced by the tag of the records; characters that are not allowed in topic names become `_`.',
  },
  topic_key: {
    type: 'string',
    help: 'Key (or record accessor) of the field that holds the topic of the record, which must be one of Topics.',
  },
  dynamic_topic: {
    type: 'bool',
    default: 'false',
    help: 'Allow Topic_Key to select any topic, not only those of Topics.',
  },
  format: {
    type: 'enum',
    values: ['json', 'msgpack', 'raw', 'gelf'],
    default: 'json',
    help: 'Format of the Kafka record’s value: the record as JSON or MessagePack, one field of it unchanged (raw), or GELF 1.1.',
  },
  raw_log_key: {
    type: 'string',
    default: 'log',
    help: 'Key (or record accessor) of the field to send with `format raw`. A record without it is sent completely, as JSON.',
  },
  message_key: {
    type: 'string',
    help: 'Key of every Kafka record; `$TAG` is replaced by the tag. Records with equal keys go to the same partition.',
  },
  message_key_field: {
    type: 'string',
    help: 'Key (or record accessor) of the field to use as the Kafka record’s key; a record without it gets Message_Key, or no key.',
  },
  timestamp_key: {
    type: 'string',
    default: '@timestamp',
    help: 'Field in which `json` and `msgpack` add the record’s time; `off`, `false` or an empty value add none. The timestamp of the Kafka record is always the record’s time.',
  },
  timestamp_format: {
    type: 'enum',
    values: ['double', 'iso8601', 'iso8601_ns'],
    default: 'double',
    help: 'Format of Timestamp_Key: seconds as a number, or ISO 8601 text with milliseconds or nanoseconds.',
  },
  gelf_host_key: {
    type: 'string',
    default: 'host',
    help: 'Field to use as GELF `host`; the hostname for records without it.',
  },
  gelf_short_message_key: {
    type: 'string',
    default: 'short_message',
    help: 'Field to use as GELF `short_message`; for records without it the field `log` or `message`, or `-`.',
  },
  gelf_full_message_key: {
    type: 'string',
    default: 'full_message',
    help: 'Field to use as GELF `full_message`.',
  },
  gelf_level_key: { type: 'string', default: 'level', help: 'Field to use as GELF `level`, from 0 to 7.' },
  compression: {
    type: 'enum',
    values: ['none', 'gzip', 'snappy', 'lz4', 'zstd'],
    default: 'none',
    aliases: ['rdkafka.compression.codec', 'rdkafka.compression.type'],
    help: 'Compression of the batches. In this agent zstd needs the least CPU and compresses best: it is native code.',
  },
  acks: {
    type: 'enum',
    values: ['all', '-1', '1', '0'],
    default: 'all',
    aliases: ['rdkafka.acks', 'rdkafka.request.required.acks'],
    help: 'Replicas that must acknowledge a batch before it counts as delivered: all in-sync replicas, the leader (1), none (0). With less than all, a broker failure can lose records.',
  },
  idempotence: {
    type: 'bool',
    aliases: ['rdkafka.enable.idempotence'],
    help: 'Idempotent producer: batches carry sequence numbers, and the broker drops duplicates. Default: on if Acks is all. Without it only one batch per partition is in flight, and retries can cause duplicates.',
  },
  max_in_flight: {
    type: 'int',
    default: '5',
    min: 1,
    max: 5,
    aliases: ['rdkafka.max.in.flight.requests.per.connection', 'rdkafka.max.in.flight'],
    help: 'Maximum unacknowledged requests per broker. Brokers detect duplicates only among the last five batches of a producer.',
  },
  batch_max_bytes: {
    type: 'size',
    default: '1000000',
    min: 1024,
    max: 100_000_000,
    aliases: ['rdkafka.message.max.bytes'],
    help: 'Maximum size of a batch before compression. The broker’s limit is message.max.bytes (1048588); a batch that it rejects as too large is split. A single record may be larger.',
  },
  partitioner: {
    type: 'enum',
    values: ['murmur2', 'sticky'],
    default: 'murmur2',
    help: 'How the partition is chosen. murmur2: by a hash of the key, as in Java clients; records without a key go to one partition per chunk, in turn. sticky: all records go to one partition per chunk, in turn.',
  },
  position_headers: {
    type: 'bool',
    default: 'false',
    help: 'Add the headers `agent`, `file`, `file_id` and `offset` to each Kafka record, as far as the record has the fields. Duplicates have the same `agent`, `file_id` and `offset`, and different lines never do, except in files that were truncated in place. Set Path_Key, File_Id_Key and Offset_Key of the tail input to the names below.',
  },
  position_file_key: { type: 'string', default: 'file', help: 'Field to use for the header `file`.' },
  position_id_key: { type: 'string', default: 'file_id', help: 'Field to use for the header `file_id`.' },
  position_offset_key: { type: 'string', default: 'offset', help: 'Field to use for the header `offset`.' },
  client_id: {
    type: 'string',
    default: 'shipper',
    aliases: ['rdkafka.client.id'],
    help: 'Name of this client in the broker’s logs, metrics and quotas.',
  },
  allow_auto_create_topics: {
    type: 'bool',
    default: 'true',
    aliases: ['rdkafka.allow.auto.create.topics'],
    help: 'Let the broker create missing topics, if its auto.create.topics.enable is on.',
  },
  request_timeout: {
    type: 'time',
    default: '30',
    min: 100,
    help: 'Maximum wait for a response; after that the connection is closed, and unacknowledged batches are sent again, unchanged.',
  },
  metadata_max_age: {
    type: 'time',
    default: '300',
    min: 1000,
    help: 'Interval of the metadata refresh, which discovers new partitions.',
  },
  ...TLS,
  'tls.verify': { ...TLS['tls.verify'], aliases: ['rdkafka.enable.ssl.certificate.verification'] },
  'tls.ca_file': { ...TLS['tls.ca_file'], aliases: ['rdkafka.ssl.ca.location'] },
  'tls.crt_file': { ...TLS['tls.crt_file'], aliases: ['rdkafka.ssl.certificate.location'] },
  'tls.key_file': { ...TLS['tls.key_file'], aliases: ['rdkafka.ssl.key.location'] },
  'tls.key_passwd': { ...TLS['tls.key_passwd'], aliases: ['rdkafka.ssl.key.password'] },
  'tls.ciphers': { ...TLS['tls.ciphers'], aliases: ['rdkafka.ssl.cipher.suites'] },
  sasl_mechanism: {
    type: 'enum',
    values: ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512'],
    aliases: ['rdkafka.sasl.mechanism', 'rdkafka.sasl.mechanisms', 'sasl.mechanism'],
    help: 'SASL mechanism. Default: no authentication.',
  },
  sasl_username: {
    type: 'string',
    aliases: ['rdkafka.sasl.username', 'sasl.username'],
    help: 'Username for SASL.',
  },
  sasl_password: {
    type: 'string',
    secret: true,
    aliases: ['rdkafka.sasl.password', 'sasl.password'],
    help: 'Password for SASL. PLAIN sends it in clear text: use it with TLS.',
  },
  'net.connect_timeout': { type: 'time', default: '10', min: 1, help: 'Maximum time to connect.' },
  queue_full_retries: {
    type: 'string',
    help: 'Retries when the queue of librdkafka is full.',
    ignored: 'inputs pause until the brokers have acknowledged',
  },
  queue_full_warn_interval: {
    type: 'string',
    help: 'Interval of warnings about the full queue of librdkafka.',
    ignored: 'inputs pause until the brokers have acknowledged',
  },
  ...RDKAFKA_OPTIONS,
})

export type KafkaOptions = OptionsOf<typeof KAFKA_OPTIONS>
