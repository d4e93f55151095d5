import { describe, expect, test } from 'bun:test'
import { gunzipSync, inflateSync } from 'node:zlib'
import { findOption, parseValue } from '../../../src/core/options/parse.ts'
import type { OutputSpec } from '../../../src/core/plugin.ts'
import { spec as cloudwatch } from '../../../src/plugins/outputs/cloudwatch.ts'
import { spec as cloudwatchLogs } from '../../../src/plugins/outputs/cloudwatch-logs.ts'
import { spec as firehose } from '../../../src/plugins/outputs/firehose.ts'
import { spec as kinesis } from '../../../src/plugins/outputs/kinesis.ts'
import { startCloudwatch } from '../../support/aws/cloudwatch-run.ts'
import { useAwsEnvironment } from '../../support/aws/environment.ts'
import { startKinesis } from '../../support/aws/kinesis-run.ts'

useAwsEnvironment()

function problemOf(spec: OutputSpec, name: string, text: string): string {
  const option = spec.options[findOption(spec.options, name) ?? '']
  const result = option && parseValue(name, option, text)
  return result?.problem === undefined ? '' : `${result.problem}; ${result.hint}`
}

describe('cloudwatch', () => {
  const plugin = cloudwatch as unknown as OutputSpec

  // The example of the plugin's README.
  test('puts variables of the Go plugin into names of groups and streams', async () => {
    const run = await startCloudwatch(
      {
        log_group_name: 'fluent-bit-cloudwatch-$(tag)',
        log_stream_name: "from_$(tag[1])_$(pam['item2']['subitem'])x$",
        auto_create_group: 'true',
        new_log_group_tags: 'tag=val,cooltag2=my other value',
      },
      {},
      { plugin },
    )
    run.push([{ pam: { item: 'soup', item2: { subitem: 'rice' } } }], 'dummy.data')
    await run.drained()
    expect(run.events('fluent-bit-cloudwatch-dummy.data from_data_ricex$')).toHaveLength(1)
    const created = run.double.requests.find(({ header }) =>
      header('x-amz-target')?.endsWith('CreateLogGroup'),
    )
    expect(JSON.parse(String(created?.content))).toEqual({
      logGroupName: 'fluent-bit-cloudwatch-dummy.data',
      tags: { tag: 'val', cooltag2: 'my other value' },
    })
  })

  test('sends records that lack a variable to the default group and stream', async () => {
    const names = { log_group_name: '/eks/$(app)', log_stream_name: '$(pod)', auto_create_group: 'on' }
    const run = await startCloudwatch(names, {}, { plugin })
    run.push([{ app: 'a' }, { pod: 'b' }])
    await run.drained()
    expect(run.events('/eks/a /fluentbit-default')).toHaveLength(1)
    expect(run.events('fluentbit-default b')).toHaveLength(1)
    const named = { default_log_group_name: 'g2', default_log_stream_name: 's2' }
    const other = await startCloudwatch({ ...names, ...named }, {}, { plugin })
    other.push([{}])
    await other.drained()
    expect(other.events('g2 s2')).toHaveLength(1)
  })

  test.each([
    ['$(uuid)', '${HOSTNAME}'],
    ['a-$(ecs_task_id)', 'the filter ecs'],
    ['$(tag', '$(tag)'],
    ['$(kubernetes[0)', '$(key)'],
    ['$TAG', 'log_stream_template'],
    ["$kubernetes['pod_name']", 'log_stream_template'],
  ])('refuses %s as the name of a stream, and says what to write', (text, hint) => {
    expect(problemOf(plugin, 'log_stream_name', text)).toContain(hint)
  })

  test('names the variable for Credentials_Endpoint', () => {
    expect(problemOf(plugin, 'credentials_endpoint', 'http://x')).toContain(
      'AWS_CONTAINER_CREDENTIALS_FULL_URI',
    )
  })
})

test.each(['$(tag)', 'a-$TAG', '$TAG[1]', "$kubernetes['pod_name']"])(
  'cloudwatch_logs refuses %s as the name of a stream: it would be taken as it is',
  (text) => {
    expect(problemOf(cloudwatchLogs as unknown as OutputSpec, 'log_stream_name', text)).toContain(
      'log_stream_template',
    )
  },
)

