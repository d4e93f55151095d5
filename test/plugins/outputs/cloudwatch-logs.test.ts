import { describe, expect, test } from 'bun:test'
import { parseOptions } from '../../../src/core/options/parse.ts'
import { spec } from '../../../src/plugins/outputs/cloudwatch-logs.ts'
import { type CloudwatchRun, NAMES, NOW_MS, startCloudwatch } from '../../support/aws/cloudwatch-run.ts'
import { useAwsEnvironment } from '../../support/aws/environment.ts'
import { fault } from '../../support/doubles/aws-json.ts'
import { FAULTS } from '../../support/doubles/plan.ts'
import type { StoreAnswer } from '../../support/doubles/store-double.ts'
import { outputContext } from '../../support/engine/output-context.ts'

useAwsEnvironment()

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS

function numbered(from: number, count: number, more: object = {}): object[] {
  return Array.from({ length: count }, (_, i) => ({ n: from + i, ...more }))
}

interface PutBody {
  logGroupName: string
  logStreamName: string
  logEvents: { timestamp: number; message: string }[]
  sequenceToken?: string
  entity?: object
}

/** Returns the bodies of the requests with events. */
function puts({ double }: CloudwatchRun): PutBody[] {
  return double.requests
    .filter(({ header }) => header('x-amz-target') === 'Logs_20140328.PutLogEvents')
    .map(({ content }) => JSON.parse(content.toString()) as PutBody)
}

function numbersIn(events: { message: string }[]): number[] {
  return events.map(({ message }) => (JSON.parse(message) as { n: number }).n)
}

/** Answers the requests of one operation, in their order, with something else; `undefined`: as always. */
function answerWith(
  { double }: CloudwatchRun,
  operation: string,
  ...answers: (StoreAnswer | undefined)[]
): void {
  const handle = double.api.handle.bind(double.api)
  double.api.handle = (request, store) => {
    const isIt = request.header('x-amz-target')?.endsWith(`.${operation}`) === true
    return (isIt ? answers.shift() : undefined) ?? handle(request, store)
  }
}

