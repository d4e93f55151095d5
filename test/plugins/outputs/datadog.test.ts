import { expect, test } from 'bun:test'
import { parseOptions } from '../../../src/core/options/parse.ts'
import type { OutputContext } from '../../../src/core/plugin.ts'
import type { RecordRange } from '../../../src/lib/http-output/api.ts'
import { HttpOutput } from '../../../src/lib/http-output/http-output.ts'
import { JsonText } from '../../../src/lib/json/msgpack-to-json.ts'
import { DatadogApi } from '../../../src/plugins/outputs/datadog/api.ts'
import { spec } from '../../../src/plugins/outputs/datadog/index.ts'
import { DATADOG_OPTIONS } from '../../../src/plugins/outputs/datadog/options.ts'
import { DATADOG, JsonLogsApi } from '../../support/doubles/json-logs.ts'
import { chunkOf } from '../../support/engine/chunk-of.ts'
import { OutputBench } from '../../support/http-output/output-bench.ts'
import { SCRIPTED_FAULTS, ScriptedStore } from '../../support/http-output/scripted-store.ts'
import { fc } from '../../support/property.ts'

const apiOf = (texts: Record<string, string>): DatadogApi =>
  new DatadogApi(parseOptions(DATADOG_OPTIONS, { apikey: 'key-1', ...texts }))

function textOf(record: object, texts: Record<string, string> = {}): string {
  const chunk = chunkOf([record], 'app.web')
  const out = new JsonText()
  const range: RecordRange = { chunk, start: chunk.start, end: chunk.end, first: 0, count: 1 }
  apiOf(texts).encode(range, out)
  return out.bytes().toString()
}

const logOf = (record: object, texts: Record<string, string> = {}): unknown =>
  JSON.parse(textOf(record, texts))

const CONFIGURED = {
  dd_source: 'nginx',
  dd_service: 's',
  dd_hostname: 'h',
  dd_tags: 'env:x',
  include_tag_key: 'on',
}

test('a log has the time in milliseconds, the configured attributes, and log as message', () => {
  expect(textOf({ a: 1, log: 'x', z: null }, CONFIGURED)).toBe(
    '{"timestamp":1000500,"tagkey":"app.web","ddsource":"nginx","service":"s","hostname":"h","ddtags":"env:x","a":1,"message":"x","z":null}',
  )
})

test('a field of the record replaces a configured attribute, but not the tags', () => {
  expect(logOf({ service: 'own', ddtags: 'own:1', timestamp: 'own' }, CONFIGURED)).toEqual({
    ...{
      timestamp: 'own',
      tagkey: 'app.web',
      ddsource: 'nginx',
      service: 'own',
      hostname: 'h',
      ddtags: 'env:x',
    },
  })
  expect(logOf({ ddtags: 'own:1' })).toEqual({ timestamp: 1000500, ddtags: 'own:1' })
})

test('a record with log and message keeps both, each once', () => {
  expect(textOf({ log: 'a', message: { x: 1 } })).toBe('{"timestamp":1000500,"log":"a","message":{"x":1}}')
  expect(textOf({ message: 'b', log: 'a' })).toBe('{"timestamp":1000500,"message":"b","log":"a"}')
  expect(logOf({ text: 'a', message: 'b' }, { dd_message_key: 'message' })).toMatchObject({
    text: 'a',
    message: 'b',
  })
  expect(logOf({ text: 'a', log: 'b' }, { dd_message_key: 'text' })).toMatchObject({ message: 'a', log: 'b' })
})

const TASK = 'arn:aws:ecs:eu-west-1:123:task/c/abc'

test('provider ecs: metadata of the task becomes tags, by the names of Datadog', () => {
  const record = {
    ...{ log: 'x', container_id: 'c1', container_name: '/web', container_image: 'i:1', ddtags: 'own:1' },
    ...{
      ecs_cluster: 'arn:aws:ecs:eu-west-1:123:cluster/c',
      ecs_task_definition: 'web:7',
      ecs_task_arn: TASK,
    },
  }
  const tags = [
    ...['container_id:c1', 'container_name:web', 'container_image:i:1', 'cluster_name:c', 'task_family:web'],
    ...['task_version:7', `task_arn:${TASK}`, 'region:eu-west-1', 'task_id:c/abc', 'env:x'],
  ]
  expect(logOf(record, { provider: 'ecs', dd_tags: 'env:x' })).toEqual({
    ...{ timestamp: 1000500, message: 'x', ddtags: tags.join(',') },
  })
  expect(logOf(record, {})).toMatchObject({ container_id: 'c1', ddtags: 'own:1' })
})

test('provider ecs: what is no text stays a field, and other forms are kept as they are', () => {
  expect(logOf({ container_id: 7, container_name: '' }, { provider: 'ecs' })).toEqual({
    ...{ timestamp: 1000500, container_id: 7, container_name: '' },
  })
  expect(logOf({ ecs_cluster: 'c', ecs_task_definition: 'web' }, { provider: 'ecs' })).toEqual({
    ...{ timestamp: 1000500, ddtags: 'cluster_name:c,ecs_task_definition:web' },
  })
})

test('the default is the intake with TLS; without TLS the port is 80', () => {
  const addressOf = (texts: Record<string, string>) =>
    spec.connectsTo?.(parseOptions(spec.options, { apikey: 'k', ...texts }))
  expect(addressOf({})).toEqual({ host: 'http-intake.logs.datadoghq.com', port: 443 })
  expect(addressOf({ tls: 'off' })).toMatchObject({ port: 80 })
  expect(parseOptions(spec.options, { apikey: 'k' }).tls).toBe(true)
})