test('a name of a stream may have dollar signs that are no variables', () => {
  expect(problemOf(cloudwatchLogs as unknown as OutputSpec, 'log_stream_name', '2026/[$LATEST]a')).toBe('')
})

const RECORD = { log: 'a', 'x.y': { 'b.c': 1 }, other: true }

describe.each([
  ['firehose', firehose as unknown as OutputSpec, { delivery_stream: 'st' }],
  ['kinesis', kinesis as unknown as OutputSpec, { stream: 'st', append_newline: 'on' }],
] as const)('%s', (_name, spec, stream) => {
  const dataOf = async (texts: Record<string, string>): Promise<string[]> => {
    const run = await startKinesis(spec, { ...stream, ...texts })
    run.bench.push([RECORD, { n: 1 }])
    await run.drained()
    return run.double.api.records.map(({ data }) => data.toString())
  }

  test('sends the fields of Data_Keys only', async () => {
    expect(await dataOf({ data_keys: 'x.y,missing,log' })).toEqual(['{"x.y":{"b.c":1},"log":"a"}\n', '{}\n'])
    const [first = ''] = await dataOf({ data_keys: 'log', time_key: 't' })
    expect(JSON.parse(first)).toEqual({ log: 'a', t: expect.any(String) })
  })

  test('replaces dots in names of fields, at any depth', async () => {
    expect(await dataOf({ replace_dots: '_' })).toEqual([
      '{"log":"a","x_y":{"b_c":1},"other":true}\n',
      '{"n":1}\n',
    ])
    expect(await dataOf({ replace_dots: '_', data_keys: 'x.y' })).toEqual(['{"x_y":{"b_c":1}}\n', '{}\n'])
    expect(problemOf(spec, 'replace_dots', '-')).toContain('underscores only')
  })
})

describe('kinesis', () => {
  const spec = kinesis as unknown as OutputSpec
  const recordsOf = async (texts: Record<string, string>, ...records: object[]) => {
    const run = await startKinesis(spec, { stream: 'st', ...texts })
    run.bench.push(records)
    await run.drained()
    const [request] = run.double.requests
    return (JSON.parse(String(request?.content)).Records as { Data: string; PartitionKey: string }[]).map(
      ({ Data, PartitionKey: key }) => ({ data: Buffer.from(Data, 'base64'), key }),
    )
  }

  test('writes no line end unless Append_Newline is on', async () => {
    const [one] = await recordsOf({}, { log: 'ä' })
    expect(String(one?.data)).toBe('{"log":"ä"}')
    const [line] = await recordsOf({ append_newline: 'true', log_key: 'log' }, { log: 'ä' })
    expect(String(line?.data)).toBe('ä\n')
  })

  test('takes the partition key from a field, also of another one', async () => {
    const of = async (path: string, ...records: object[]) =>
      (await recordsOf({ partition_key: path }, ...records)).map(({ key }) => key)
    const long = 'ä'.repeat(300)
    const keys = await of(
      'id',
      { id: 'a' },
      { id: 'a' },
      { id: 'q"\\' },
      { id: long },
      {},
      { id: 7 },
      { id: '' },
    )
    expect(keys.slice(0, 4)).toEqual(['a', 'a', 'q"\\', 'ä'.repeat(256)])
    // Records without a text have the key of their file.
    expect(new Set(keys.slice(4)).size).toBe(1)
    expect(await of('kubernetes->pod_name', { kubernetes: { pod_name: 'web' } })).toEqual(['web'])
  })

  test('compresses each record with gzip or zlib', async () => {
    const [gzip] = await recordsOf({ compression: 'gzip' }, { n: 1 })
    expect(String(gunzipSync(gzip?.data ?? ''))).toBe('{"n":1}')
    const [zlib] = await recordsOf({ compression: 'zlib' }, { n: 1 })
    expect(String(inflateSync(zlib?.data ?? ''))).toBe('{"n":1}')
  })

  test('names the output for records of the KPL', () => {
    expect(problemOf(spec, 'aggregation', 'true')).toContain('kinesis_aggregation')
    expect(problemOf(spec, 'aggregation', 'false')).toBe('')
  })
})
