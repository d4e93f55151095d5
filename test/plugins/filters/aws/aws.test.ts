import { describe, expect, test } from 'bun:test'
import { parseOptions } from '../../../../src/core/options/parse.ts'
import { spec } from '../../../../src/plugins/filters/aws/index.ts'
import { filterContract } from '../../../contract/filter.ts'
import { FilterRun, type Texts } from '../../../support/engine/filter-run.ts'
import { ManualClock } from '../../../support/engine/manual-clock.ts'
import {
  FAULTS,
  imdsHandler,
  type Service,
  startRawService,
  startService,
} from '../../../support/metadata-service.ts'
import { atEnd } from '../../../support/tmp.ts'
import { until } from '../../../support/until.ts'

const VARIABLE = 'AWS_EC2_METADATA_SERVICE_ENDPOINT'
const META = '/latest/meta-data'
const DOCUMENT = '/latest/dynamic/instance-identity/document'
const VALUES = {
  [`${META}/placement/availability-zone`]: 'eu-central-1a',
  [`${META}/instance-id`]: 'i-0123456789abcdef0',
  [`${META}/instance-type`]: 'm7g.large',
  [`${META}/local-ipv4`]: '10.0.0.7',
  [`${META}/mac`]: '0a:1b:2c:3d:4e:5f',
  [`${META}/network/interfaces/macs/0a:1b:2c:3d:4e:5f/vpc-id`]: 'vpc-1',
  [`${META}/ami-id`]: 'ami-1',
  [`${META}/hostname`]: 'ip-10-0-0-7.ec2.internal',
  [DOCUMENT]: '{"accountId":"123456789012","region":"eu-central-1"}',
}
const BASIC = { az: 'eu-central-1a', ec2_instance_id: 'i-0123456789abcdef0' }

/** Starts the filter with a service in place of that of the instance. */
function awsAt(url: string, texts: Texts = {}, more = {}, disabled = ''): FilterRun {
  const set = { [VARIABLE]: url, AWS_EC2_METADATA_DISABLED: disabled }
  const before = Object.keys(set).map((name) => [name, process.env[name]] as const)
  Object.assign(process.env, set)
  try {
    const run = new FilterRun(spec as never, texts, more)
    atEnd(() => run.filter.close?.())
    return run
  } finally {
    for (const [name, value] of before)
      if (value === undefined) delete process.env[name]
      else process.env[name] = value
  }
}

async function started(service: Service, texts: Texts = {}): Promise<FilterRun> {
  const run = awsAt(service.url, texts)
  await run.filter.start?.()
  return run
}

filterContract({
  name: 'aws',
  create: (ctx) => spec.trial?.create({} as never, ctx, { mark: 'i-1', keep: 'eu' }) as never,
  expected: ({ mark: _mark, keep: _keep, ...others }) => others,
  added: { mark: 'i-1', keep: 'eu' },
})

test('adds zone and instance id by default, from the first record on', async () => {
  const service = await startService(imdsHandler({ values: VALUES, tokens: ['t'] }))
  const run = await started(service)
  expect(run.through([{ a: 1, az: 'mine' }])).toEqual([{ a: 1, ...BASIC }])
  expect(service.requests[0]).toBe('PUT /latest/api/token')
  expect(run.counters.get('records_incomplete')).toBe(0)
  expect(run.filter.ready?.('app', '/app.log')).toBeUndefined()
})

test('adds everything that is turned on, in the order of the options, and asks for nothing else', async () => {
  const tags = `${META}/tags/instance`
  const values = { ...VALUES, [tags]: 'Name\nTeam', [`${tags}/Name`]: 'web 1', [`${tags}/Team`]: '' }
  const service = await startService(imdsHandler({ values, tokens: ['t'] }))
  const names = [
    'ec2_instance_type',
    'private_ip',
    'vpc_id',
    'ami_id',
    'account_id',
    'hostname',
    'tags_enabled',
    'enable_entity',
  ]
  const run = await started(service, { az: 'off', ...Object.fromEntries(names.map((name) => [name, 'on'])) })
  expect(Object.entries(run.through([{}])[0] ?? {})).toEqual([
    ['ec2_instance_id', 'i-0123456789abcdef0'],
    ['ec2_instance_type', 'm7g.large'],
    ['private_ip', '10.0.0.7'],
    ['vpc_id', 'vpc-1'],
    ['ami_id', 'ami-1'],
    ['account_id', '123456789012'],
    ['hostname', 'ip-10-0-0-7.ec2.internal'],
    ['Name', 'web 1'],
    ['Team', ''],
    ['aws_entity_ec2_instance_id', 'i-0123456789abcdef0'],
    ['aws_entity_account_id', '123456789012'],
  ])
  expect(service.requests.some((request) => request.includes('availability-zone'))).toBe(false)
})

