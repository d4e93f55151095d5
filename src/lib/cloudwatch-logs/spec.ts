import { ShipperError } from '../../core/error.ts'
import type { OptionTable } from '../../core/options/option.ts'
import { type Address, defineOutput, type OutputContext } from '../../core/plugin.ts'
import { AwsCall } from '../aws/call.ts'
import { connectTo, ShortRequests } from '../aws/connections.ts'
import { chainOf, endpointOf } from '../aws/options.ts'
import { HttpOutput, type HttpOutputOptions } from '../http-output/http-output.ts'
import { CloudwatchLogsApi } from './api.ts'
import { CLOUDWATCH_LOGS_COUNTERS } from './counters.ts'
import { ENTITY_KEYS } from './entity.ts'
import { LogStreams } from './log-streams.ts'
import { Messages } from './messages.ts'
import { EmbeddedMetrics } from './metrics.ts'
import { StreamNames } from './names.ts'
import {
  CLOUDWATCH_LOGS_OPTIONS,
  CLOUDWATCH_OPTIONS,
  type CloudwatchLogsOptions,
  fromGoPlugin,
} from './options.ts'

const SERVICE = 'logs'

const DESCRIPTION = `Each record is one log event: the record as JSON, or with Log_Key the text of one field, with its time in milliseconds. A
request (PutLogEvents) contains events of one chunk and one log stream, ordered by time: at most 10,000 events, 1 MiB and a span of 24
hours.

**Groups and streams.** A log stream is created before the first request to it, a log group only with Auto_Create_Group; both are created
again if they are deleted. A role that may only write (logs:PutLogEvents) is enough if they exist. While a group is missing, records wait.
Characters that the service does not allow in names are replaced by underscores.

**Delivery** is at least once. The service does not deduplicate: events of a request without a response, or of a crash of the agent, are sent
again and may be duplicated. Throttling, refused credentials and failures of the service lose no record. Events that a response rejects with
\`rejectedLogEventsInfo\` go to the dead letters: those older than 14 days or the retention of the group, and those more than two hours in
the future. They do so only if the clock of this machine confirms it; otherwise that clock is wrong, and all records wait until it is corrected. An
event in the future is not delayed until its time, because all later events would wait with it. An event above 1 MiB goes to the dead letters;
fluent-bit truncates it.

A response with status 200 counts only if its body is JSON, or if it is empty and has the header \`x-amzn-RequestId\`; otherwise a proxy
may have sent it.

**Message.** Non-ASCII characters are escaped in JSON (\`\\u00e4\`), as in fluent-bit; with Log_Key the text is sent unchanged. Records of the
inputs cpu and mem are sent in the Embedded Metric Format; the unit of mem is kB, where fluent-bit says bytes.

**Credentials** come from the default chain of the AWS SDKs, in this order: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment, the
profile, AWS_WEB_IDENTITY_TOKEN_FILE, the container (ECS, EKS Pod Identity), the instance (IMDSv2); with \`role_arn\` they are used to assume
the role. They are renewed before they expire. Without credentials, or while they are refused, records wait.`

/** What the output has under both of its names; `other` is the other name. */
function cloudwatchSpec<T extends OptionTable>(name: string, options: T, other: string) {
  return {
    kind: 'output',
    name,
    summary: 'Sends records to Amazon CloudWatch Logs.',
    description: `${DESCRIPTION}\n\n${other}`,
    options,
    example: `[OUTPUT]\n    Name              ${name}\n    Match             *\n    Region            eu-west-1\n    Log_Group_Name    /app/logs\n    Log_Stream_Prefix node1.\n    Auto_Create_Group on\n`,
    counters: CLOUDWATCH_LOGS_COUNTERS,
    inFlight: 32,
  } as const
}

export const CLOUDWATCH_LOGS_SPEC = defineOutput({
  ...cloudwatchSpec(
    'cloudwatch_logs',
    CLOUDWATCH_LOGS_OPTIONS,
    "`cloudwatch` is the same output, with the options of AWS's Go plugin besides.",
  ),
  connectsTo: (options) => serverOf(options),
  create,
})

