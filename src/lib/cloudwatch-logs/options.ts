import type { InvalidValue } from '../../core/options/checks.ts'
import { defineOptions, type OptionsOf } from '../../core/options/option.ts'
import { AWS_CONNECTION_OPTIONS } from '../aws/connections.ts'
import { AWS_OPTIONS } from '../aws/options.ts'
import { PROXY_OPTIONS } from '../http-output/options.ts'
import { checkParenthesized, checkTemplate } from '../records/template.ts'
import { groupNameOf, streamNameOf } from './place.ts'

/** Days that the service takes; 0: forever. */
const RETENTION_DAYS = [
  ...[
    0, 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288,
    3653,
  ],
]

export const CLOUDWATCH_LOGS_OPTIONS = defineOptions({
  ...AWS_OPTIONS,
  log_group_name: {
    type: 'string',
    required: true,
    check: checkGroupName,
    help: 'Name of the log group, also for records that lack a field of Log_Group_Template.',
  },
  log_stream_name: {
    type: 'string',
    check: checkStreamName,
    help: 'Name of the log stream. Either this or Log_Stream_Prefix is required.',
  },
  log_stream_prefix: {
    type: 'string',
    check: checkStreamName,
    help: 'Prefix of the name of the log stream; the tag follows it. Characters not allowed in it (colons, asterisks and control characters) become underscores.',
  },
  log_group_template: {
    type: 'string',
    check: checkTemplate,
    help: "Name of the log group with `$TAG`, `$TAG[n]` and fields such as `$kubernetes['namespace_name']`. Characters not allowed in it (all but ASCII letters, digits and `_-/.#`) become underscores.",
  },
  log_stream_template: {
    type: 'string',
    check: checkTemplate,
    help: 'The same for the name of the log stream. A record that lacks a field goes to the stream of Log_Stream_Name or Log_Stream_Prefix.',
  },
  log_key: {
    type: 'string',
    help: 'Send only the text of this field of a record, and not the record as JSON. A record without it goes to the dead letters; an empty text, which the service refuses, is sent as a blank.',
  },
  log_format: {
    type: 'string',
    check: checkHeaderText,
    help: 'Value of the header `x-amzn-logs-format`: with `json/emf`, metrics are extracted from records in the Embedded Metric Format.',
  },
  auto_create_group: {
    type: 'bool',
    default: 'false',
    help: 'Create a log group that does not exist. Log streams are always created.',
  },
  auto_create_stream: {
    type: 'bool',
    default: 'true',
    help: 'Create a log stream that does not exist.',
    ignored: 'log streams are always created',
  },
  new_log_group_tags: {
    type: 'clist',
    needs: 'auto_create_group',
    check: (list: unknown) =>
      Array.isArray(list) && list.some((each) => !/^[^=]+(?:=|$)/.test(String(each)))
        ? { must: 'tags with commas between them: name=value,other=value' }
        : undefined,
    help: "Tags of the log groups that are created, as `name=value,other=value`. An option of AWS's Go plugin.",
  },
  log_group_class: {
    type: 'enum',
    values: ['STANDARD', 'INFREQUENT_ACCESS'],
    needs: 'auto_create_group',
    help: 'Class of the log groups that are created. Default: that of the service, STANDARD.',
  },
  log_retention_days: {
    type: 'int',
    default: '0',
    check: checkRetention,
    needs: 'auto_create_group',
    help: `Days for which the events of a log group that is created are kept; 0: forever. One of ${RETENTION_DAYS.join(', ')}.`,
  },
  metric_namespace: {
    type: 'string',
    default: 'fluent-bit-metrics',
    help: 'Namespace of the metrics that are made of records of the inputs cpu and mem.',
  },
  metric_dimensions: {
    type: 'string',
    help: 'Dimensions of these metrics: names of fields, with commas between those of one set, and semicolons between the sets (`host,zone;host`).',
  },
  extra_user_agent: {
    type: 'string',
    check: checkHeaderText,
    help: 'Text at the end of the header `User-Agent`.',
  },
  add_entity: {
    type: 'bool',
    default: 'false',
    help: 'Send the service and the environment that a record belongs to (the entity), from the fields `aws_entity_*` of `kubernetes`, and leave out `aws_entity_account_id` and `aws_entity_ec2_instance_id`, which the filter aws adds with Enable_Entity. Only records with the name of a service or a workload, and an account, have one.',
  },
  ...PROXY_OPTIONS,
  ...AWS_CONNECTION_OPTIONS,
})