describe('events', () => {
  test('have the record as JSON and its time in milliseconds, in a signed request', async () => {
    const run = await startCloudwatch()
    run.push([{ log: 'say "ä"\n\u0001\\', n: 1.5, m: { k: [null, true] } }, {}], 'app', (i) => NOW_MS + i)
    await run.drained()
    expect(run.events()).toEqual([
      {
        timestamp: NOW_MS,
        message: '{"log":"say \\"\\u00e4\\"\\n\\u0001\\\\","n":1.5,"m":{"k":[null,true]}}',
      },
      { timestamp: NOW_MS + 1, message: '{}' },
    ])
    expect(run.double.requests.at(-1)?.header('authorization')).toMatch(
      /^AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE\/\d{8}\/eu-west-1\/logs\/aws4_request, SignedHeaders=content-length;content-type;host;user-agent;x-amz-date;x-amz-target, /,
    )
    expect(run.double.bad).toEqual([])
  })

  test('are the same whether many or few are written at once', async () => {
    const records = numbered(0, 40, { text: 'ä "x" \u{1f600}', m: { a: [1, 'b'] } })
    const run = await startCloudwatch()
    run.push(records)
    for (const [i, record] of records.entries()) run.push([record], 'app', () => NOW_MS + i)
    await run.drained()
    const messages = run.events().map(({ message }) => message)
    expect(messages.slice(40)).toEqual(messages.slice(0, 40))
    expect(messages.map((message) => JSON.parse(message))).toEqual([...records, ...records])
  })

  test('are sorted by time, those of one millisecond as they came', async () => {
    const run = await startCloudwatch()
    const times = [5, 3, 5, 1, 3, 9, 1]
    run.push(numbered(0, 7), 'app', (i) => NOW_MS + (times[i] as number))
    await run.drained()
    expect(numbersIn(run.events())).toEqual([3, 6, 1, 4, 0, 2, 5])
  })

  test('of more than a day are sent in several requests', async () => {
    const run = await startCloudwatch()
    run.push(numbered(0, 100), 'app', (i) => NOW_MS - 5 * DAY_MS + i * HOUR_MS)
    await run.drained()
    expect(run.double.ledger.report(100)).toMatchObject({ kept: 100, twice: 0, disorder: 0 })
    const spans = puts(run).map(
      ({ logEvents }) => (logEvents.at(-1)?.timestamp ?? 0) - (logEvents[0]?.timestamp ?? 0),
    )
    expect(spans).toEqual([23, 23, 23, 23, 3].map((hours) => hours * HOUR_MS))
  })

  test('are at most 10,000 in a request, and 1,048,576 bytes with 26 for each', async () => {
    const run = await startCloudwatch()
    run.push(numbered(0, 25_000))
    await run.drained()
    expect(puts(run).map(({ logEvents }) => logEvents.length)).toEqual([10_000, 10_000, 5000])
    const large = await startCloudwatch()
    large.push(numbered(0, 3000, { text: '"\n'.repeat(300) }))
    await large.drained()
    expect(large.double.ledger.report(3000)).toMatchObject({ kept: 3000, twice: 0 })
    const sizes = puts(large).map(({ logEvents }) =>
      logEvents.reduce((sum, { message }) => sum + Buffer.byteLength(message) + 26, 0),
    )
    expect(sizes.length).toBe(Math.ceil(sizes.reduce((sum, size) => sum + size, 0) / 1_048_576))
    expect([...run.double.bad, ...large.double.bad]).toEqual([])
  })

  test('of 1 MiB are sent, and a larger one goes to the dead letters alone', async () => {
    const run = await startCloudwatch()
    const largest = 1_048_576 - 26 - '{"n":1,"t":""}'.length
    const records = [
      { n: 0 },
      { n: 1, t: 'x'.repeat(largest) },
      { n: 2, t: 'x'.repeat(largest + 1) },
      { n: 3 },
    ]
    run.push(records)
    await run.drained()
    expect(run.double.ledger.report(4)).toMatchObject({ kept: 3, first: [2] })
    expect(run.bench.rejected.map(({ record }) => record.n)).toEqual([2])
    expect(run.bench.rejected[0]?.reason).toContain('1,048,551 bytes as an event, and at most 1,048,550')
  })

  test('keep the order of a stream over chunks, and one tag does not wait for another', async () => {
    const run = await startCloudwatch({ log_stream_prefix: 'p-' })
    for (let i = 0; i < 40; i++) run.push(numbered(i * 50, 50), `t${i % 4}`, (k) => NOW_MS + i * 50 + k)
    await run.drained()
    expect(run.double.ledger.report(2000)).toMatchObject({ kept: 2000, twice: 0, disorder: 0 })
    expect([...run.double.api.streams.keys()]).toEqual(['g p-t0', 'g p-t1', 'g p-t2', 'g p-t3'])
  })
})

describe('messages', () => {
  test('of Log_Key are the text of a field as it is; a record without it goes to the dead letters', async () => {
    const run = await startCloudwatch({ log_key: 'log' })
    run.push([{ log: 'a "b" ä\t\u0007' }, { other: 1 }, { log: { m: [1, 'ä'] } }, { log: '' }, { log: 12 }])
    await run.drained()
    expect(run.events().map(({ message }) => message)).toEqual([
      'a "b" ä\t\u0007',
      '{"m":[1,"ä"]}',
      ' ',
      '12',
    ])
    expect(run.bench.rejected.map(({ record }) => record)).toEqual([{ other: 1 }])
    expect(run.bench.rejected[0]?.reason).toContain('no field "log", which Log_Key names')
  })

  test('of what is no UTF-8 have U+FFFD in its place', async () => {
    const run = await startCloudwatch({ log_key: 'log' })
    run.push([{ log: Buffer.from([0x61, 0xff, 0x62]) }])
    await run.drained()
    expect(run.events().map(({ message }) => message)).toEqual(['a\ufffdb'])
  })

  test('have the header of Log_Format', async () => {
    const run = await startCloudwatch({ log_format: 'json/emf' })
    run.push([{ n: 0 }])
    await run.drained()
    expect(run.double.requests.map(({ header }) => header('x-amzn-logs-format'))).toEqual([
      undefined,
      'json/emf',
    ])
  })
})