test('Tags_Include and Tags_Exclude choose; tags that are not in the metadata are none', async () => {
  const tags = `${META}/tags/instance`
  const values = { ...VALUES, [tags]: 'A\nB', [`${tags}/A`]: '1', [`${tags}/B`]: '2' }
  const service = await startService(imdsHandler({ values, tokens: ['t'] }))
  const only = { az: 'off', ec2_instance_id: 'off', tags_enabled: 'on' }
  expect((await started(service, { ...only, tags_include: 'B,C' })).through([{}])).toEqual([{ B: '2' }])
  expect((await started(service, { ...only, tags_exclude: 'B' })).through([{}])).toEqual([{ A: '1' }])
  const bare = await startService(imdsHandler({ values: VALUES, tokens: ['t'] }))
  const run = await started(bare, { ...only })
  expect(run.through([{ a: 1 }])).toEqual([{ a: 1 }])
  expect(run.counters.get('imds_failures')).toBe(0)
})

test('version v1 sends no token, and v2 replaces one that has expired', async () => {
  const first = await startService(imdsHandler({ values: VALUES }))
  expect((await started(first, { imds_version: 'v1' })).through([{}])).toEqual([BASIC])
  expect(first.requests.every((request) => request.startsWith('GET'))).toBe(true)
  const second = await startService(imdsHandler({ values: VALUES, tokens: ['old', 'new'] }))
  expect((await started(second)).through([{}])).toEqual([BASIC])
  expect(second.requests.filter((request) => request.startsWith('PUT'))).toHaveLength(2)
})

test('what is missing is asked for again after Retry_Interval_S, what is known is not', async () => {
  const values: Record<string, string> = { [`${META}/instance-id`]: 'i-1' }
  const service = await startService(imdsHandler({ values, tokens: ['t'] }))
  const clock = new ManualClock()
  const run = awsAt(service.url, { retry_interval_s: '60' }, { clock })
  await run.filter.start?.()
  expect(run.through([{}, {}])).toEqual([{ ec2_instance_id: 'i-1' }, { ec2_instance_id: 'i-1' }])
  expect(run.counters.get('records_incomplete')).toBe(2)
  expect(run.lines.filter((line) => line.startsWith('warn'))).toEqual([
    expect.stringContaining(
      'no metadata of the instance: records go on without az: GET /latest/meta-data/placement',
    ),
  ])
  values[`${META}/placement/availability-zone`] = 'eu-1b'
  const asked = service.requests.length
  clock.advance(59_999)
  run.through([{}])
  expect(service.requests).toHaveLength(asked)
  clock.advance(1)
  run.through([{}])
  await until(() => run.lines.some((line) => line === 'info the metadata of the instance is known now'))
  expect(run.through([{}])).toEqual([{ az: 'eu-1b', ec2_instance_id: 'i-1' }])
  expect(service.requests.slice(asked)).toEqual([`GET ${META}/placement/availability-zone`])
})

test('lines of files wait for the first answers, and for five seconds at most', async () => {
  let release = (): void => {}
  const service = await startService((request, response) => {
    if (request.method === 'PUT')
      release = () => imdsHandler({ values: VALUES, tokens: ['t'] })(request, response)
    else imdsHandler({ values: VALUES })(request, response)
  })
  const clock = new ManualClock()
  const run = awsAt(service.url, {}, { clock })
  const start = run.filter.start?.()
  await until(() => service.requests.length === 1)
  clock.advance(1000)
  await start
  const wait = run.filter.ready?.('app', '/app.log')
  expect(wait).toBeInstanceOf(Promise)
  clock.advance(3999)
  expect(run.filter.ready?.('app', '/app.log')).toBeInstanceOf(Promise)
  clock.advance(1)
  await wait
  expect(run.filter.ready?.('app', '/app.log')).toBeUndefined()
  release()
})

