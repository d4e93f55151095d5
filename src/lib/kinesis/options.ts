import { defineOptions } from '../../core/options/option.ts'
import { AWS_CONNECTION_OPTIONS } from '../aws/connections.ts'
import { AWS_OPTIONS } from '../aws/options.ts'
import { PROXY_OPTIONS } from '../http-output/options.ts'

/** Options that the outputs to Kinesis Data Streams and Firehose share. */
export const PUT_RECORDS_OPTIONS = defineOptions({
  ...AWS_OPTIONS,
  log_key: {
    type: 'string',
    help: 'Send only the text of this field of a record, and not the record as JSON. A record without it goes to the dead letters.',
  },
  time_key: {
    type: 'string',
    needs: { log_key: 'unset' },
    help: 'Name of a field with the time, added at the end of the record in UTC; a record that has the field keeps its own. Default: the time is not sent.',
  },
  time_key_format: {
    type: 'string',
    default: '%Y-%m-%dT%H:%M:%S',
    needs: { time_key: 'set' },
    help: 'strftime format of the time.',
  },
  compression: {
    type: 'enum',
    values: ['gzip', 'zlib', 'zstd', 'snappy'],
    help: 'Compress the data of each record on its own; snappy is the block format.',
  },
  simple_aggregation: {
    type: 'bool',
    default: 'false',
    help: 'Join the lines of several records into one record of the service, with line ends between them. They are sent again together.',
  },
  ...PROXY_OPTIONS,
  ...AWS_CONNECTION_OPTIONS,
})

/** Options that only AWS's Go plugins `kinesis` and `firehose` have: fluent-bit's own plugins refuse them, and so do theirs here. */
export const GO_PLUGIN_OPTIONS = defineOptions({
  data_keys: {
    type: 'clist',
    needs: { log_key: 'unset' },
    help: 'Send only these fields of a record, with commas between them, and Time_Key.',
  },
  replace_dots: {
    type: 'string',
    check: (text: unknown) =>
      text === undefined || text === '_'
        ? undefined
        : { must: '_', hint: 'dots in names of fields can be replaced with underscores only' },
    help: 'Replace dots in names of fields with this character, which must be `_`.',
  },
})