describe('log streams', () => {
  test('are created with their group once, and the retention is set once', async () => {
    const options = {
      ...{ log_stream_prefix: 'p-', auto_create_group: 'on', log_retention_days: '7' },
      log_group_class: 'INFREQUENT_ACCESS',
    }
    const run = await startCloudwatch(options, {}, { existing: false })
    for (let i = 0; i < 12; i++) run.push(numbered(i, 1), `t${i}`)
    await run.drained()
    expect(run.double.ledger.report(12)).toMatchObject({ kept: 12, twice: 0 })
    expect(run.double.api.groups.get('g')).toEqual({ retentionInDays: 7 })
    const bodies = (operation: string): string[] =>
      run.double.requests
        .filter(({ header }) => header('x-amz-target') === `Logs_20140328.${operation}`)
        .map(({ content }) => content.toString())
    expect(bodies('CreateLogGroup')).toEqual(['{"logGroupName":"g","logGroupClass":"INFREQUENT_ACCESS"}'])
    expect(bodies('PutRetentionPolicy')).toEqual(['{"logGroupName":"g","retentionInDays":7}'])
  })

  test('that are created in one minute have one line in the log, and the next line has their number', async () => {
    const run = await startCloudwatch(
      { log_stream_prefix: 'p-', auto_create_group: 'on' },
      {},
      { existing: false },
    )
    const lines = (): string[] =>
      run.bench.logged.lines.filter((line) => /^info created log stream/.test(line))
    for (let i = 0; i < 12; i++) run.push(numbered(i, 1), `t${i}`)
    await run.drained()
    expect(lines()).toHaveLength(1)
    run.bench.clock.advance(60_000)
    run.push(numbered(12, 1), 't12')
    await run.drained()
    expect(lines()).toHaveLength(2)
    expect(lines()[1]).toContain('created log stream p-t12 in g, and 11 others since the last such line')
  })

  test('are created again when somebody has deleted them, in the same attempt', async () => {
    const run = await startCloudwatch({ auto_create_group: 'on' })
    run.push(numbered(0, 2))
    await run.drained()
    run.double.api.streams.clear()
    run.double.api.groups.clear()
    run.push(numbered(2, 2))
    await run.drained()
    expect(run.operations()).toEqual([
      ...['CreateLogStream', 'PutLogEvents'],
      ...['CreateLogStream', 'CreateLogGroup', 'CreateLogStream', 'PutLogEvents'],
    ])
    expect(numbersIn(run.events())).toEqual([2, 3])
    expect([...run.bench.outcomes.values()].flat()).toEqual(['delivered', 'delivered'])
    expect(run.bench.logged.lines.filter((line) => line.startsWith('warn'))).toEqual([])
  })

  test('wait for a group that nobody may create, and say what to do', async () => {
    const run = await startCloudwatch({}, {}, { existing: false })
    run.push(numbered(0, 2))
    for (let i = 0; i < 4; i++) {
      await run.bench.turns()
      run.bench.clock.advance(1000)
    }
    run.double.api.groups.set('g', {})
    await run.drained()
    expect(numbersIn(run.events())).toEqual([0, 1])
    const said = JSON.stringify([run.bench.logged.lines, run.bench.logged.fields])
    expect(said).toContain('log group g does not exist: status 400 ResourceNotFoundException')
    expect(said).toContain('create the log group, or set Auto_Create_Group')
  })

  test('that exist take events of a role that may create none', async () => {
    const run = await startCloudwatch()
    run.double.api.streams.set('g s', [])
    answerWith(
      run,
      'CreateLogStream',
      fault(400, 'AccessDeniedException', 'not allowed: logs:CreateLogStream'),
    )
    run.push(numbered(0, 2))
    await run.drained()
    expect(run.operations()).toEqual(['CreateLogStream', 'PutLogEvents'])
    expect(numbersIn(run.events())).toEqual([0, 1])
  })

  test('that are missing and may not be created cost no record', async () => {
    const run = await startCloudwatch()
    const refusal = fault(400, 'AccessDeniedException', 'not allowed: logs:CreateLogStream')
    answerWith(run, 'CreateLogStream', refusal, refusal, refusal)
    run.push(numbered(0, 2))
    await run.drained()
    expect(numbersIn(run.events())).toEqual([0, 1])
    const said = JSON.stringify([run.bench.logged.lines, run.bench.logged.fields])
    expect(said).toContain('cannot create log stream s in g: status 400 AccessDeniedException')
  })

  test('and groups that others create at the same time are used', async () => {
    const run = await startCloudwatch(
      { auto_create_group: 'on', log_retention_days: '3' },
      {},
      { existing: false },
    )
    let creations = 0
    const handle = run.double.api.handle.bind(run.double.api)
    run.double.api.handle = (request, store) => {
      if (request.header('x-amz-target') !== 'Logs_20140328.CreateLogGroup') return handle(request, store)
      if (creations++ === 0) return fault(400, 'OperationAbortedException')
      run.double.api.groups.set('g', {})
      run.double.api.streams.set('g s', [])
      return fault(400, 'ResourceAlreadyExistsException')
    }
    run.push(numbered(0, 2))
    await run.drained()
    expect(creations).toBe(2)
    expect(numbersIn(run.events())).toEqual([0, 1])
    expect(run.double.api.groups.get('g')).toEqual({ retentionInDays: 3 })
  })

  test('take records although the retention of their group may not be set', async () => {
    const run = await startCloudwatch(
      { auto_create_group: 'on', log_retention_days: '3' },
      {},
      { existing: false },
    )
    answerWith(
      run,
      'PutRetentionPolicy',
      fault(400, 'ThrottlingException'),
      fault(400, 'AccessDeniedException'),
    )
    run.push(numbered(0, 2))
    await run.drained()
    expect(numbersIn(run.events())).toEqual([0, 1])
    expect(run.bench.logged.lines.join('\n')).toContain(
      'cannot set the retention of log group g, so its events never expire',
    )
    const settings = run.double.requests.filter(({ content }) => content.includes('retentionInDays'))
    expect(settings).toHaveLength(2)
  })
})

