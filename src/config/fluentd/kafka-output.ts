import type { Section } from '../config-tree.ts'
import { translateBuffer } from './buffer.ts'
import { hashOf, listOf } from './conversions.ts'
import { attributeOf, childOf, type Element, textOf, typeOf } from './element.ts'
import {
  applyRules,
  checkChildren,
  each,
  ignored,
  noted,
  OWN,
  option,
  type Rules,
  refused,
  refusedIfOn,
} from './params.ts'
import { set, setFrom, type Translation } from './translation.ts'

const KEEPS_FIELD = ignored('the field stays in the record')
const KERBEROS = refused('use username, password and scram_mechanism')
const PARTITION = ignored('the partition is chosen by the key of the record')

const RULES: Rules = {
  brokers: OWN,
  topic: OWN,
  default_topic: OWN,
  topic_key: OWN,
  message_key_key: OWN,
  default_message_key: option('Message_Key'),
  required_acks: OWN,
  compression_codec: OWN,
  client_id: option('Client_Id'),
  connect_timeout: option('Net.Connect_Timeout', 'time'),
  use_event_time: OWN,
  output_data_type: OWN,
  ...each(
    ['output_include_tag', 'output_include_time'],
    refusedIfOn('add the field with the filter record_transformer: ${tag}, ${time}'),
  ),
  ...each(['partition_key_key', 'default_partition_key', 'partition_key', 'default_partition'], PARTITION),
  ...each(
    [
      'exclude_topic_key',
      'exclude_message_key',
      'exclude_partition_key',
      'exclude_partition',
      'exclude_fields',
    ],
    KEEPS_FIELD,
  ),
  record_key: refused('the whole record is sent; choose fields with the filter record_transformer'),
  headers: refused('Position_Headers of the output kafka are the headers that there are'),
  headers_from_record: refused('Position_Headers of the output kafka are the headers that there are'),
  zookeeper: refused('name the brokers: brokers HOST:9092'),
  zookeeper_path: ignored('brokers are named by "brokers"'),
  partitioner_hash_function: OWN,
  idempotent: noted('batches have sequence numbers in any case, if required_acks is -1'),
  max_send_limit_bytes: ignored('a record that no broker accepts goes to the dead letters'),
  discard_kafka_delivery_failed: ignored('nothing is discarded'),
  ...each(
    [
      'max_send_retries',
      'socket_timeout',
      'ack_timeout',
      'kafka_agg_max_bytes',
      'kafka_agg_max_messages',
      'share_producer',
      'get_kafka_client_log',
      'active_support_notification_regex',
      'resolve_seed_brokers',
      'exception_backup',
      'ignore_exceptions',
      'use_default_for_unknown_topic',
      'monitoring_list',
      'time_format',
      'max_buffer_size',
      'max_buffer_bytesize',
      'rdkafka_delivery_handle_poll_timeout',
      'rdkafka_buffering_max_ms',
      'rdkafka_buffering_max_messages',
      'rdkafka_message_max_num',
      'slow_flush_log_threshold',
    ],
    noted('batches are sent again until they are acknowledged'),
  ),
  ssl_ca_cert: OWN,
  ssl_client_cert: option('Tls.Crt_File'),
  ssl_client_cert_key: option('Tls.Key_File'),
  ssl_client_cert_key_password: option('Tls.Key_Passwd'),
  ssl_client_cert_chain: ignored('put the chain into the file of ssl_client_cert'),
  ssl_ca_certs_from_system: OWN,
  ssl_verify_hostname: option('Tls.Verify_Hostname', 'bool'),
  sasl_over_ssl: OWN,
  username: option('Sasl_Username'),
  password: option('Sasl_Password'),
  scram_mechanism: OWN,
  principal: KERBEROS,
  keytab: KERBEROS,
  ...each(
    ['sasl_aws_msk_iam_access_key_id', 'sasl_aws_msk_iam_secret_key_id', 'sasl_aws_msk_iam_aws_region'],
    KERBEROS,
  ),
  rdkafka_options: OWN,
}

/** Translates <match> @type kafka2, kafka_buffered, kafka, rdkafka and rdkafka2. */
export function translateKafka(match: Element, translation: Translation): Section {
  const section = translation.section('OUTPUT', 'kafka', match)
  const label = typeOf(match)?.value ?? 'kafka'
  applyRules(match, RULES, section, label, translation)
  checkChildren(match, ['buffer', 'format', 'inject', 'secondary'], label, translation)
  const brokers = attributeOf(match, 'brokers')
  if (brokers === undefined) set(section, 'Brokers', 'localhost:9092', match.location)
  else setFrom(section, 'Brokers', brokers, listOf(brokers, translation).join(','))
  setTopic(section, match, label, translation)
  setMessageKey(section, match, label, translation)
  setFormat(section, match, label, translation)
  setSending(section, match, label, translation)
  setSecurity(section, match)
  const options = attributeOf(match, 'rdkafka_options')
  if (options !== undefined)
    for (const [name, value] of hashOf(options, translation))
      setFrom(section, `rdkafka.${name}`, options, value)
  translateBuffer(match, section, label, translation)
  return section
}

const TAG_PLACEHOLDER = /\$\{tag\}/g

