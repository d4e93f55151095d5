import { defineOptions } from '../../core/options/option.ts'
import { defineOutput } from '../../core/plugin.ts'
import { endpointOf } from '../../lib/aws/options.ts'
import { HTTP_OUTPUT_COUNTERS } from '../../lib/http-output/counters.ts'
import { GO_PLUGIN_OPTIONS, PUT_RECORDS_OPTIONS } from '../../lib/kinesis/options.ts'
import { FieldKeys, PartitionKeys } from '../../lib/kinesis/partition-keys.ts'
import { createStreamOutput } from '../../lib/kinesis/stream-output.ts'
import { RecordAccessor } from '../../lib/records/accessor.ts'

const { simple_aggregation: _, ...SHARED_OPTIONS } = PUT_RECORDS_OPTIONS
const NO_ROUTINES = 'requests are sent concurrently, and retried until they succeed'

const OPTIONS = defineOptions({
  stream: { type: 'string', required: true, help: 'Name of the stream.' },
  partition_key: {
    type: 'string',
    check: (text: unknown) =>
      typeof text === 'string' && text.split('->').includes('')
        ? { must: 'a key, or keys with -> between them', hint: 'write container_id or kubernetes->pod_name' }
        : undefined,
    help: 'Field whose text is the partition key; `->` selects a nested field (`kubernetes->pod_name`). Default, and for records without it: a key for each file.',
  },
  append_newline: { type: 'bool', default: 'false', help: 'Write a line end after each record.' },
  aggregation: {
    type: 'bool',
    default: 'false',
    check: (value: unknown) =>
      value === true
        ? {
            must: 'off',
            hint: 'the output `kinesis_aggregation` writes records of the KPL: use it with stream_name and fixed_partition_key',
          }
        : undefined,
    help: 'Not supported here: `on` is an error that names the output for it.',
  },
  ...SHARED_OPTIONS,
  ...GO_PLUGIN_OPTIONS,
  experimental_concurrency: { type: 'int', default: '0', help: 'Go routines.', ignored: NO_ROUTINES },
  experimental_concurrency_retries: { type: 'int', default: '4', help: 'Retries.', ignored: NO_ROUTINES },
  http_request_timeout: {
    type: 'int',
    default: '0',
    help: 'Timeout of a request in seconds.',
    ignored: 'see http.response_timeout',
  },
})

export const spec = defineOutput({
  kind: 'output',
  name: 'kinesis',
  summary: 'Sends records to Amazon Kinesis Data Streams, with the options of the Go plugin of AWS.',
  description: `Runs configurations of AWS's Go plugin \`kinesis\`; \`kinesis_streams\` is the same with the options of fluent-bit's own
plugin, and its page describes order, limits and credentials. Differences from the Go plugin: records without the field of Partition_Key have the
key of their file and not a random one, so that they stay in order; a record larger than the stream accepts goes to the dead letters, not
truncated; a field of the record with the name of Time_Key is kept.`,
  options: OPTIONS,
  example:
    '[OUTPUT]\n    Name           kinesis\n    Match          *\n    Region         eu-west-1\n    Stream         logs\n    Partition_Key  container_id\n    Append_Newline on\n',
  connectsTo: (options) => {
    const { host, port } = endpointOf(options, 'kinesis')
    return { host, port }
  },
  counters: HTTP_OUTPUT_COUNTERS,
  inFlight: 32,
  // Partition keys of records without the field are those of the files.
  usesRecordIds: () => true,
  create: (options, ctx) => {
    const { partitionKey, appendNewline } = options
    const ofFiles = new PartitionKeys(ctx.agent.id)
    const path = partitionKey?.split('->').map((key) => Buffer.from(key))
    const keys = path === undefined ? ofFiles : new FieldKeys(new RecordAccessor(path), ofFiles)
    return createStreamOutput({ ...options, simpleAggregation: false }, { keys, isLine: appendNewline }, ctx)
  },
})