describe('names', () => {
  test('of tags and fields have underscores for what the service does not allow', async () => {
    const run = await startCloudwatch({
      ...{ log_stream_prefix: 'p-', auto_create_group: 'on', log_group_template: "/k/$k['ns']" },
    })
    run.push([{ n: 0, k: { ns: 'a b:ä*' } }, { n: 1 }], 'x:*\u0001/ä')
    await run.drained()
    expect([...run.double.api.streams.keys()].sort()).toEqual(['/k/a_b___ p-x___/ä', 'g p-x___/ä'].sort())
    expect(run.double.ledger.report(2)).toMatchObject({ kept: 2 })
  })

  test('of templates give each stream one request for a chunk, however its records are mixed', async () => {
    const run = await startCloudwatch({ log_stream_template: '$TAG-$u' })
    run.push(numbered(0, 300).map((record, i) => ({ ...record, u: `u${i % 3}` })))
    await run.drained()
    expect(puts(run).map(({ logStreamName, logEvents }) => [logStreamName, logEvents.length])).toEqual([
      ['app-u0', 100],
      ['app-u1', 100],
      ['app-u2', 100],
    ])
    expect(run.double.ledger.report(300)).toMatchObject({ kept: 300, twice: 0, disorder: 0 })
  })

  test('that differ only in the border between group and stream are different', async () => {
    const run = await startCloudwatch({
      ...{ auto_create_group: 'on', log_group_template: '$a', log_stream_template: '$b' },
    })
    run.push([
      { n: 0, a: 'xy', b: 'z' },
      { n: 1, a: 'x', b: 'yz' },
      { n: 2, a: '', b: 'z' },
    ])
    await run.drained()
    expect([...run.double.api.streams.keys()].sort()).toEqual(['g z', 'x yz', 'xy z'])
  })

  test('of an entity are those of the record, which has a request of its own', async () => {
    const run = await startCloudwatch({ add_entity: 'on' })
    const kubernetes = {
      ...{ aws_entity_workload: 'web', aws_entity_platform: 'eks', aws_entity_cluster: 'c' },
      ...{ namespace_name: 'ns', host: 'node-1' },
    }
    run.push([
      { n: 0, kubernetes, aws_entity_account_id: '123', aws_entity_ec2_instance_id: 'i-1' },
      { n: 1, kubernetes },
    ])
    await run.drained()
    const [first, second] = puts(run)
    expect(first?.entity).toEqual({
      keyAttributes: { Type: 'Service', Name: 'web', Environment: 'eks:c/ns', AwsAccountId: '123' },
      attributes: {
        ...{ PlatformType: 'AWS::EKS', 'EKS.Cluster': 'c', 'K8s.Namespace': 'ns', 'K8s.Node': 'node-1' },
        ...{ 'K8s.Workload': 'web', 'EC2.InstanceId': 'i-1', 'AWS.ServiceNameSource': 'K8sWorkload' },
      },
    })
    expect(JSON.parse(first?.logEvents[0]?.message ?? '')).toEqual({ n: 0, kubernetes })
    expect(second).not.toHaveProperty('entity')
  })
})

