import { expect, test } from 'bun:test'
import { join } from 'node:path'
import type { OutputSpec } from '../../../../src/core/plugin.ts'
import { upstreamValue } from '../../../../src/lib/http-output/upstream-value.ts'
import { spec } from '../../../../src/plugins/outputs/es/index.ts'
import { useAwsEnvironment } from '../../../support/aws/environment.ts'
import { benchOf } from '../../../support/aws/kinesis-run.ts'
import { folderOf, shipper } from '../../../support/cli.ts'
import { EsApi } from '../../../support/doubles/es.ts'
import { type DoubleInit, StoreDouble } from '../../../support/doubles/store-double.ts'
import { until } from '../../../support/until.ts'

useAwsEnvironment()

/** Starts an output to nodes with these options of their own. */
async function startNodes(
  own: readonly Record<string, string>[],
  texts: Record<string, string> = {},
  init: (index: number) => DoubleInit = () => ({}),
) {
  const nodes = await Promise.all(own.map((_, i) => StoreDouble.start(new EsApi(), init(i))))
  const upstream = upstreamValue(
    nodes.map(({ port }, i) => ({ name: `n${i}`, host: '127.0.0.1', port: String(port), ...own[i] })),
  )
  const bench = benchOf(spec as unknown as OutputSpec, { upstream, ...texts })
  await bench.output.start?.()
  const drained = (byMs = 100) =>
    until(() => {
      if (!bench.queue.empty) bench.clock.advance(byMs)
      return bench.queue.empty
    })
  return { nodes, bench, drained }
}

const indexes = (node: StoreDouble<EsApi>) => [
  ...new Set([...node.api.documents.values()].map(({ index }) => index)),
]

