import { expect, test } from 'bun:test'
import { createHash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import protobuf from 'protobufjs'
import { parseOptions } from '../../../../src/core/options/parse.ts'
import type { OutputSpec } from '../../../../src/core/plugin.ts'
import { spec as typed } from '../../../../src/plugins/outputs/kinesis-aggregation/index.ts'
import { useAwsEnvironment } from '../../../support/aws/environment.ts'
import { benchOf, type KinesisRun, startKinesis } from '../../../support/aws/kinesis-run.ts'
import { fault } from '../../../support/doubles/aws-json.ts'
import { FAULTS } from '../../../support/doubles/plan.ts'
import { TestProxy } from '../../../support/http/proxy.ts'
import { Kinesalite, testWithKinesalite } from '../../../support/stores/kinesalite.ts'
import { deaggregate, Moto, testWithMoto } from '../../../support/stores/moto.ts'
import { atEnd, tmp } from '../../../support/tmp.ts'
import { until } from '../../../support/until.ts'

useAwsEnvironment()

const spec = typed as unknown as OutputSpec
const SCHEMA = protobuf.parse(`syntax = "proto2";
message AggregatedRecord { repeated string partition_key_table = 1; repeated Record records = 3; }
message Record { required uint64 partition_key_index = 1; required bytes data = 3; }`).root

/** Returns the records in an aggregated one, whose digest has to be right. */
function split(blob: Buffer): string[] {
  const message = blob.subarray(4, -16)
  expect(blob.subarray(-16)).toEqual(createHash('md5').update(message).digest())
  const decoded = SCHEMA.lookupType('AggregatedRecord').decode(message) as unknown as {
    records: { data: Buffer }[]
  }
  return decoded.records.map(({ data }) => Buffer.from(data).toString())
}

function started(texts: Record<string, string> = {}, init = {}): Promise<KinesisRun> {
  return startKinesis(spec, { stream_name: 'st', ...texts }, init, split)
}

function numbered(from: number, count: number, more: object = {}): object[] {
  return Array.from({ length: count }, (_, i) => ({ n: from + i, ...more }))
}

test('sends each chunk as one record, with time and tag as the plugin of fluentd adds them', async () => {
  const run = await started({ utc: 'on' })
  run.bench.push([{ a: 'ä' }, { time: 'mine', tag: 'mine' }], 'app.web')
  run.bench.push([{}], 'other')
  await run.drained()
  expect(run.double.api.records.map(({ data }) => split(data)).sort()).toEqual([
    ['{"a":"ä","time":"1970-01-01T00:16:40Z","tag":"app.web"}', '{"time":"mine","tag":"mine"}'],
    ['{"time":"1970-01-01T00:16:40Z","tag":"other"}'],
  ])
  const operations = run.double.requests.map((request) => request.header('x-amz-target'))
  expect(new Set(operations)).toEqual(new Set(['Kinesis_20131202.PutRecord']))
  const keys = run.double.api.records.map(({ partitionKey }) => partitionKey)
  expect(keys[0]).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/)
  expect(keys[0]).not.toBe(keys[1] as string)
})

test('has the fixed key, and no time and tag where they are turned off', async () => {
  const texts = { fixed_partition_key: 'foo', include_time_key: 'off', include_tag_key: 'off' }
  const run = await started(texts)
  run.bench.push([{ a: 1 }])
  await run.drained()
  expect(run.double.api.records.map(({ data, partitionKey }) => [split(data), partitionKey])).toEqual([
    [['{"a":1}'], 'foo'],
  ])
})

test('a chunk that is larger than a record of Kinesis becomes several; a record that is goes to the dead letters', async () => {
  const run = await started({ include_time_key: 'off' })
  run.bench.push([
    ...numbered(0, 5, { text: 'x'.repeat(600_000) }),
    { n: 5, text: 'y'.repeat(1_100_000) },
    { n: 6 },
  ])
  await run.drained()
  expect(run.double.ledger.report(7)).toMatchObject({ kept: 6, twice: 0, first: [5], disorder: 0 })
  expect(run.bench.rejected.map(({ record }) => record.n)).toEqual([5])
  expect(run.double.api.records.every(({ data }) => data.length <= 1_048_576)).toBe(true)
  expect(run.double.bad).toEqual([])
})

test('gives each record one fate whatever the service does, in the order of a tag, and repeats with the same bytes and key', async () => {
  const faults = Object.fromEntries(FAULTS.filter((fault) => fault !== 'hang').map((fault) => [fault, 0.03]))
  const run = await started({}, { seed: 5, later: 0.2, faults })
  for (let i = 0; i < 60; i++) run.bench.push(numbered(i * 10, 10), `t${i % 3}`)
  await run.drained()
  expect(run.double.ledger.report(600)).toMatchObject({ kept: 600, missing: 0 })
  const byKey = Map.groupBy(
    run.double.requests,
    ({ content }) => (JSON.parse(content.toString()) as { PartitionKey: string }).PartitionKey,
  )
  expect(byKey.size).toBe(60)
  for (const requests of byKey.values())
    expect(new Set(requests.map(({ content }) => content.toString())).size).toBe(1)
}, 180_000)