/** The output with a Datadog that has faults. */
function benchWith(store: ScriptedStore<JsonLogsApi>): OutputBench {
  const create = (ctx: OutputContext): HttpOutput =>
    new HttpOutput({ api: apiOf({}), connections: store.server, headers: { 'dd-api-key': 'key-1' } }, ctx)
  return new OutputBench(create)
}

test('requests have at most 1,000 logs and 5 MB, as Datadog takes no more', async () => {
  const store = new ScriptedStore(new JsonLogsApi(DATADOG))
  const bench = benchWith(store)
  bench.push(Array.from({ length: 2500 }, (_, n) => ({ n })))
  bench.push(
    Array.from({ length: 30 }, (_, n) => ({ n: 2500 + n, text: 'x'.repeat(400_000) })),
    'large',
  )
  expect(await bench.drained()).toBe(true)
  expect(store.ledger.report(2530)).toMatchObject({ kept: 2530, twice: 0, missing: 0 })
  expect(bench.rejected).toEqual([])
})

test('a log above 1 MB, which Datadog would cut, goes to the dead letters as a whole', async () => {
  const store = new ScriptedStore(new JsonLogsApi(DATADOG))
  const bench = benchWith(store)
  bench.push([{ n: 1 }, { n: 2, text: 'x'.repeat(1_000_000) }, { n: 3 }])
  expect(await bench.drained()).toBe(true)
  expect(bench.rejected.map(({ record }) => record.n)).toEqual([2])
  expect(bench.rejected[0]?.reason).toContain('Datadog truncates logs at 1,000,000 bytes')
  expect(store.ledger.report(4)).toMatchObject({ kept: 2 })
})

test('a key that is refused costs no record; the log has the words, and not the key', async () => {
  const store = new ScriptedStore(new JsonLogsApi(DATADOG))
  const bench = benchWith(store)
  store.before = () => ({
    status: 403,
    body: '{"errors":[{"status":"403","title":"Forbidden","detail":"API key is invalid"}]}',
  })
  bench.push([{ n: 1 }])
  await bench.turns()
  expect(bench.logged.lines.join('\n')).toContain('403 Forbidden: API key is invalid')
  expect(bench.logged.lines.join('\n')).not.toContain('key-1')
  store.before = undefined
  expect(await bench.drained()).toBe(true)
  expect(store.ledger.report(2)).toMatchObject({ kept: 1, twice: 0 })
})

test.each([
  ['no healthy upstream', 200, '"no healthy upstream"'],
  ['no healthy upstream', 202, '"no healthy upstream"'],
  ['{"status":"error","message":"backend down"}', 202, '"status" with "error"'],
  ['{"status":"error","status":"ok"}', 202, '"status" with "error"'],
  ['{"errors":["x"]}', 202, '"errors"'],
  ['[]', 202, 'not an answer of this API: "[]"'],
  ['null', 202, 'not an answer of this API: "null"'],
  ['{"a":', 202, 'before its end'],
])('%s with status %d is no delivery, and the log names it', async (body, status, words) => {
  const store = new ScriptedStore(new JsonLogsApi(DATADOG))
  const bench = benchWith(store)
  store.before = () => ({ status, body })
  bench.push([{ n: 1 }])
  await bench.turns()
  expect(bench.logged.lines.join('\n')).toContain(words)
  store.before = undefined
  expect(await bench.drained()).toBe(true)
  expect(bench.rejected).toEqual([])
  expect(store.ledger.report(2)).toMatchObject({ kept: 1 })
})

// What Datadog, its agent's receivers and servers with its API send.
test.each([
  [202, '{}'],
  [200, '{}'],
  [200, ''],
  [200, '{"status":"ok"}'],
])('%d %s is a delivery', async (status, body) => {
  const store = new ScriptedStore(new JsonLogsApi(DATADOG))
  const bench = benchWith(store)
  store.before = () => ({ status, body })
  bench.push([{ n: 1 }])
  await bench.turns()
  expect([...bench.outcomes.values()]).toEqual([['delivered']])
})

const chunks = fc.array(
  fc.record({ tag: fc.constantFrom('a', 'b', 'c'), count: fc.integer({ min: 1, max: 20 }) }),
  { minLength: 1, maxLength: 10 },
)
const faults = fc.array(fc.constantFrom('none' as const, 'none' as const, ...SCRIPTED_FAULTS), {
  maxLength: 60,
})

test('whatever Datadog answers, each record is there, or in the dead letters once', async () => {
  await fc.assert(
    fc.asyncProperty(chunks, faults, fc.nat(1000), async (plan, script, seed) => {
      const store = new ScriptedStore(new JsonLogsApi(DATADOG), { seed, refused: 0.1 })
      const bench = benchWith(store)
      store.plan.next(...script)
      let n = 0
      for (const { tag, count } of plan)
        bench.push(
          Array.from({ length: count }, () => ({ n: n++ })),
          tag,
        )
      // Another record shows that requests are in order; without it, a single one that is refused waits.
      for (let i = 0; i < 20 && !(await bench.drained(60)); i++)
        bench.push([{ witness: 'yes' }], `witness-${i}`)
      expect(await bench.drained()).toBe(true)
      expect(store.ledger.report(n)).toMatchObject({ missing: 0, both: 0 })
      const rejected = bench.rejected.map(({ record }) => record.n as number).sort((a, b) => a - b)
      expect(rejected).toEqual([...Array(n).keys()].filter((each) => store.plan.isRefused(each)))
      const kept = ['close-kept', 'cut-kept'].some((fault) => fault in store.plan.injected)
      if (!kept) expect(store.ledger.report(n).twice).toBe(0)
      for (const [, outcomes] of bench.outcomes) expect(outcomes).toHaveLength(1)
      expect(bench.buffers.out.size).toBe(0)
    }),
    { numRuns: 100 },
  )
}, 120_000)