describe('rejected events', () => {
  test('go to the dead letters by their index in the request, with the words of the answer', async () => {
    const run = await startCloudwatch()
    run.double.api.groups.set('g', { retentionInDays: 7 })
    const days = [-0.01, 0.5, -20, -0.02, -10, 0, -19.5]
    run.push(numbered(0, 7), 'app', (i) => NOW_MS + (days[i] as number) * DAY_MS)
    await run.drained()
    expect(numbersIn(run.events()).toSorted()).toEqual([0, 3, 5])
    const rejected = Object.fromEntries(run.bench.rejected.map(({ record, reason }) => [record.n, reason]))
    expect(Object.keys(rejected)).toEqual(['1', '2', '4', '6'])
    expect(rejected[1]).toMatch(
      /refuses the record: tooNewLogEventStartIndex \d: its time 2026-11-21T18:00:00.123Z is more than 2 hours/,
    )
    expect(rejected[2]).toMatch(
      /refuses the record: tooOldLogEventEndIndex \d: its time .* is more than 14 days ago/,
    )
    expect(rejected[4]).toMatch(
      /refuses the record: expiredLogEventEndIndex \d: its time .* is before the retention/,
    )
    expect(run.double.ledger.report(7)).toMatchObject({ kept: 3, refused: 4, both: 0, twice: 0 })
  })

  test.each([
    ['ahead', 5 * HOUR_MS],
    ['behind', -30 * DAY_MS],
  ])('wait when the clock of the machine is %s, and are taken when it is set', async (_name, byMs) => {
    const run = await startCloudwatch()
    run.bench.clock.set(NOW_MS + byMs)
    run.push(numbered(0, 3), 'app', (i) => NOW_MS + byMs + i)
    for (let i = 0; i < 6; i++) {
      await run.bench.turns()
      run.bench.clock.advance(1000)
    }
    expect(run.bench.rejected).toEqual([])
    const said = JSON.stringify([run.bench.logged.lines, run.bench.logged.fields])
    expect(said).toContain('the clock of this machine and that of the service differ by hours')
    expect(said).toContain('set the clock of this machine')
    if (byMs < 0) return
    // The time of the service has reached that of the events.
    run.double.nowMs = () => NOW_MS + byMs
    await run.drained()
    expect(numbersIn(run.events())).toEqual([0, 1, 2])
  })

  test.each([
    '{"tooOldLogEventEndIndex":5}',
    '{"tooNewLogEventStartIndex":-1}',
    '{"expiredLogEventEndIndex":"1"}',
    '[]',
    '[{"tooNewLogEventStartIndex":0}]',
    '"x"',
  ])('of an answer that makes no sense are sent again: %s', async (info) => {
    const run = await startCloudwatch()
    const answer = { status: 200, type: 'application/json', body: `{"rejectedLogEventsInfo":${info}}` }
    answerWith(run, 'PutLogEvents', answer)
    run.push(numbered(0, 3))
    await run.drained()
    expect(numbersIn(run.events())).toEqual([0, 1, 2])
    expect(run.bench.rejected).toEqual([])
  })
})

