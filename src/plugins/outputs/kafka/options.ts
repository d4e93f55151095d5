import { defineOptions, type OptionsOf } from '../../../core/options/option.ts'
import { RDKAFKA_OPTIONS } from './librdkafka-options.ts'

/** fluent-bit's names where it has one; where a default differs the help says so. */
export const KAFKA_OPTIONS = defineOptions({
  brokers: {
    type: 'clist',
    default: '127.0.0.1:9092',
    aliases: ['rdkafka.bootstrap.servers', 'rdkafka.metadata.broker.list'],
    help: 'One or more `host:port`, separated by commas: any of the cluster, the others are learned from it. The port is 9092 if none is given.',
  },
  topics: {
    type: 'clist',
    default: 'fluent-bit',
    help: 'Topic, or several separated by commas: then Topic_Key chooses, and the first is for all others. `$TAG` stands for the tag of the records; what a topic cannot have in its name becomes `_`.',
  },
  topic_key: {
    type: 'string',
    help: 'Key (or record accessor) of the record whose value is the topic, if that is one of Topics.',
  },
  dynamic_topic: {
    type: 'bool',
    default: 'false',
    help: 'Topic_Key may name any topic, not only one of Topics.',
  },
  format: {
    type: 'enum',
    values: ['json', 'msgpack', 'raw', 'gelf'],
    default: 'json',
    help: 'What a value is: the record as JSON or MessagePack, one field of it as it is (raw), or GELF 1.1.',
  },
  raw_log_key: {
    type: 'string',
    default: 'log',
    help: 'Key (or record accessor) of the field that is sent with `format raw`. A record without it is sent whole, as JSON.',
  },
  message_key: {
    type: 'string',
    help: 'Key of every Kafka record; `$TAG` stands for the tag. Records with equal keys come to one partition.',
  },
  message_key_field: {
    type: 'string',
    help: 'Key (or record accessor) of the field that is the Kafka record’s key; a record without it has Message_Key, or none.',
  },
  timestamp_key: {
    type: 'string',
    default: '@timestamp',
    help: 'Key under which `json` and `msgpack` add the record’s time; `off`, `false` or nothing: not added. The Kafka record has it as its timestamp in any case.',
  },
  timestamp_format: {
    type: 'enum',
    values: ['double', 'iso8601', 'iso8601_ns'],
    default: 'double',
    help: 'Form of Timestamp_Key: seconds, or a text with milliseconds or nanoseconds.',
  },
  gelf_host_key: {
    type: 'string',
    default: 'host',
    help: 'Field that is GELF’s host; the hostname if there is none.',
  },
  gelf_short_message_key: {
    type: 'string',
    default: 'short_message',
    help: 'Field that is GELF’s short_message; if there is none `log`, `message`, or a `-`.',
  },
  gelf_full_message_key: {
    type: 'string',
    default: 'full_message',
    help: 'Field that is GELF’s full_message.',
  },
  gelf_level_key: { type: 'string', default: 'level', help: 'Field that is GELF’s level, from 0 to 7.' },
  compression: {
    type: 'enum',
    values: ['none', 'gzip', 'snappy', 'lz4', 'zstd'],
    default: 'none',
    aliases: ['rdkafka.compression.codec', 'rdkafka.compression.type'],
    help: 'Compress the batches. zstd costs least and saves most.',
  },
  acks: {
    type: 'enum',
    values: ['all', '-1', '1', '0'],
    default: 'all',
    aliases: ['rdkafka.acks', 'rdkafka.request.required.acks'],
    help: 'Which replicas must have a batch before it counts as delivered: all in sync, the leader (1), none (0). With less than all, what a broker loses is lost.',
  },
  idempotence: {
    type: 'bool',
    aliases: ['rdkafka.enable.idempotence'],
    help: 'Number the batches so that a broker drops what is sent twice. On, unless Acks is less than all. Without it one batch of a partition is on its way at a time, and what is sent again is there twice.',
  },
  max_in_flight: {
    type: 'int',
    default: '5',
    min: 1,
    max: 5,
    aliases: ['rdkafka.max.in.flight.requests.per.connection', 'rdkafka.max.in.flight'],
    help: 'Most requests to one broker that are not answered. Brokers tell repetitions of no more than five.',
  },
  batch_max_bytes: {
    type: 'size',
    default: '1000000',
    min: 1024,
    max: 100_000_000,
    aliases: ['rdkafka.message.max.bytes', 'rdkafka.batch.size'],
    help: 'Most bytes of a batch before compression. The broker’s limit is message.max.bytes (1048588); a batch that it refuses is cut in two. A single record may be larger.',
  },
  partitioner: {
    type: 'enum',
    values: ['murmur2', 'sticky'],
    default: 'murmur2',
    help: 'How the partition is chosen. murmur2: by the key, as Java’s clients do; records without a key go, a chunk at a time, to one partition after the other. sticky: all records do.',
  },
  position_headers: {
    type: 'bool',
    default: 'false',
    help: 'Give each Kafka record the headers `agent`, `file`, `file_id` and `offset`, those whose field it has. Of repetitions `agent`, `file_id` and `offset` are the same, and of no two lines, but for files that were truncated in their place. Set Path_Key, File_Id_Key and Offset_Key of the tail input to the names below.',
  },
  position_file_key: { type: 'string', default: 'file', help: 'Field for the header `file`.' },
  position_id_key: { type: 'string', default: 'file_id', help: 'Field for the header `file_id`.' },
  position_offset_key: { type: 'string', default: 'offset', help: 'Field for the header `offset`.' },
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
    help: 'Let the broker create a topic that does not exist, if it is set up to.',
  },
  request_timeout: {
    type: 'time',
    default: '30',
    min: 100,
    help: 'Longest wait for an answer; then the connection is closed, and what was on its way is sent again, unchanged.',
  },
  metadata_max_age: {
    type: 'time',
    default: '300',
    min: 1000,
    help: 'Look for new partitions after this time.',
  },
  dead_letter_file: {
    type: 'string',
    help: 'File for records that the brokers will never take (too large, refused), as JSON lines with reason, time and origin. Default: `dead-letters.NAME.jsonl` beside the first offset database.',
  },
  dead_letter_limit: {
    type: 'size',
    default: '100M',
    help: 'Largest size of Dead_Letter_File; what comes after is counted and logged, and not kept.',
  },
  tls: { type: 'bool', default: 'false', help: 'Connect with TLS.' },
  'tls.verify': {
    type: 'bool',
    default: 'true',
    aliases: ['rdkafka.enable.ssl.certificate.verification'],
    help: 'Check the certificate of the broker.',
  },
  'tls.verify_hostname': {
    type: 'bool',
    default: 'true',
    help: 'Check that the certificate is for the name that was connected to.',
  },
  'tls.ca_file': {
    type: 'string',
    aliases: ['rdkafka.ssl.ca.location'],
    help: 'File with the certificates (PEM) that may sign the broker’s. Default: those of the system.',
  },
  'tls.crt_file': {
    type: 'string',
    aliases: ['rdkafka.ssl.certificate.location'],
    help: 'File with our own certificate (PEM).',
  },
  'tls.key_file': {
    type: 'string',
    aliases: ['rdkafka.ssl.key.location'],
    help: 'File with its private key (PEM).',
  },
  'tls.key_passwd': {
    type: 'string',
    secret: true,
    aliases: ['rdkafka.ssl.key.password'],
    help: 'Password of the private key.',
  },
  'tls.vhost': {
    type: 'string',
    help: 'Name to ask for and to check the certificate against, instead of the host.',
  },
  sasl_mechanism: {
    type: 'enum',
    values: ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512'],
    aliases: ['rdkafka.sasl.mechanism', 'rdkafka.sasl.mechanisms', 'sasl.mechanism'],
    help: 'How to authenticate. Default: not at all.',
  },
  sasl_username: {
    type: 'string',
    aliases: ['rdkafka.sasl.username', 'sasl.username'],
    help: 'Name for SASL.',
  },
  sasl_password: {
    type: 'string',
    secret: true,
    aliases: ['rdkafka.sasl.password', 'sasl.password'],
    help: 'Password for SASL. PLAIN sends it as it is: use it with TLS.',
  },
  'net.connect_timeout': { type: 'time', default: '10', min: 1, help: 'Longest wait for a connection.' },
  queue_full_retries: {
    type: 'string',
    help: 'Tries when librdkafka’s queue is full.',
    ignored: 'reading stops until the brokers have acknowledged',
  },
  queue_full_warn_interval: {
    type: 'string',
    help: 'Log messages about librdkafka’s queue.',
    ignored: 'reading stops until the brokers have acknowledged',
  },
  ...RDKAFKA_OPTIONS,
})

export type KafkaOptions = OptionsOf<typeof KAFKA_OPTIONS>
