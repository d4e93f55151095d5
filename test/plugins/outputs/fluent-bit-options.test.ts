import { expect, test } from 'bun:test'
import { OUTPUT_OPTIONS } from '../../../src/core/options/common.ts'
import type { OptionTable } from '../../../src/core/options/option.ts'
import { findOption, parseOptions, parseValue } from '../../../src/core/options/parse.ts'
import { registry } from '../../../src/registry.ts'
import NAMES from '../../fixtures/fluent-bit-output-options.json' with { type: 'json' }
import { listLog } from '../../support/engine/chunks.ts'
import { outputContext } from '../../support/engine/output-context.ts'

/** Names of options as fluent-bit 5.1 has them, by output. */
const { 'every output': SHARED, ...OWN } = NAMES as Record<string, string[]>
const PLAIN_SOCKETS = ['gelf', 'syslog', 'tcp', 'udp']

async function tableOf(output: string): Promise<OptionTable> {
  const spec = await registry.find('output', output)
  return { ...OUTPUT_OPTIONS, ...spec?.options }
}

test.each(Object.entries(OWN))('%s knows the options that fluent-bit has for it', async (output, names) => {
  const table = await tableOf(output)
  expect(names.filter((name) => findOption(table, name) === undefined)).toEqual([])
})

test.each(Object.keys(OWN))('%s knows the options that fluent-bit has for every output', async (output) => {
  const table = await tableOf(output)
  const unknown = (SHARED ?? []).filter((name) => findOption(table, name) === undefined)
  // There is no proxy for sockets, and no TLS for datagrams: such a wish must not pass in silence.
  const isExpected = (name: string): boolean =>
    (PLAIN_SOCKETS.includes(output) && name.startsWith('tls.proxy.')) ||
    (output === 'udp' && /^tls\b/.test(name))
  expect(unknown.filter((name) => !isExpected(name))).toEqual([])
})

test.each([
  ['cloudwatch', 'cloudwatch_logs'],
  ['firehose', 'kinesis_firehose'],
  ['newrelic', 'nrlogs'],
])('%s has the options of %s', async (alias, name) => {
  const ofAlias = await tableOf(alias)
  expect(Object.keys(await tableOf(name)).filter((option) => !Object.hasOwn(ofAlias, option))).toEqual([])
})

/** What the Go plugins of AWS read, by FLBPluginConfigKey in their sources. */
const OF_GO_PLUGINS = {
  cloudwatch:
    'region log_group_name default_log_group_name log_stream_name default_log_stream_name log_stream_prefix log_key log_format role_arn external_id endpoint sts_endpoint credentials_endpoint auto_create_group auto_create_stream new_log_group_tags log_retention_days extra_user_agent',
  firehose:
    'delivery_stream region data_keys role_arn endpoint sts_endpoint time_key time_key_format log_key replace_dots simple_aggregation',
  kinesis:
    'stream region data_keys partition_key role_arn endpoint sts_endpoint append_newline time_key time_key_format experimental_concurrency experimental_concurrency_retries log_key aggregation compression replace_dots http_request_timeout',
}

test.each(Object.entries(OF_GO_PLUGINS))(
  '%s knows the options of the Go plugin of AWS',
  async (output, names) => {
    const table = await tableOf(output)
    expect(names.split(' ').filter((name) => findOption(table, name) === undefined)).toEqual([])
  },
)

test.each(['http', 'es', 'opensearch', 'loki', 'opentelemetry', 'splunk', 'datadog', 'nrlogs'])(
  '%s takes words for no compression, with which fluent-bit does not compress',
  async (output) => {
    const option = (await tableOf(output)).compress
    for (const text of ['off', 'false', 'no', 'none'])
      expect(option && parseValue('compress', option, text)).toEqual({ value: text })
  },
)

test.each(['epoch_ms', 'epoch_millis', 'epoch_milliseconds'])(
  'Json_date_format may be %s where there is one',
  async (text) => {
    for (const output of ['http', 's3', 'stdout', 'tcp', 'udp']) {
      const option = (await tableOf(output)).json_date_format
      expect(option && parseValue('json_date_format', option, text)).toEqual({ value: text })
    }
  },
)

// fluent-bit's own plugins refuse them: a configuration that does not start there must not seem to work here.
test.each(['kinesis_streams', 'kinesis_firehose'])('%s knows no option of the Go plugins', async (output) => {
  const table = await tableOf(output)
  expect(['data_keys', 'replace_dots'].filter((name) => findOption(table, name))).toEqual([])
})

/** What New Relic's Go plugin reads, by FLBPluginConfigKey in its sources, and what its Helm chart sets. */
const OF_NEW_RELIC =
  'endpoint apiKey licenseKey httpClientTimeout sendMetrics lowDataMode ignoreSystemProxy proxy caBundleFile caBundleDir validateProxyCerts maxBufferSize maxRecords maxTimeBetweenFlushes'

test("newrelic knows the options of New Relic's Go plugin", async () => {
  const table = await tableOf('newrelic')
  const names = OF_NEW_RELIC.split(' ')
  expect(names.filter((name) => findOption(table, name) === undefined)).toEqual([])
  const meant = [
    'httpClientTimeout',
    'ignoreSystemProxy',
    'validateProxyCerts',
    'caBundleFile',
    'caBundleDir',
  ]
  expect(meant.map((name) => findOption(table, name))).toEqual([
    'http.response_timeout',
    'net.proxy_env_ignore',
    'tls.proxy.verify',
    'tls.proxy.ca_file',
    'tls.proxy.ca_path',
  ])
})

test.each(['cloudwatch_logs', 'kinesis_streams', 'kinesis_firehose', 'kinesis_aggregation', 's3', 'nrlogs'])(
  '%s warns of a value of tls that its URL contradicts',
  async (output) => {
    const spec = await registry.find('output', output)
    const [url, given] =
      output === 'nrlogs'
        ? ['base_uri', { license_key: 'k' }]
        : [
            'endpoint',
            { region: 'eu-west-1', bucket: 'b-1', stream: 's', stream_name: 's', delivery_stream: 's' },
          ]
    const known = Object.entries({ ...given, log_group_name: 'g', log_stream_name: 's' }).filter(
      ([name]) => findOption(spec?.options ?? {}, name) !== undefined,
    )
    const linesOf = (texts: Record<string, string>): string[] => {
      const { log, lines } = listLog()
      const options = parseOptions(spec?.options ?? {}, { ...Object.fromEntries(known), ...texts })
      spec?.create(options as never, outputContext({ log }) as never)
      return lines
    }
    expect(linesOf({ [url as string]: 'http://127.0.0.1:9', tls: 'on' })).toEqual([
      `warn tls on has no effect: ${url} begins with http://`,
    ])
    expect(linesOf({ [url as string]: 'https://127.0.0.1:9', tls: 'off' })).toEqual([
      `warn tls off has no effect: TLS is used unless ${url} begins with http://`,
    ])
    for (const [at, tls] of [
      ['http://127.0.0.1:9', 'off'],
      ['https://127.0.0.1:9', 'on'],
    ] as const)
      expect(linesOf({ [url as string]: at, tls })).toEqual([])
    expect(linesOf({})).toEqual([])
  },
)