/** Options under the name `cloudwatch`: those of AWS's Go plugin as well. */
export const CLOUDWATCH_OPTIONS = defineOptions({
  ...CLOUDWATCH_LOGS_OPTIONS,
  log_group_name: {
    ...CLOUDWATCH_LOGS_OPTIONS.log_group_name,
    check: (text: unknown) => (isGoTemplate(text) ? checkParenthesized(text) : checkGroupName(text)),
    help: "Name of the log group, also for records that lack a field of Log_Group_Template. May have variables of AWS's Go plugin: `$(tag)`, `$(tag[0])`, `$(key)` and `$(key['sub'])`.",
  },
  log_stream_name: {
    ...CLOUDWATCH_LOGS_OPTIONS.log_stream_name,
    check: (text: unknown) => (isGoTemplate(text) ? checkParenthesized(text) : checkStreamName(text)),
    help: 'Name of the log stream, which may have the same variables. Either this or Log_Stream_Prefix is required.',
  },
  default_log_group_name: {
    type: 'string',
    default: 'fluentbit-default',
    check: checkGroupName,
    help: 'Log group of records that lack a variable of Log_Group_Name.',
  },
  default_log_stream_name: {
    type: 'string',
    default: '/fluentbit-default',
    check: checkStreamName,
    help: 'Log stream of records that lack a variable of Log_Stream_Name.',
  },
  credentials_endpoint: {
    type: 'string',
    check: (text: unknown) =>
      text === undefined
        ? undefined
        : {
            must: 'left out',
            hint: 'set AWS_CONTAINER_CREDENTIALS_FULL_URI to it in the environment of the agent',
          },
    help: 'Not supported: AWS_CONTAINER_CREDENTIALS_FULL_URI in the environment is the same.',
  },
})

/** Returns the options of `cloudwatch` with the templates of the Go plugin in those that have templates here. */
export function fromGoPlugin(options: OptionsOf<typeof CLOUDWATCH_OPTIONS>): CloudwatchLogsOptions {
  const { logGroupName: group, logStreamName: stream } = options
  return {
    ...options,
    ...(isGoTemplate(group) ? { logGroupName: options.defaultLogGroupName, logGroupTemplate: group } : {}),
    ...(isGoTemplate(stream)
      ? { logStreamName: options.defaultLogStreamName, logStreamTemplate: stream }
      : {}),
  }
}

/** Returns true for a text with variables of AWS's Go plugin. */
export function isGoTemplate(text: unknown): text is string {
  return typeof text === 'string' && text.includes('$(')
}

export type CloudwatchLogsOptions = OptionsOf<typeof CLOUDWATCH_LOGS_OPTIONS>

/** What is meant as a variable: the service takes dollar signs and parentheses in names of streams. */
const VARIABLE = /\$\(|\$TAG\b|\$\w+\[/

function checkGroupName(text: unknown): InvalidValue | undefined {
  if (typeof text !== 'string' || (text !== '' && groupNameOf(text) === text)) return undefined
  return {
    must: 'the name of a log group: 1 to 512 ASCII letters, digits and _-/.#',
    hint: 'use log_group_template for names with $TAG or fields; this option is its fallback',
  }
}

function checkStreamName(text: unknown): InvalidValue | undefined {
  if (typeof text !== 'string' || (streamNameOf(text) === text && !VARIABLE.test(text))) return undefined
  return {
    must: 'the name of a log stream: at most 512 characters, and no colon, asterisk or control character',
    hint: 'use log_stream_template for names with $TAG or fields; this option is its fallback',
  }
}

function checkRetention(days: unknown): InvalidValue | undefined {
  if (typeof days !== 'number' || RETENTION_DAYS.includes(days)) return undefined
  return {
    must: `one of ${RETENTION_DAYS.join(', ')}`,
    reason: 'the service accepts no other number of days',
  }
}

function checkHeaderText(text: unknown): InvalidValue | undefined {
  if (typeof text !== 'string' || /^[\x20-\x7e]{1,200}$/.test(text)) return undefined
  return { must: 'a string of at most 200 printable ASCII characters, as it stands in a header' }
}
