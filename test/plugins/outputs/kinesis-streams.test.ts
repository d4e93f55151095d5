import { describe, expect, test } from 'bun:test'
import { gunzipSync, zstdDecompressSync } from 'node:zlib'
import snappyjs from 'snappyjs'
import { parseOptions } from '../../../src/core/options/parse.ts'
import { Places } from '../../../src/core/places.ts'
import type { OutputSpec } from '../../../src/core/plugin.ts'
import { spec as firehose } from '../../../src/plugins/outputs/kinesis-firehose.ts'
import { spec as streams } from '../../../src/plugins/outputs/kinesis-streams.ts'
import { useAwsEnvironment } from '../../support/aws/environment.ts'
import { benchOf, type KinesisRun, startKinesis } from '../../support/aws/kinesis-run.ts'
import { fault } from '../../support/doubles/aws-json.ts'
import { FAULTS } from '../../support/doubles/plan.ts'
import { chunkOf } from '../../support/engine/chunk-of.ts'
import { Moto, testWithMoto } from '../../support/stores/moto.ts'
import { until } from '../../support/until.ts'

useAwsEnvironment()

const STREAM = { stream: 'st' }
const DELIVERY = { delivery_stream: 'st' }
const SPECS = [
  ['kinesis_streams', streams as unknown as OutputSpec, STREAM],
  ['kinesis_firehose', firehose as unknown as OutputSpec, DELIVERY],
] as const

function numbered(from: number, count: number, more: object = {}): object[] {
  return Array.from({ length: count }, (_, i) => ({ n: from + i, ...more }))
}

function dataOf({ double }: KinesisRun): string[] {
  return double.api.records.map(({ data }) => data.toString())
}