export const CLOUDWATCH_SPEC = defineOutput({
  ...cloudwatchSpec(
    'cloudwatch',
    CLOUDWATCH_OPTIONS,
    "**AWS's Go plugin.** Its options and the variables in its names are supported, except `$(uuid)`, `$(ecs_...)` and Credentials_Endpoint; the error names the replacement. Characters that the service does not allow become underscores, not dots. An event that is too large goes to the dead letters, not truncated. Without its options, this is the output `cloudwatch_logs`.",
  ),
  connectsTo: (options) => serverOf(options),
  create: (options, ctx) => create(fromGoPlugin(options), ctx),
})

function serverOf(options: CloudwatchLogsOptions): Address {
  const { host, port } = endpointOf(options, SERVICE)
  return { host, port }
}

function create(options: CloudwatchLogsOptions, ctx: OutputContext): HttpOutput {
  checkStream(options)
  const endpoint = endpointOf(options, SERVICE)
  const target = { service: SERVICE, endpoint, chain: chainOf(options) }
  const { connections, authorizer, signer } = connectTo(target, options, ctx)
  const { extraUserAgent, logKey, addEntity, metricNamespace, metricDimensions } = options
  const peer = connections.origin
  const userAgent = `shipper/${ctx.agent.version}${extraUserAgent === undefined ? '' : ` ${extraUserAgent}`}`
  const requests = new ShortRequests(connections)
  const api = new CloudwatchLogsApi({
    names: new StreamNames(options),
    streams: new LogStreams({
      call: new AwsCall({ endpoint, signer, send: requests.send, target: 'Logs_20140328', userAgent }),
      log: ctx.log,
      nowMs: () => ctx.clock.nowMs(),
      peer,
      createsGroups: options.autoCreateGroup,
      groupClass: options.logGroupClass,
      retentionDays: options.logRetentionDays,
      groupTags: tagsOf(options.newLogGroupTags),
    }),
    messages: new Messages(
      {
        logKey,
        omitted: addEntity ? ENTITY_KEYS : [],
        metrics: new EmbeddedMetrics(metricNamespace, metricDimensions),
      },
      ctx.counters,
    ),
    path: `${endpoint.basePath}/`,
    logFormat: options.logFormat,
    peer,
    nowMs: () => ctx.clock.nowMs(),
    counters: ctx.counters,
  })
  return new CloudwatchLogsOutput(
    { api, connections, authorizer, headers: { 'user-agent': userAgent } },
    requests,
    ctx,
  )
}

class CloudwatchLogsOutput extends HttpOutput {
  readonly #requests: ShortRequests

  constructor(options: HttpOutputOptions, requests: ShortRequests, ctx: OutputContext) {
    super(options, ctx)
    this.#requests = requests
  }

  override async close(): Promise<void> {
    await super.close()
    await this.#requests.close()
  }
}

/** Returns the tags of `name=value` texts. */
function tagsOf(texts: readonly string[] | undefined): Record<string, string> | undefined {
  if (texts === undefined || texts.length === 0) return undefined
  return Object.fromEntries(
    texts.map((text) => {
      const [name = '', ...value] = text.split('=')
      return [name.trim(), value.join('=').trim()]
    }),
  )
}

function checkStream({ logStreamName, logStreamPrefix }: CloudwatchLogsOptions): void {
  if (logStreamName !== undefined && logStreamPrefix !== undefined)
    throw new ShipperError('E_CONFIG_BAD_VALUE', 'log_stream_name and log_stream_prefix are both set', {
      option: 'log_stream_prefix',
      hint: 'keep log_stream_name for one stream, or log_stream_prefix for one per tag',
    })
  if (logStreamName === undefined && logStreamPrefix === undefined)
    throw new ShipperError(
      'E_CONFIG_MISSING_OPTION',
      'neither log_stream_name nor log_stream_prefix is set',
      { hint: 'set log_stream_prefix for one stream per tag, or log_stream_name for one stream' },
    )
}