describe('answers', () => {
  const type = 'application/x-amz-json-1.1'
  test.each([
    [
      'an empty body with the id of the request',
      { status: 200, headers: { 'x-amzn-RequestId': '1' }, body: '' },
      0,
    ],
    ['an object', { status: 200, type, body: '{"nextSequenceToken":"1"}' }, 0],
    [
      'an entity that is refused',
      { status: 200, type, body: '{"rejectedEntityInfo":{"errorType":"InvalidEntity"}}' },
      0,
    ],
    ['data that was accepted before', fault(400, 'DataAlreadyAcceptedException'), 0],
    ['an empty body', { status: 200, body: '' }, 1],
    ['a page', { status: 200, type: 'text/html', body: '<html>ok</html>' }, 1],
    ['a list', { status: 200, type, body: '[]' }, 1],
    ['a text that is cut', { status: 200, type, body: '{"nextSeq' }, 1],
    ['throttling', fault(400, 'ThrottlingException', 'Rate exceeded'), 1],
    ['a failure', fault(500, 'ServiceUnavailableException'), 1],
  ] as const)('%s: sent again %i times', async (_name, answer, times) => {
    const run = await startCloudwatch()
    run.double.api.streams.set('g s', [])
    answerWith(run, 'PutLogEvents', answer as StoreAnswer)
    run.push(numbered(0, 2))
    await run.drained()
    expect(puts(run)).toHaveLength(1 + times)
    expect(run.events()).toHaveLength(2 * times)
    expect(run.bench.rejected).toEqual([])
  })

  test('that ask for a sequence token get it from then on', async () => {
    const run = await startCloudwatch()
    let expected = 1
    const handle = run.double.api.handle.bind(run.double.api)
    run.double.api.handle = (request, store) => {
      if (request.header('x-amz-target') !== 'Logs_20140328.PutLogEvents') return handle(request, store)
      const { sequenceToken } = JSON.parse(request.content.toString()) as PutBody
      if (sequenceToken !== `t${expected}`)
        return {
          ...{ status: 400, type },
          body: JSON.stringify({
            __type: 'InvalidSequenceTokenException',
            expectedSequenceToken: `t${expected}`,
          }),
        }
      expected++
      return { ...handle(request, store), body: `{"nextSequenceToken":"t${expected}"}` }
    }
    for (let i = 0; i < 4; i++) {
      run.push(numbered(i, 1))
      await run.drained()
    }
    expect(puts(run).map(({ sequenceToken }) => sequenceToken)).toEqual([undefined, 't1', 't2', 't3', 't4'])
    expect(numbersIn(run.events())).toEqual([0, 1, 2, 3])
  })

  test('of every kind leave each record one fate', async () => {
    const faults = Object.fromEntries(FAULTS.filter((name) => name !== 'hang').map((name) => [name, 0.02]))
    const run = await startCloudwatch(
      { log_stream_prefix: 'p-', auto_create_group: 'on', log_retention_days: '7' },
      { seed: 5, faults },
      { existing: false },
    )
    // One in ten is too old, one in ten too new.
    const timeOf = (i: number): number => NOW_MS + (i % 10 === 3 ? -20 * DAY_MS : i % 10 === 7 ? DAY_MS : i)
    for (let i = 0; i < 60; i++) run.push(numbered(i * 20, 20), `t${i % 5}`, timeOf)
    await run.drained()
    const { kept, missing, both, refused } = run.double.ledger.report(1200)
    expect({ kept, missing, both, refused }).toEqual({ kept: 960, missing: 0, both: 0, refused: 240 })
    const rejected = run.bench.rejected.map(({ record }) => record.n as number)
    expect(new Set(rejected).size).toBe(rejected.length)
    expect(rejected.length).toBe(240)
    expect(run.bench.buffers.out.size).toBe(0)
    expect(run.double.bad).toEqual([])
  }, 180_000)
})