describe.each(SPECS)('%s', (_name, spec, stream) => {
  const start = (texts: Record<string, string> = {}, init = {}): Promise<KinesisRun> =>
    startKinesis(spec, { ...stream, ...texts }, init)

  test('sends each record as a line of JSON, in a signed request of 500 at most', async () => {
    const run = await start()
    run.bench.push(numbered(0, 1201))
    await run.drained()
    expect(dataOf(run)).toEqual(numbered(0, 1201).map((record) => `${JSON.stringify(record)}\n`))
    const sizes = run.double.requests.filter(({ status }) => status === 200).map(({ content }) => content)
    expect(sizes.map((body) => JSON.parse(body.toString()).Records.length)).toEqual([500, 500, 201])
    expect(run.double.requests[0]?.header('authorization')).toMatch(
      /^AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE\/\d{8}\/eu-west-1\/(kinesis|firehose)\/aws4_request, SignedHeaders=content-length;content-type;host;user-agent;x-amz-date;x-amz-target, /,
    )
    expect(run.double.bad).toEqual([])
  })

  test('signs again with the time of the service when the clock of the machine is wrong', async () => {
    const run = await start()
    // The clock of the bench stands days beside that of the double.
    run.bench.push(numbered(0, 2))
    await run.drained()
    run.bench.push(numbered(2, 2))
    await run.drained()
    expect(run.double.requests.map(({ status }) => status)).toEqual([403, 200, 200])
    expect(run.bench.rejected).toEqual([])
  })

  test('sends only what was not taken again, and keeps the order of a key over requests', async () => {
    const run = await start({}, { seed: 7, later: 0.3 })
    for (let i = 0; i < 10; i++) run.bench.push(numbered(i * 100, 100), `t${i % 2}`)
    await run.drained()
    const { kept, twice, missing, both } = run.double.ledger.report(1000)
    expect({ kept, twice, missing, both }).toEqual({ kept: 1000, twice: 0, missing: 0, both: 0 })
    expect([...run.bench.outcomes.values()].flat()).toEqual(Array(10).fill('delivered'))
  })

  test('gives each record one fate whatever the service does', async () => {
    const faults = Object.fromEntries(
      FAULTS.filter((fault) => fault !== 'hang').map((fault) => [fault, 0.02]),
    )
    const run = await start({}, { seed: 11, later: 0.05, faults })
    for (let i = 0; i < 60; i++) run.bench.push(numbered(i * 20, 20), `t${i % 5}`)
    await run.drained()
    const { kept, missing } = run.double.ledger.report(1200)
    expect({ kept, missing }).toEqual({ kept: 1200, missing: 0 })
    expect(run.bench.rejected).toEqual([])
    expect([...run.bench.outcomes.values()].flat()).toEqual(Array(60).fill('delivered'))
    expect(run.bench.buffers.out.size).toBe(0)
  }, 180_000)

  test('waits, and says what to do, while the stream does not exist or access is denied', async () => {
    for (const [fault, reason, hint] of [
      ['404', 'ResourceNotFoundException', 'create the '],
      ['403', 'AccessDeniedException', 'grant the role or user'],
    ] as const) {
      const run = await start()
      run.double.plan.always(fault)
      run.bench.push(numbered(0, 3))
      for (let i = 0; i < 5; i++) {
        await run.bench.turns()
        run.bench.clock.advance(1000)
      }
      run.double.plan.end()
      await run.drained()
      expect(run.double.ledger.report(3)).toMatchObject({ kept: 3, missing: 0 })
      const lines = JSON.stringify([run.bench.logged.lines, run.bench.logged.fields])
      expect(lines).toContain(reason)
      expect(lines).toContain(hint)
    }
  })

  test('sends a record that is too large to the dead letters, and the others on', async () => {
    const run = await start()
    const large = { n: 1, text: 'x'.repeat(1_048_576) }
    run.bench.push([{ n: 0 }, large, { n: 2 }])
    await run.drained()
    expect(run.double.ledger.report(3)).toMatchObject({ kept: 2, first: [1] })
    expect(run.bench.rejected.map(({ record }) => record.n)).toEqual([1])
  })

  test('needs no other record to send one to the dead letters whose data the service calls too long', async () => {
    const run = await start()
    const rule =
      "Value at 'records.1.member.data' failed to satisfy constraint: Member must have length less than"
    run.double.api.handle = () =>
      fault(400, 'ValidationException', `1 validation error detected: ${rule} or equal to 1048576`)
    run.bench.push([{ n: 0 }])
    await until(() => run.bench.queue.empty)
    expect(run.double.requests.filter(({ status }) => status === 400)).toHaveLength(1)
    expect(run.bench.rejected[0]?.reason).toContain(rule)
  })

  test('adds the time under Time_Key, unless the record has such a field', async () => {
    const run = await start({ time_key: 'ts', time_key_format: '%Y %S.%3N' })
    run.bench.push([{ a: 'ä' }, {}, { ts: 1 }])
    await run.drained()
    expect(dataOf(run)).toEqual([
      '{"a":"\\u00e4","ts":"1970 40.500"}\n',
      '{"ts":"1970 41.500"}\n',
      '{"ts":1}\n',
    ])
  })

  test('sends the text of Log_Key as it is, and a record without it to the dead letters', async () => {
    const run = await start({ log_key: 'log' })
    run.bench.push([{ log: 'a "b" ä\tc' }, { other: 1 }, { log: { m: [1] } }, { log: '' }])
    await run.drained()
    expect(dataOf(run)).toEqual(['a "b" ä\tc\n', '{"m":[1]}\n', '\n'])
    expect(run.bench.rejected).toHaveLength(1)
    expect(run.bench.rejected[0]).toMatchObject({ record: { other: 1 } })
    expect(run.bench.rejected[0]?.reason).toContain('the record has no field "log", which Log_Key names')
  })

  test.each([
    ['gzip', gunzipSync],
    ['zstd', zstdDecompressSync],
    ['snappy', (data: Buffer) => Buffer.from(snappyjs.uncompress(data))],
  ] as const)('compresses each record with %s', async (compression, inflate) => {
    const run = await start({ compression })
    const records = [{ a: 'x'.repeat(1000) }, { a: 'ä' }]
    run.bench.push(records)
    await run.drained()
    const lines = run.double.api.records.map(({ data }) => inflate(data).toString())
    expect(lines).toEqual([`{"a":"${'x'.repeat(1000)}"}\n`, '{"a":"\\u00e4"}\n'])
  })

  test('with Simple_Aggregation joins lines, and sends those of a record that was not taken again', async () => {
    const run = await start({ simple_aggregation: 'on' }, { seed: 3, later: 0.4 })
    for (let i = 0; i < 8; i++) run.bench.push(numbered(i * 100, 100), `t${i % 2}`)
    await run.drained()
    expect(run.double.ledger.report(800)).toMatchObject({ kept: 800, twice: 0, missing: 0 })
    expect(run.double.api.records.length).toBeLessThan(20)
  })

  test('takes an answer that does not fit the request for none', async () => {
    const run = await start()
    let asked = 0
    const handle = run.double.api.handle.bind(run.double.api)
    run.double.api.handle = (request, store) =>
      asked++ === 0
        ? { status: 200, type: 'application/json', body: '{"Records":[],"RequestResponses":[]}' }
        : handle(request, store)
    run.bench.push(numbered(0, 2))
    await run.drained()
    expect(run.double.ledger.report(2)).toMatchObject({ kept: 2, twice: 0 })
    expect(JSON.stringify(run.bench.logged.lines)).toContain('for 2 records')
  })

  test('refuses what can never work', () => {
    const create = (texts: Record<string, string>) => parseOptions(spec.options, { ...stream, ...texts })
    expect(() => create({ region: 'EU' })).toThrow('a valid AWS region')
    expect(() => create({ region: 'eu-west-1', endpoint: 'ftp://x' })).toThrow('a host or a URL of one')
    expect(() => create({ region: 'eu-west-1', role_arn: 'me' })).toThrow('the ARN of a role')
  })
})

