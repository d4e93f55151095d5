import { defineOptions, type OptionsOf, type OptionTable } from '../../core/options/option.ts'
import { type Address, defineOutput, type OutputContext } from '../../core/plugin.ts'
import { endpointOf } from '../aws/options.ts'
import { HTTP_OUTPUT_COUNTERS } from '../http-output/counters.ts'
import { GO_PLUGIN_OPTIONS, PUT_RECORDS_OPTIONS } from './options.ts'
import { createPutRecords, type PutRecordsPluginOptions } from './put-records-output.ts'

const OPTIONS = defineOptions({
  delivery_stream: { type: 'string', required: true, help: 'Name of the delivery stream.' },
  ...PUT_RECORDS_OPTIONS,
})

/** Limits of PutRecordBatch: records, and 4 MiB of the whole request. */
const MAX_RECORDS = 500
const MAX_BODY_BYTES = 4_194_304
const MAX_RECORD_BYTES = 1_024_000

function create(options: PutRecordsPluginOptions & OptionsOf<typeof OPTIONS>, ctx: OutputContext) {
  const { deliveryStream } = options
  return createPutRecords(
    {
      service: 'firehose',
      target: 'Firehose_20150804.PutRecordBatch',
      open: `{"DeliveryStreamName":${JSON.stringify(deliveryStream)},"Records":[`,
      list: 'RequestResponses',
      limits: {
        bytes: MAX_BODY_BYTES,
        records: MAX_RECORDS,
        words: 'Firehose accepts at most 4 MiB per request',
      },
      maxRecordBytes: MAX_RECORD_BYTES,
      joinBytes: MAX_RECORD_BYTES,
      overloadHint:
        'the delivery stream has a limit of records and bytes per second: ask AWS to raise it; the records are sent again',
      missingHint: `create the delivery stream ${deliveryStream} in ${options.region}, or correct delivery_stream and region; records wait, and none is lost`,
    },
    options,
    ctx,
  )
}

/** What the output has under both of its names; `other` is about the other name. */
function firehoseSpec<T extends OptionTable>(name: string, options: T, other: string) {
  return {
    kind: 'output',
    name,
    summary: 'Sends records to Amazon Data Firehose.',
    description: `Each record is a line of JSON with a newline, because Firehose concatenates records, in requests of at most 500 records and
4 MiB (PutRecordBatch). If Firehose accepts only a part of a request, the rest is sent again, before later records of the same tag. A
request without a response is sent again completely; Firehose does not deduplicate, so its records may be delivered twice.
${other}

**Credentials** come from the default chain of the AWS SDKs, in this order: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment, the
profile, AWS_WEB_IDENTITY_TOKEN_FILE, the container (ECS, EKS Pod Identity), the instance (IMDSv2); with \`role_arn\` they are used to assume
the role. They are renewed before they expire. Without credentials, or while they are refused, records wait.

**Limits.** A record above 1,000 KiB goes to the dead letters. Non-ASCII characters are escaped in JSON (\`\\u00e4\`), as in fluent-bit; with
Log_Key the text is sent unchanged.`,
    options,
    example: `[OUTPUT]\n    Name            ${name}\n    Match           *\n    Region          eu-west-1\n    Delivery_Stream logs\n`,
    counters: HTTP_OUTPUT_COUNTERS,
    inFlight: 32,
  } as const
}

/** Options of a stream with those of AWS's Go plugin. */
const GO_OPTIONS = defineOptions({ ...OPTIONS, ...GO_PLUGIN_OPTIONS })

export const KINESIS_FIREHOSE_SPEC = defineOutput({
  ...firehoseSpec(
    'kinesis_firehose',
    OPTIONS,
    "`firehose` is the same output, with the options of AWS's Go plugin besides.",
  ),
  connectsTo: (options) => serverOf(options),
  create,
})

export const FIREHOSE_SPEC = defineOutput({
  ...firehoseSpec(
    'firehose',
    GO_OPTIONS,
    "**AWS's Go plugin.** Its options are supported. Without them, this is the output `kinesis_firehose`.",
  ),
  connectsTo: (options) => serverOf(options),
  create,
})

function serverOf(options: OptionsOf<typeof OPTIONS>): Address {
  const { host, port } = endpointOf(options, 'firehose')
  return { host, port }
}
