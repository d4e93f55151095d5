import { defineOptions } from '../../core/options/option.ts'
import { defineOutput } from '../../core/plugin.ts'
import { endpointOf } from '../../lib/aws/options.ts'
import { HTTP_OUTPUT_COUNTERS } from '../../lib/http-output/counters.ts'
import { PUT_RECORDS_OPTIONS } from '../../lib/kinesis/options.ts'
import { PartitionKeys } from '../../lib/kinesis/partition-keys.ts'
import { createStreamOutput } from '../../lib/kinesis/stream-output.ts'

const OPTIONS = defineOptions({
  stream: { type: 'string', required: true, help: 'Name of the stream.' },
  ...PUT_RECORDS_OPTIONS,
})

export const spec = defineOutput({
  kind: 'output',
  name: 'kinesis_streams',
  summary: 'Sends records to Amazon Kinesis Data Streams.',
  description: `Each record is a line of JSON, in requests of at most 500 (PutRecords). If Kinesis accepts only a part of a request, the rest
is sent again, before later records of the same tag. A request without a response is sent again completely; Kinesis does not
deduplicate, so its records may be in the stream twice.

**Order.** The partition key is derived from the file that a record comes from, or from its tag if there is none: the records of a file are in
one shard, in order. Only if Kinesis accepts a part of a request may a later record precede an earlier one. (fluent-bit uses random
keys.) A shard takes 1 MB and 1,000 records per second.

**Credentials** come from the default chain of the AWS SDKs, in this order: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment, the
profile, AWS_WEB_IDENTITY_TOKEN_FILE, the container (ECS, EKS Pod Identity), the instance (IMDSv2); with \`role_arn\` they are used to assume
the role. They are renewed before they expire. Without credentials, or while they are refused, records wait.

**Limits.** A record above 1 MiB, or the limit that is configured for the stream, at most 5.1 MB, is refused: it goes to the dead letters with the
message of Kinesis. Non-ASCII characters are escaped in JSON (\`\\u00e4\`), as in fluent-bit; with Log_Key the text is sent unchanged.`,
  options: OPTIONS,
  example: '[OUTPUT]\n    Name   kinesis_streams\n    Match  *\n    Region eu-west-1\n    Stream logs\n',
  connectsTo: (options) => {
    const { host, port } = endpointOf(options, 'kinesis')
    return { host, port }
  },
  counters: HTTP_OUTPUT_COUNTERS,
  inFlight: 32,
  // Partition keys are those of the files.
  usesRecordIds: () => true,
  create: (options, ctx) => createStreamOutput(options, { keys: new PartitionKeys(ctx.agent.id) }, ctx),
})
