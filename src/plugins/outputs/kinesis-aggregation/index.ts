import { ShipperError } from '../../../core/error.ts'
import { defineOutput, type OutputContext } from '../../../core/plugin.ts'
import { connectTo } from '../../../lib/aws/connections.ts'
import { chainOf, endpointOf } from '../../../lib/aws/options.ts'
import { HTTP_OUTPUT_COUNTERS } from '../../../lib/http-output/counters.ts'
import { HttpOutput } from '../../../lib/http-output/http-output.ts'
import { KinesisAggregationApi } from './api.ts'
import { OPTIONS, type Options } from './options.ts'

function create(options: Options, ctx: OutputContext): HttpOutput {
  const { awsKeyId, awsSecKey, credentialsPath, httpProxy } = options
  if ((awsKeyId === undefined) !== (awsSecKey === undefined))
    throw new ShipperError('E_CONFIG_BAD_VALUE', 'only one of aws_key_id and aws_sec_key is set', {
      option: awsKeyId === undefined ? 'aws_sec_key' : 'aws_key_id',
      hint: 'set both, or none for the credentials of the environment, a profile, the container or the instance',
    })
  const region = regionOf(options)
  const endpoint = endpointOf({ ...options, region }, 'kinesis')
  const given =
    awsKeyId === undefined || awsSecKey === undefined
      ? undefined
      : { accessKeyId: awsKeyId, secretAccessKey: awsSecKey }
  const chain = { ...chainOf({ ...options, region }), given, credentialsPath }
  const target = { service: 'kinesis', endpoint, chain }
  const { connections, authorizer } = connectTo(target, { ...options, proxy: httpProxy }, ctx)
  const api = new KinesisAggregationApi(options, {
    ...{ peer: connections.origin, path: `${endpoint.basePath}/`, region },
    nowMs: () => ctx.clock.nowMs(),
  })
  return new HttpOutput(
    { api, connections, authorizer, headers: { 'user-agent': `shipper/${ctx.agent.version}` } },
    ctx,
  )
}

function regionOf({ region }: Options): string {
  const found = region || process.env.AWS_REGION || process.env.AWS_DEFAULT_REGION
  if (found) return found
  throw new ShipperError(
    'E_CONFIG_MISSING_OPTION',
    'neither region nor AWS_REGION in the environment is set',
    {
      hint: 'set region to that of the stream, e.g. eu-west-1',
    },
  )
}

export const spec = defineOutput({
  kind: 'output',
  name: 'kinesis_aggregation',
  summary: 'Sends chunks to Amazon Kinesis Data Streams as records of the Kinesis Producer Library.',
  description: `A chunk is one Kinesis record (PutRecord) in the aggregation format of the Kinesis Producer Library, which a consumer with the
Kinesis Client Library or awslabs' kinesis-aggregation deaggregates: fewer and larger records are cheaper, and a shard takes only 1,000 per
second. A chunk larger than 1 MiB becomes several. The options are those of fluent-plugin-kinesis-aggregation.

**Records** are JSON with the fields \`time\` and \`tag\`, as in that plugin; a record that has such a field keeps its own.

**Delivery.** A chunk is delivered when Kinesis has returned its sequence number. A chunk without a response is sent again, with the
same bytes and the same partition key, and may be duplicated: Kinesis does not deduplicate. The plugin drops a chunk that is too large;
here a single record that is too large goes to the dead letters.

**Order.** Records of a chunk keep their order. Chunks have different partition keys and so are in different shards, unless
\`fixed_partition_key\` is set.

**Credentials** are \`aws_key_id\` and \`aws_sec_key\`, or come from the default chain of the AWS SDKs: environment, profile, web identity,
container, instance; with \`role_arn\` they are used to assume the role.`,
  options: OPTIONS,
  example:
    '[OUTPUT]\n    Name        kinesis_aggregation\n    Match       *\n    Region      eu-west-1\n    Stream_Name logs\n',
  connectsTo: (options) => {
    const { host, port } = endpointOf({ ...options, region: regionOf(options) }, 'kinesis')
    return { host, port }
  },
  counters: HTTP_OUTPUT_COUNTERS,
  inFlight: 32,
  create,
})