test('what is known is added while the rest is asked for', async () => {
  const answer = imdsHandler({ values: VALUES })
  const service = await startService((request, response) => {
    if (request.url !== `${META}/instance-id`) answer(request, response)
  })
  const clock = new ManualClock()
  const run = awsAt(service.url, { imds_version: 'v1' }, { clock })
  const start = run.filter.start?.()
  await until(() => service.requests.includes(`GET ${META}/instance-id`))
  clock.advance(1000)
  await start
  expect(run.through([{ a: 1 }])).toEqual([{ a: 1, az: 'eu-central-1a' }])
})

describe('a service that', () => {
  test.each(Object.entries(FAULTS))(
    '%s delays the start for a second at most; records pass, counted, logged once',
    async (_name, fault) => {
      const service = await startRawService((socket) => socket.once('data', () => fault(socket)))
      const clock = new ManualClock()
      const run = awsAt(service.url, { retry_interval_s: '1', imds_version: 'v1' }, { clock })
      const start = run.filter.start?.()
      clock.advance(1000)
      await start
      expect(run.through([{ a: 1 }])).toEqual([{ a: 1 }])
      await until(() => run.counters.get('imds_failures') >= 1)
      for (const attempt of [2, 3]) {
        clock.advance(10_000)
        expect(run.through([{ a: 1 }])).toEqual([{ a: 1 }])
        await until(() => run.counters.get('imds_failures') >= attempt)
      }
      expect(run.counters.get('records_incomplete')).toBe(3)
      expect(run.lines).toEqual([
        expect.stringContaining('warn no metadata of the instance: records go on without az'),
      ])
      await run.filter.close?.()
      expect(clock.waiting).toBe(0)
    },
  )

  test('gives no token has the hop limit in the hint', async () => {
    const service = await startRawService((socket) => socket.once('data', () => socket.destroy()))
    const run = await started(service)
    await until(() => run.lines.length > 0)
    expect(run.fields[0]?.hint).toContain('hop limit')
  })

  test('names too many tags, or a document without an account, gets no further questions', async () => {
    const tags = `${META}/tags/instance`
    const many = Array.from({ length: 101 }, (_, i) => `t${i}`).join('\n')
    for (const [option, path, text] of [
      ['tags_enabled', tags, many],
      ['account_id', DOCUMENT, '{"accountId":5}'],
      ['account_id', DOCUMENT, '[null'],
      ['vpc_id', `${META}/mac`, '../../user-data'],
    ] as const) {
      const service = await startService(imdsHandler({ values: { ...VALUES, [path]: text }, tokens: ['t'] }))
      const run = await started(service, { [option]: 'on' })
      expect(run.through([{}])).toEqual([BASIC])
      expect(run.counters.get('imds_failures')).toBe(1)
      expect(service.requests).toHaveLength(4)
    }
  })
})

test('refuses both lists of tags, and an endpoint that is no URL', () => {
  expect(() => awsAt('http://127.0.0.1:1', { tags_include: 'a', tags_exclude: 'b' })).toThrow('both set')
  expect(() => awsAt('no url')).toThrow(`${VARIABLE} is not a URL`)
})

test('a trial says what would be asked for, and nothing when nothing is turned on', () => {
  const asks = (texts: Texts): string | undefined =>
    spec.trial?.asks(parseOptions(spec.options, texts) as never)
  expect(asks({})).toBe('metadata of the instance')
  expect(asks({ az: 'off', ec2_instance_id: 'off' })).toBeUndefined()
})

test('AWS_EC2_METADATA_DISABLED prevents every request, with a warning', async () => {
  const service = await startService(imdsHandler({ values: VALUES, tokens: ['t'] }))
  const run = awsAt(service.url, {}, {}, 'true')
  await run.filter.start?.()
  expect(run.through([{ log: 'x' }])).toEqual([{ log: 'x' }])
  expect(run.lines).toEqual([
    'warn no metadata of the instance: AWS_EC2_METADATA_DISABLED is true: records go on without az, ec2_instance_id',
  ])
  expect(service.requests).toEqual([])
})