test('is signed with the keys of its options, and reads a credentials file of its own', async () => {
  const keyOf = async (texts: Record<string, string>): Promise<string | undefined> => {
    const run = await started(texts)
    run.bench.push([{ a: 1 }])
    await run.drained()
    return /Credential=([^/]*)/.exec(run.double.requests.at(-1)?.header('authorization') ?? '')?.[1]
  }
  expect(await keyOf({ aws_key_id: 'AKOPTION', aws_sec_key: 'secret' })).toBe('AKOPTION')
  delete process.env.AWS_ACCESS_KEY_ID
  delete process.env.AWS_SECRET_ACCESS_KEY
  const file = join(tmp(), 'credentials')
  writeFileSync(file, '[dev]\naws_access_key_id = AKFILE\naws_secret_access_key = secret\n')
  try {
    expect(await keyOf({ credentials_path: file, profile: 'dev' })).toBe('AKFILE')
  } finally {
    process.env.AWS_ACCESS_KEY_ID = 'AKIDEXAMPLE'
    process.env.AWS_SECRET_ACCESS_KEY = 'secret-of-the-tests'
  }
})

test('refuses half of the keys, no region, and a partition key that is too long', () => {
  const create = (texts: Record<string, string>) => benchOf(spec, { stream_name: 'st', ...texts })
  expect(() => create({ region: 'eu-west-1', aws_key_id: 'a' })).toThrow(
    'one of aws_key_id and aws_sec_key is set',
  )
  expect(() => create({})).toThrow('neither region nor AWS_REGION')
  expect(() => parseOptions(spec.options, { fixed_partition_key: 'x'.repeat(257) })).toThrow(
    '1 to 256 characters',
  )
})

for (const [name, testWithServer, startServer] of [
  ['moto', testWithMoto, () => Moto.start()],
  ['kinesalite', testWithKinesalite, () => Kinesalite.start()],
] as const)
  testWithServer(
    `${name}: the records that awslabs’ library takes from the stream are those that were sent, through a proxy with a password`,
    async () => {
      const server = await startServer()
      await server.createStream('st', 3)
      const proxy = await TestProxy.start({ credentials: 'me:p@ss' })
      atEnd(() => proxy.close())
      const bench = benchOf(spec, {
        ...{ stream_name: 'st', region: 'us-east-1', endpoint: server.url, include_time_key: 'off' },
        http_proxy: `http://me:p%40ss@127.0.0.1:${proxy.port}`,
        // The proxy of the tests reads one request of a connection.
        'net.keepalive': 'off',
      })
      await bench.output.start?.()
      const sent = numbered(0, 3000, { text: 'ä "x"\n' })
      for (let i = 0; i < 30; i++) bench.push(sent.slice(i * 100, i * 100 + 100), 'app')
      await until(() => {
        if (!bench.queue.empty) bench.clock.advance(1000)
        return bench.queue.empty
      })
      expect(proxy.heads.length).toBeGreaterThanOrEqual(30)
      const blobs = (await server.kinesisRecords('st')).map(({ data }) => data)
      const records = deaggregate(blobs).map(({ data }) => JSON.parse(data.toString()) as { n: number })
      expect(records.toSorted((a, b) => a.n - b.n)).toEqual(
        sent.map((record) => ({ ...record, tag: 'app' })) as never,
      )
    },
    240_000,
  )

test('a record that Kinesis refuses is found in its chunk, and the others are sent without it', async () => {
  const run = await started()
  const handle = run.double.api.handle.bind(run.double.api)
  run.double.api.handle = (request, store) => {
    const { Data } = JSON.parse(request.content.toString()) as { Data: string }
    const isBad = split(Buffer.from(Data, 'base64')).some((text) => text.includes('"bad"'))
    return isBad ? fault(400, 'ValidationException', 'a record is bad') : handle(request, store)
  }
  run.bench.push([...numbered(0, 5), { n: 5, text: 'bad' }, ...numbered(6, 5)])
  run.bench.push(numbered(11, 5))
  await run.drained()
  expect(run.double.ledger.report(16)).toMatchObject({ kept: 15, twice: 0, first: [5] })
  expect(run.bench.rejected.map(({ record }) => record.n)).toEqual([5])
  expect(run.bench.rejected[0]?.reason).toContain('ValidationException: a record is bad')
  expect(run.double.bad).toEqual([])
})

test('what is left of a chunk after a refused record and a failure is sent in requests of their own', async () => {
  const run = await started()
  const handle = run.double.api.handle.bind(run.double.api)
  let hasFailed = false
  run.double.api.handle = (request, store) => {
    const { Data } = JSON.parse(request.content.toString()) as { Data: string }
    const texts = split(Buffer.from(Data, 'base64'))
    if (texts.some((text) => text.includes('"bad"'))) return fault(400, 'ValidationException')
    // After the first part was taken, which shows that the request is not at fault, the rest fails once.
    if (!hasFailed && texts.some((text) => text.includes('"n":9'))) {
      hasFailed = true
      return fault(500, 'InternalFailure')
    }
    return handle(request, store)
  }
  run.bench.push([...numbered(0, 3), { n: 3, text: 'bad' }, ...numbered(4, 6)])
  await run.drained()
  expect(run.double.ledger.report(10)).toMatchObject({ kept: 9, twice: 0, first: [3] })
  expect(run.double.bad).toEqual([])
})

test('an answer with a sequence number and the members of an error, or with an empty number, is no delivery', async () => {
  for (const body of ['{"__type":"InternalFailure","SequenceNumber":"1"}', '{"SequenceNumber":""}']) {
    const run = await started()
    const handle = run.double.api.handle.bind(run.double.api)
    let isFirst = true
    run.double.api.handle = (request, store) => {
      if (!isFirst) return handle(request, store)
      isFirst = false
      return { status: 200, body }
    }
    run.bench.push(numbered(0, 3))
    await run.drained()
    expect(run.double.ledger.report(3)).toMatchObject({ kept: 3, twice: 0 })
  }
})
