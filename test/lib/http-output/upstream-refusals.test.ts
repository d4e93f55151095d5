import { describe, expect, test } from 'bun:test'
import type { OutputSpec } from '../../../src/core/plugin.ts'
import { upstreamValue } from '../../../src/lib/http-output/upstream-value.ts'
import { spec as es } from '../../../src/plugins/outputs/es/index.ts'
import { spec as http } from '../../../src/plugins/outputs/http/index.ts'
import { benchOf } from '../../support/aws/kinesis-run.ts'
import { EsApi } from '../../support/doubles/es.ts'
import { JsonLogsApi } from '../../support/doubles/json-logs.ts'
import type { Fault } from '../../support/doubles/plan.ts'
import { type StoreApi, StoreDouble } from '../../support/doubles/store-double.ts'
import type { OutputBench } from '../../support/http-output/output-bench.ts'
import { until } from '../../support/until.ts'

const OUTPUTS = {
  http: { spec: http, api: () => new JsonLogsApi(), own: [{}, {}] },
  es: { spec: es, api: () => new EsApi(), own: [{}, {}] },
  // Requests of their own: each node is an output.
  'es with an index per node': {
    spec: es,
    api: () => new EsApi(),
    own: [{ index: 'one' }, { index: 'two' }],
  },
} as const
/** Answers of a node that cannot work. A page with 200 is a success of a plain receiver. */
const FAILURES = ['401', '404', '500', 'redirect']
type Name = keyof typeof OUTPUTS
const NAMES = Object.keys(OUTPUTS) as Name[]

async function start(name: Name) {
  const { spec, api, own } = OUTPUTS[name]
  const nodes: StoreDouble[] = await Promise.all(own.map(() => StoreDouble.start<StoreApi>(api())))
  const [a, b] = nodes as [StoreDouble, StoreDouble]
  const upstream = upstreamValue(
    nodes.map(({ port }, i) => ({ name: `n${i}`, host: '127.0.0.1', port: String(port), ...own[i] })),
  )
  const bench = benchOf(spec as unknown as OutputSpec, { upstream })
  await bench.output.start?.()
  return { a, b, bench, send: (n: number, count = 1) => send(bench, n, count) }
}

/** Sends a chunk and waits until it has a fate. */
async function send(bench: OutputBench, from: number, count: number): Promise<void> {
  bench.push(Array.from({ length: count }, (_, i) => ({ n: from + i })))
  await until(() => {
    if (!bench.queue.empty) bench.clock.advance(50)
    return bench.queue.empty
  })
}

const leftOut = (bench: OutputBench) => bench.logged.lines.filter((line) => line.includes('is left out'))

describe.each(NAMES)('%s: a node', (name) => {
  test.each(['400', '413'] as Fault[])(
    'that answers %s to everything costs no record: the other one gets them, and it is left out and named',
    async (fault) => {
      const { a, b, bench, send } = await start(name)
      a.plan.always(fault)
      for (let n = 0; n < 200; n += 10) await send(n, 10)
      expect(bench.rejected).toEqual([])
      expect(b.ledger.report(200)).toMatchObject({ kept: 200, twice: 0 })
      expect(leftOut(bench)).toHaveLength(1)
      expect(leftOut(bench)[0]).toMatch(
        new RegExp(`warn node n0 .*${a.port}.*it refuses requests that another node takes: .*${fault}`),
      )
      a.plan.always(undefined)
      bench.clock.advance(60_000)
      for (let n = 200; n < 260; n += 10) await send(n, 10)
      expect(bench.logged.lines.join('\n')).toMatch(/info node n0 .* works again/)
      expect(a.ledger.records).toBeGreaterThan(0)
    },
  )

  test.each((name === 'http' ? FAILURES : [...FAILURES, 'html-200']) as Fault[])(
    'that answers %s is left out, and the other one gets everything',
    async (fault) => {
      const { a, b, bench, send } = await start(name)
      a.plan.always(fault)
      for (let n = 0; n < 100; n += 10) await send(n, 10)
      expect(b.ledger.report(100)).toMatchObject({ kept: 100, twice: 0 })
      expect(bench.rejected).toEqual([])
      expect(leftOut(bench)).toHaveLength(1)
      expect(leftOut(bench)[0]).toContain('node n0 ')
    },
  )

  test('that refuses everything is no witness for the refusals of another one that has failed', async () => {
    const { a, b, bench, send } = await start(name)
    a.plan.always('400')
    await send(0, 10)
    await b.down()
    bench.push(Array.from({ length: 10 }, (_, i) => ({ n: 10 + i })))
    for (let i = 0; i < 60; i++) {
      await bench.turns()
      bench.clock.advance(1000)
    }
    expect(bench.rejected).toEqual([])
    await b.up()
    await send(20, 10)
    expect(b.ledger.report(30)).toMatchObject({ kept: 30, twice: 0 })
    expect(bench.rejected).toEqual([])
  })

  test('is not left out for a record that all refuse, which goes to the dead letters', async () => {
    const { a, b, bench, send } = await start(name)
    for (const { plan } of [a, b]) plan.isRefused = (n) => n % 50 === 7
    for (let n = 0; n < 200; n += 10) await send(n, 10)
    const rejected = bench.rejected.map(({ record }) => record.n)
    expect(rejected.toSorted()).toEqual([107, 157, 57, 7])
    expect(a.ledger.records + b.ledger.records).toBe(196)
    expect(leftOut(bench)).toEqual([])
  })
})