describe('partition keys', () => {
  test('are one for each file, the same after a restart, and another for each tag without a file', async () => {
    const keys = async (texts: string[]): Promise<string[]> => {
      const run = await startKinesis(streams as unknown as OutputSpec, STREAM)
      const chunk = chunkOf(numbered(0, texts.length), 'app', run.bench.buffers, 'c')
      chunk.places = new Places()
      texts.forEach((text, i) => void chunk.places?.add(chunk.places.sourceIndex(text), i))
      await run.bench.output.flush(chunk).catch(() => run.bench.output.flush(chunk))
      return run.double.api.records.map(({ partitionKey }) => partitionKey)
    }
    const [a, b, c] = await keys(['file a', 'file b', 'file a'])
    expect(a).toBe(c as string)
    expect(a).not.toBe(b as string)
    expect(a).toMatch(/^[\w-]{12}$/)
    expect(await keys(['file b', 'file a'])).toEqual([b as string, a as string])
    const run = await startKinesis(streams as unknown as OutputSpec, STREAM)
    run.bench.push(numbered(0, 2), 't1')
    run.bench.push(numbered(2, 2), 't2')
    await run.drained()
    const byNumber = new Map(
      run.double.api.records.map(({ data, partitionKey }) => [JSON.parse(data.toString()).n, partitionKey]),
    )
    expect(byNumber.get(0)).toBe(byNumber.get(1) as string)
    expect(byNumber.get(0)).not.toBe(byNumber.get(2) as string)
  })
})

testWithMoto(
  'moto has each record once, sent with the credentials of a role that it has handed out',
  async () => {
    const moto = await Moto.start()
    await moto.createStream('st', 4)
    await moto.createBucket('bucket')
    await moto.createDeliveryStream('st', 'bucket')
    const role = { role_arn: 'arn:aws:iam::123456789012:role/logs', external_id: 'x', sts_endpoint: moto.url }
    const sent = numbered(0, 1500, { text: 'ä' })
    for (const [, spec, stream] of SPECS) {
      const bench = benchOf(spec, { ...stream, ...role, region: 'us-east-1', endpoint: moto.url })
      await bench.output.start?.()
      for (let i = 0; i < 15; i++) bench.push(sent.slice(i * 100, i * 100 + 100), `t${i % 3}`)
      await until(() => {
        if (!bench.queue.empty) bench.clock.advance(1000)
        return bench.queue.empty
      })
      expect(bench.logged.lines).toContain(`info using credentials from environment, role ${role.role_arn}`)
    }
    const numbersIn = (text: string): number[] =>
      text
        .split('\n')
        .filter(Boolean)
        .map((line) => (JSON.parse(line) as { n: number }).n)
    const all = sent.map((_, i) => i)
    const streamed = (await moto.kinesisRecords('st')).flatMap(({ data }) => numbersIn(data.toString()))
    expect(streamed.toSorted((a, b) => a - b)).toEqual(all)
    const delivered = (await moto.objects('bucket')).flatMap(([, bytes]) => numbersIn(bytes.toString()))
    expect(delivered.toSorted((a, b) => a - b)).toEqual(all)
  },
  240_000,
)
