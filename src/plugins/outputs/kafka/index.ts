import { defineOutput } from '../../../core/plugin.ts'
import { Kafka } from './kafka.ts'
import { KAFKA_OPTIONS } from './options.ts'
import { settingsOf } from './settings.ts'

export const spec = defineOutput({
  kind: 'output',
  name: 'kafka',
  summary: 'Sends records to Apache Kafka.',
  description:
    'A chunk counts as delivered when the in-sync replicas have acknowledged every batch of it, so a position of tail ' +
    'moves only then. Batches are numbered: what is sent again after a failure is the same bytes under the same number, ' +
    'and the broker drops what it has already. After a restart of the agent there may be repetitions; Position_Headers ' +
    'make them known. In a partition records stay in their order.\n\n' +
    'While brokers are away, replicas are missing or a topic does not exist, reading stops and nothing is dropped. A ' +
    'record that the brokers will never take (too large, refused) goes to Dead_Letter_File.\n\n' +
    'Names of librdkafka (`rdkafka.*`) are taken where they have an equal. Kafka 2.1 or newer is needed.',
  options: KAFKA_OPTIONS,
  example:
    '[OUTPUT]\n    Name     kafka\n    Match    *\n    Brokers  127.0.0.1:9092\n    Topics   logs\n    Format   json\n',
  counters: {
    connections: 'connections made',
    batches: 'batches acknowledged',
    resent_batches: 'batches sent again, unchanged',
    split_batches: 'batches cut in two because they were refused as a whole',
    identity_resets:
      'new producer ids taken because a broker did not know the old one, or a record was given up',
    request_timeouts: 'connections closed because an answer did not come in time',
    dead_letters: 'records given up and kept in Dead_Letter_File',
    dead_letters_lost: 'records given up for which there was no room in Dead_Letter_File',
  },
  inFlight: 8,
  create: (options, ctx) => new Kafka(options, settingsOf(options), ctx),
})