describe('metrics', () => {
  test('are made of records of the inputs cpu and mem', async () => {
    const { EmbeddedMetrics, metricUnitOf } = await import('../../../src/lib/cloudwatch-logs/metrics.ts')
    const { JsonText } = await import('../../../src/lib/json/msgpack-to-json.ts')
    const { chunkOf } = await import('../../support/engine/chunk-of.ts')
    const { Entry } = await import('../../../src/lib/records/entry.ts')
    const chunk = chunkOf([{ cpu_p: 1.5, user_p: 1, system_p: 0.5, 'cpu0.p_cpu': 2, host: 'h' }])
    const entry = new Entry()
    entry.read(chunk, chunk.start)
    const text = new JsonText()
    new EmbeddedMetrics('ns', 'host, zone;host').write(text, chunk.buf, entry.map, entry.time, 'Percent')
    const unit = { Unit: 'Percent' }
    expect(JSON.parse(text.bytes().toString())).toEqual({
      _aws: {
        Timestamp: 1_000_000,
        CloudWatchMetrics: [
          {
            Namespace: 'ns',
            Dimensions: [['host', 'zone'], ['host']],
            Metrics: ['cpu_p', 'user_p', 'system_p'].map((Name) => ({ Name, ...unit })),
          },
        ],
      },
      ...{ cpu_p: 1.5, user_p: 1, system_p: 0.5, 'cpu0.p_cpu': 2, host: 'h' },
    })
    expect(['cpu.0', 'mem.1', 'tail.0', 'cpuset.0'].map(metricUnitOf)).toEqual([
      'Percent',
      'Kilobytes',
      undefined,
      undefined,
    ])
  })
})

describe('options', () => {
  const create = (texts: Record<string, string>): unknown =>
    spec.create(
      parseOptions(spec.options, { region: 'eu-west-1', log_group_name: 'g', ...texts }),
      outputContext(),
    )

  test.each([
    [{ log_group_name: 'a b' }, 'the name of a log group'],
    [{ log_group_name: '$(tag)' }, 'the name of a log group'],
    [{ log_stream_name: 'a:b' }, 'the name of a log stream'],
    [{ log_stream_name: 's', log_stream_prefix: 'p' }, 'both set'],
    [{}, 'neither log_stream_name nor log_stream_prefix'],
    [{ log_stream_name: 's', auto_create_group: 'on', log_retention_days: '2' }, 'one of 0, 1, 3'],
    [{ log_stream_name: 's', log_format: 'a\nb' }, 'printable ASCII'],
    [{ log_stream_name: 's', log_stream_template: "$k['x'" }, 'is not closed'],
  ])('%j is refused', (texts, words) => {
    expect(() => create(texts as Record<string, string>)).toThrow(words)
  })

  test('of the names are those of the request', () => {
    expect(() => create(NAMES)).not.toThrow()
  })
})

test('a request that the service refuses as too large is sent in parts', async () => {
  const run = await startCloudwatch()
  const handle = run.double.api.handle.bind(run.double.api)
  run.double.api.handle = (request, store) =>
    request.content.length > 300_000
      ? fault(400, 'InvalidParameterException', 'Upload too large: 900000 bytes exceeds limit of 300000')
      : handle(request, store)
  run.push(numbered(0, 4000, { text: 'x'.repeat(200) }))
  await run.drained()
  expect(run.double.ledger.report(4000)).toMatchObject({ kept: 4000, missing: 0, disorder: 0 })
  expect(run.bench.rejected).toEqual([])
})
