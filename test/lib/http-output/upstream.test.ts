import { describe, expect, test } from 'bun:test'
import type { OutputSpec } from '../../../src/core/plugin.ts'
import { upstreamValue } from '../../../src/lib/http-output/upstream-value.ts'
import { spec as es } from '../../../src/plugins/outputs/es/index.ts'
import { spec as http } from '../../../src/plugins/outputs/http/index.ts'
import { benchOf } from '../../support/aws/kinesis-run.ts'
import { EsApi } from '../../support/doubles/es.ts'
import { JsonLogsApi } from '../../support/doubles/json-logs.ts'
import { type StoreApi, StoreDouble } from '../../support/doubles/store-double.ts'
import type { OutputBench } from '../../support/http-output/output-bench.ts'
import { until } from '../../support/until.ts'

interface Run {
  nodes: StoreDouble[]
  bench: OutputBench
  /** Sends a chunk and waits until it has a fate; `byMs`: the time of the engine goes on in such steps. */
  send(number: number, byMs?: number): Promise<void>
  /** Number of requests that each node has had. */
  counts(): number[]
}

async function startRun(
  spec: unknown,
  api: () => StoreApi,
  count: number,
  own: Record<string, string>[] = [],
): Promise<Run> {
  const nodes = await Promise.all(Array.from({ length: count }, () => StoreDouble.start(api())))
  const upstream = upstreamValue(
    nodes.map(({ port }, i) => ({ name: `n${i}`, host: '127.0.0.1', port: String(port), ...own[i] })),
  )
  const bench = benchOf(spec as OutputSpec, { upstream })
  await bench.output.start?.()
  return {
    nodes,
    bench,
    send: async (n, byMs = 100) => {
      bench.push([{ n }])
      await until(() => {
        if (!bench.queue.empty) bench.clock.advance(byMs)
        return bench.queue.empty
      })
    },
    counts: () => nodes.map(({ requests }) => requests.length),
  }
}

describe('several nodes', () => {
  test('get the requests in turn', async () => {
    const run = await startRun(http, () => new JsonLogsApi(), 3)
    for (let n = 0; n < 9; n++) await run.send(n)
    expect(run.counts()).toEqual([3, 3, 3])
  })

  test('of which one refuses connections cost no attempt, and it is left out until a probe succeeds', async () => {
    const run = await startRun(http, () => new JsonLogsApi(), 2)
    const [a, b] = run.nodes as [StoreDouble, StoreDouble]
    await a.down()
    for (let n = 0; n < 6; n++) await run.send(n)
    expect(b.ledger.report(6)).toMatchObject({ kept: 6, twice: 0 })
    expect([...run.bench.outcomes.values()].flat()).toEqual(Array(6).fill('delivered'))
    const lines = run.bench.logged.lines.filter((line) => line.includes('node n0'))
    expect(lines).toHaveLength(1)
    expect(lines[0]).toMatch(/^warn node n0 \(http:\/\/127.0.0.1:\d+\) is left out until it works again: /)
    await a.up()
    run.bench.clock.advance(60_000)
    for (let n = 6; n < 10; n++) await run.send(n)
    expect(run.counts()).toEqual([2, 8])
    expect(run.bench.logged.lines.join('\n')).toMatch(/info node n0 .* works again/)
  })

  test('that all refuse connections are asked again, and nothing is lost', async () => {
    const run = await startRun(http, () => new JsonLogsApi(), 2)
    await Promise.all(run.nodes.map((node) => node.down()))
    run.bench.push([{ n: 0 }])
    for (let i = 0; i < 5; i++) {
      await run.bench.turns()
      run.bench.clock.advance(1000)
    }
    await Promise.all(run.nodes.map((node) => node.up()))
    await run.send(1, 1000)
    const kept = run.nodes.reduce((sum, { ledger }) => sum + ledger.records, 0)
    expect(kept).toBe(2)
  })

  test('get what has no answer under the same ids, from the next node on', async () => {
    const run = await startRun(es, () => new EsApi(), 2)
    const [a, b] = run.nodes as [StoreDouble, StoreDouble]
    a.plan.next('close-kept')
    await run.send(0, 1000)
    expect(run.counts()).toEqual([1, 1])
    expect(b.requests[0]?.content).toEqual(a.requests[0]?.content as Buffer)
    expect(a.requests[0]?.content.toString()).toMatch(/"_id":"[^"]+"/)
  })

  test.each(['502', '503'] as const)('that answer %s are left out', async (fault) => {
    const run = await startRun(http, () => new JsonLogsApi(), 2)
    run.nodes[0]?.plan.always(fault)
    for (let n = 0; n < 5; n++) await run.send(n, 10)
    expect(run.nodes[1]?.ledger.report(5)).toMatchObject({ kept: 5 })
  })

  test('have a user of their own', async () => {
    const run = await startRun(http, () => new JsonLogsApi(), 2, [{}, { http_user: 'u', http_passwd: 'p' }])
    for (let n = 0; n < 2; n++) await run.send(n)
    const headers = run.nodes.map(({ requests }) => requests[0]?.header('authorization'))
    expect(headers).toEqual([undefined, `Basic ${Buffer.from('u:p').toString('base64')}`])
  })

  test('are not for requests that are signed for one host', async () => {
    const upstream = upstreamValue([{ host: 'a' }, { host: 'b' }])
    const texts = { upstream, aws_auth: 'on', aws_region: 'eu-west-1' }
    expect(() => benchOf(http as unknown as OutputSpec, texts)).toThrow('a signature is for one host')
  })
})
