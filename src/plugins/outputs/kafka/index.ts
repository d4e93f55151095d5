import { defineOutput } from '../../../core/plugin.ts'
import { pathCounters } from '../../../lib/wasm/fast-path.ts'
import { Kafka } from './kafka.ts'
import { KAFKA_OPTIONS } from './options.ts'
import { settingsOf } from './settings.ts'

export const spec = defineOutput({
  kind: 'output',
  name: 'kafka',
  summary: 'Sends records to Apache Kafka.',
  description:
    'A chunk counts as delivered when the in-sync replicas have acknowledged all its batches; only then does the tail ' +
    'input advance its stored offset. The producer is idempotent: a retry sends the same bytes with the same sequence ' +
    'numbers, and the broker drops duplicates. After a restart of the agent there may be duplicates; Position_Headers ' +
    'identify them. Within a partition records stay in order.\n\n' +
    'While brokers are unreachable, replicas are missing or a configured topic does not exist, inputs pause at their memory limit ' +
    'and nothing is dropped. A record that the brokers will never accept (too large, rejected) goes to ' +
    'Dead_Letter_File. One whose time the broker refuses is sent with the current time as its timestamp instead.\n\n' +
    'Options of librdkafka (`rdkafka.*`) are accepted where there is an equivalent. Kafka 2.1 or newer is required.',
  options: KAFKA_OPTIONS,
  example:
    '[OUTPUT]\n    Name     kafka\n    Match    *\n    Brokers  127.0.0.1:9092\n    Topics   logs\n    Format   json\n',
  counters: {
    connections: 'connections opened',
    batches: 'batches acknowledged',
    resent_batches: 'batches retried, unchanged',
    retimed_records:
      'records sent with the current time as their timestamp, because the broker refused the time of the event',
    split_batches: 'batches split in two because the broker rejected them',
    identity_resets: 'new producer ids, because a broker did not accept the old one or a record was rejected',
    request_timeouts: 'connections closed because a response timed out',
    ...pathCounters('encoded', 'small', 'options', 'form', 'mixed'),
  },
  passesOn: 'rdkafka.',
  inFlight: 8,
  create: (options, ctx) => {
    const settings = settingsOf(options, ctx)
    const { saslUsername, saslPassword } = options
    if (settings.sasl === undefined && (saslUsername ?? saslPassword) !== undefined)
      ctx.log.warn(
        'Sasl_Username and Sasl_Password have no effect: the agent does not authenticate without Sasl_Mechanism, e.g. SCRAM-SHA-512',
      )
    return new Kafka(options, settings, ctx)
  },
})