test('nodes have index, pipeline, operation and credentials of their own', async () => {
  const { nodes, bench, drained } = await startNodes(
    [
      { index: 'one', http_api_key: 'key', path: '/proxy' },
      { index: 'two-%Y', pipeline: 'p', http_user: 'u', http_passwd: 'w', write_operation: 'index' },
    ],
    { index: 'all', http_user: 'shared' },
  )
  for (let n = 0; n < 4; n++) {
    bench.push([{ n }])
    await drained()
  }
  expect(nodes.map(indexes)).toEqual([['one'], ['two-1970']])
  expect(nodes.map(({ ledger }) => ledger.records)).toEqual([2, 2])
  const [one, two] = nodes.map(({ requests }) => requests[0])
  expect([one?.path, two?.path]).toEqual(['/proxy/_bulk', '/_bulk/'])
  expect(two?.query.get('pipeline')).toBe('p')
  expect([one?.content, two?.content].map((text) => /\{"(\w+)"/.exec(String(text))?.[1])).toEqual([
    'create',
    'index',
  ])
  expect(one?.header('authorization')).toBe('ApiKey key')
  expect(two?.header('authorization')).toBe(`Basic ${Buffer.from('u:w').toString('base64')}`)
})

test('with an index of its own, a node that is down costs no attempt, and is asked again later', async () => {
  const { nodes, bench, drained } = await startNodes([{ index: 'one' }, { index: 'two' }])
  await nodes[0]?.down()
  for (let n = 0; n < 5; n++) {
    bench.push([{ n }])
    await drained()
  }
  expect([...bench.outcomes.values()].flat()).toEqual(Array(5).fill('delivered'))
  expect(bench.queue.stats.retries).toBe(0)
  expect(nodes[1]?.ledger.report(5)).toMatchObject({ kept: 5, twice: 0 })
  expect(bench.logged.lines.filter((line) => line.includes('is left out until it works again'))).toHaveLength(
    1,
  )
  await nodes[0]?.up()
  bench.clock.advance(60_000)
  for (let n = 5; n < 9; n++) {
    bench.push([{ n }])
    await drained()
  }
  expect(nodes[0]?.ledger.records).toBeGreaterThan(0)
  expect(bench.logged.lines.join('\n')).toMatch(/info node n0 .* works again/)
})

test('a record is in one node only, whatever nodes answer about single records and whole requests', async () => {
  const faults = { later: 0.3, refused: 0.1, faults: { '429': 0.1, '503': 0.1, 'close-unkept': 0.1 } }
  const { nodes, bench, drained } = await startNodes([{ index: 'one' }, { index: 'two' }], {}, (i) => ({
    ...faults,
    seed: i === 0 ? 7 : 8,
  }))
  const count = 600
  for (let n = 0; n < count; n += 10)
    bench.push(
      Array.from({ length: 10 }, (_, i) => ({ n: n + i })),
      `tag-${n % 30}`,
    )
  await drained(1000)
  const reports = nodes.map(({ ledger }) => ledger.report(count))
  const kept = reports.reduce((sum, report) => sum + report.kept, 0)
  expect(reports.map(({ twice, both }) => [twice, both])).toEqual([
    [0, 0],
    [0, 0],
  ])
  expect(kept + bench.rejected.length).toBe(count)
  expect(nodes.every(({ ledger }) => ledger.records > 0)).toBe(true)
  const places = nodes.flatMap(({ api }) => [...api.documents.values()].map(({ source }) => source.n))
  expect(new Set(places).size).toBe(kept)
})

test('while a chunk waits for its node, the others go on with other chunks', async () => {
  const { nodes, bench } = await startNodes([{ index: 'one' }, { index: 'two' }], {}, (i) => ({
    later: i === 0 ? 0.5 : 0,
    seed: 3,
  }))
  const settled = () => [...bench.outcomes.values()].flat().length
  bench.push(
    Array.from({ length: 50 }, (_, n) => ({ n })),
    'a',
  )
  await until(() => nodes[0]?.ledger.records !== 0)
  await nodes[0]?.down()
  for (let n = 100; n < 105; n++) bench.push([{ n }], `b${n}`)
  await until(() => {
    bench.clock.advance(1000)
    return settled() === 5
  })
  expect(nodes[1]?.ledger.records).toBe(5)
})

test('requests to several nodes are signed, each for its host', async () => {
  const { nodes, bench, drained } = await startNodes([{}, { aws_region: 'us-east-1' }], {
    aws_auth: 'on',
    aws_region: 'eu-west-1',
  })
  for (let n = 0; n < 2; n++) {
    bench.push([{ n }])
    await drained()
  }
  const scopes = nodes.map(
    ({ requests }) =>
      /Credential=AKIDEXAMPLE\/\d+\/([\w-]+)\/es\//.exec(requests[0]?.header('authorization') ?? '')?.[1],
  )
  expect(scopes).toEqual(['eu-west-1', 'us-east-1'])
})

test.each([
  ['one node', '[UPSTREAM]\n    Name x\n[NODE]\n    Name a\n    Host 127.0.0.1\n'],
  ['two', '[UPSTREAM]\n    Name x\n[NODE]\n    Host 127.0.0.1\n[NODE]\n    Host 127.0.0.2\n'],
])('cloud_id beside an upstream with %s is an error where it stands', async (_, up) => {
  const folder = folderOf({
    'main.conf': `[INPUT]\n    Name dummy\n[OUTPUT]\n    Name es\n    Match *\n    Upstream up.conf\n    Cloud_ID x:${Buffer.from('domain$id').toString('base64')}\n`,
    'up.conf': up,
  })
  const { stderr } = await shipper(['--dry-run', '-c', join(folder, 'main.conf')])
  expect(stderr).toContain('main.conf:7:14: [es] cloud_id and upstream are both set')
})

test('options of a node that do not go together are an error with its name', () => {
  const upstream = upstreamValue([{ name: 'a', host: 'h', write_operation: 'update', generate_id: 'off' }])
  expect(() => benchOf(spec as unknown as OutputSpec, { upstream })).toThrow(
    'node a: Write_Operation update needs Id_Key or Generate_ID',
  )
})

const NODE = '[NODE]\n    Name a\n    Host 127.0.0.1\n'

test.each([
  [
    'a file that is not there',
    'tls on\n    tls.ca_file nope.pem',
    '7:5: [es] the file of tls.ca_file, nope.pem, does not exist',
  ],
  ['options that do not go together', 'AWS_Auth on', '6:5: [es] node a: aws_auth needs aws_region'],
  ['a bad value', 'tls.verify maybe', '6:16: [NODE] "tls.verify" must be '],
])('%s in a node is one error where it stands', async (_, own, expected) => {
  const folder = folderOf({
    'main.conf': '[INPUT]\n    Name dummy\n[OUTPUT]\n    Name es\n    Match *\n    Upstream up.conf\n',
    'up.conf': `[UPSTREAM]\n    Name x\n${NODE}    ${own}\n[NODE]\n    Name b\n    Host 127.0.0.2\n`,
  })
  const { stderr } = await shipper(['--dry-run', '-c', join(folder, 'main.conf')])
  expect(stderr).toContain(`up.conf:${expected}`)
  expect(stderr).toContain('1 problem in the configuration')
})