/** Each record may name its topic, as in fluentd, where `topic_key` has a default. */
function setTopic(section: Section, match: Element, label: string, translation: Translation): void {
  const fixed = attributeOf(match, 'topic')
  const fallback = attributeOf(match, 'default_topic')
  const topic = fixed ?? fallback
  const name = topic?.value?.replace(TAG_PLACEHOLDER, () => '$TAG')
  if (name?.includes('${') || name?.includes('%')) {
    const hint = '${tag} is supported; a field of the record can name the topic: topic_key'
    const message = `[${label}] the placeholder in ${topic?.value} is not supported`
    translation.problem('E_CONFIG_BAD_VALUE', message, topic?.valueLocation ?? match.location, hint)
    return
  }
  if (topic !== undefined) setFrom(section, 'Topics', topic, name)
  else
    translation.warn(
      `[${label}] records that do not name their topic go to the topic fluent-bit: set default_topic`,
      match.location,
    )
  if (fixed !== undefined) return
  const key = attributeOf(match, 'topic_key')
  if (key === undefined) set(section, 'Topic_Key', 'topic', match.location)
  else setFrom(section, 'Topic_Key', key)
  set(section, 'Dynamic_Topic', 'on', key?.location ?? match.location)
}

function setMessageKey(section: Section, match: Element, label: string, translation: Translation): void {
  const key = attributeOf(match, 'message_key_key')
  if (key === undefined) set(section, 'Message_Key_Field', 'message_key', match.location)
  else setFrom(section, 'Message_Key_Field', key)
  const hash = attributeOf(match, 'partitioner_hash_function')
  if (hash?.value === 'murmur2') return
  const isUsed = key !== undefined || attributeOf(match, 'default_message_key') !== undefined
  const message = `[${label}] keys choose partitions by murmur2, as in Java clients; fluentd's default is crc32`
  if (isUsed) translation.warn(message, hash?.location ?? match.location)
  else translation.note(message, hash?.location ?? match.location)
}

/** The record as it is, without a time in it, as fluentd writes it. */
function setFormat(section: Section, match: Element, label: string, translation: Translation): void {
  const format = childOf(match, 'format')
  const type = format === undefined ? attributeOf(match, 'output_data_type') : typeOf(format)
  const name = type?.value ?? 'json'
  const location = type?.valueLocation ?? match.location
  if (format !== undefined)
    applyRules(
      format,
      { message_key: OWN, add_newline: noted('a record of Kafka has no line end') },
      undefined,
      `${label} format`,
      translation,
    )
  set(section, 'Timestamp_Key', 'off', location)
  if (name === 'json' || name === 'msgpack') set(section, 'Format', name, location)
  else if (name === 'single_value') {
    set(section, 'Format', 'raw', location)
    set(section, 'Raw_Log_Key', (format && textOf(format, 'message_key')) ?? 'message', location)
  } else {
    const hint = 'the formats are json, msgpack and single_value'
    translation.problem(
      'E_CONFIG_BAD_VALUE',
      `[${label}] the format ${name} is not supported`,
      location,
      hint,
    )
  }
  refuseInject(match, label, translation)
}

/** Reports <inject>, which adds the time or the tag to records. */
export function refuseInject(match: Element, label: string, translation: Translation): void {
  const inject = childOf(match, 'inject')
  if (inject === undefined) return
  const isOff = inject.attributes.every(({ value }) => value === 'false')
  if (isOff && inject.attributes.length > 0) return
  const hint = 'add the fields before, with the filter record_transformer: ${tag}, ${time}, ${hostname}'
  translation.problem(
    'E_CONFIG_UNKNOWN_SECTION',
    `[${label}] <inject> is not supported`,
    inject.location,
    hint,
  )
}

const ACKS: Readonly<Record<string, string>> = { '-1': 'all', '1': '1', '0': '0' }

function setSending(section: Section, match: Element, label: string, translation: Translation): void {
  const acks = attributeOf(match, 'required_acks')
  if (acks?.value !== undefined) setFrom(section, 'Acks', acks, ACKS[acks.value] ?? acks.value)
  const codec = attributeOf(match, 'compression_codec')
  if (codec !== undefined) setFrom(section, 'Compression', codec)
  const time = attributeOf(match, 'use_event_time')
  if (time?.value !== 'true')
    translation.note(
      `[${label}] the timestamp in Kafka is the time of the record (use_event_time true)`,
      match.location,
    )
}

function setSecurity(section: Section, match: Element): void {
  const authority = attributeOf(match, 'ssl_ca_cert')
  const system = attributeOf(match, 'ssl_ca_certs_from_system')
  const tls =
    authority ?? (system?.value === 'true' ? system : undefined) ?? attributeOf(match, 'ssl_client_cert')
  if (tls !== undefined) set(section, 'Tls', 'on', tls.location, tls.valueLocation)
  if (authority?.value !== undefined)
    setFrom(section, 'Tls.Ca_File', authority, authority.value.replace(/[[\]"]/g, '').split(',')[0] ?? '')
  const user = attributeOf(match, 'username')
  const scram = attributeOf(match, 'scram_mechanism')
  const bits = scram?.value?.replace(/\D/g, '')
  if (scram !== undefined) setFrom(section, 'Sasl_Mechanism', scram, `SCRAM-SHA-${bits}`)
  else if (user !== undefined) set(section, 'Sasl_Mechanism', 'PLAIN', user.location)
}
