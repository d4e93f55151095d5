import { expect, test } from 'bun:test'
import { gunzipSync } from 'node:zlib'
import { parseOptions } from '../../../src/core/options/parse.ts'
import type { Output } from '../../../src/core/plugin.ts'
import { HttpOutput } from '../../../src/lib/http-output/http-output.ts'
import { NrlogsApi } from '../../../src/lib/nrlogs/api.ts'
import { spec } from '../../../src/plugins/outputs/nrlogs.ts'
import { registry } from '../../../src/registry.ts'
import { JsonLogsApi } from '../../support/doubles/json-logs.ts'
import { StoreDouble } from '../../support/doubles/store-double.ts'
import { chunkOf } from '../../support/engine/chunk-of.ts'
import { outputContext } from '../../support/engine/output-context.ts'
import { OutputBench } from '../../support/http-output/output-bench.ts'
import { ScriptedStore } from '../../support/http-output/scripted-store.ts'
import { atEnd } from '../../support/tmp.ts'

const NEW_RELIC = { path: '/log/v1', status: 202, keyHeader: 'x-license-key', maxBytes: 1_000_000 }

const doubleOf = (keyHeader: string): Promise<StoreDouble<JsonLogsApi>> =>
  StoreDouble.start(new JsonLogsApi({ ...NEW_RELIC, keyHeader }))

async function outputTo(port: number, texts: Record<string, string>): Promise<Output> {
  const options = parseOptions(spec.options, { base_uri: `http://127.0.0.1:${port}/log/v1`, ...texts })
  const output = spec.create(options, outputContext())
  atEnd(() => output.close())
  await output.start?.()
  return output
}

test('log is the message, or else message; all others are attributes', async () => {
  const double = await doubleOf('x-license-key')
  const output = await outputTo(double.port, { license_key: 'k', compress: 'off' })
  const records = [{ a: 1, log: 'x', message: 'y' }, { message: 'y', m: { k: [1] } }, { b: true }]
  await output.flush(chunkOf(records))
  const [request] = double.requests
  expect(JSON.parse(request?.body.toString() ?? '')).toEqual([
    {
      common: { attributes: { plugin: { type: 'shipper', version: '0' } } },
      logs: [
        { timestamp: 1000500, message: 'x', attributes: { a: 1, message: 'y' } },
        { timestamp: 1001500, message: 'y', attributes: { m: { k: [1] } } },
        { timestamp: 1002500, attributes: { b: true } },
      ],
    },
  ])
  expect(request?.header('content-type')).toBe('application/json')
  expect(request?.header('content-encoding')).toBeUndefined()
})

test('bodies have gzip unless compress is off', async () => {
  const double = await doubleOf('x-license-key')
  const output = await outputTo(double.port, { license_key: 'k' })
  await output.flush(chunkOf([{ log: 'x' }]))
  expect(double.requests[0]?.header('content-encoding')).toBe('gzip')
  expect(gunzipSync(double.requests[0]?.body ?? '').toString()).toContain('"message":"x"')
})

test.each([
  [{ license_key: 'l', api_key: 'a' }, 'x-license-key', 'l'],
  [{ api_key: 'a' }, 'x-insert-key', 'a'],
])('%j: the key is in the header %s', async (texts, header, key) => {
  const double = await doubleOf(header)
  const output = await outputTo(double.port, texts as Record<string, string>)
  await output.flush(chunkOf([{ log: 'x' }]))
  expect(double.requests[0]?.header(header)).toBe(key)
})

test('without a key the output is refused', () => {
  expect(() => spec.create(parseOptions(spec.options, {}), outputContext())).toThrow(
    'neither License_Key nor',
  )
})

test('the default is the Log API with TLS; a URL may name another port', () => {
  const addressOf = (texts: Record<string, string>) => spec.connectsTo?.(parseOptions(spec.options, texts))
  expect(addressOf({})).toEqual({ host: 'log-api.newrelic.com', port: 443 })
  expect(addressOf({ base_uri: 'https://[::1]:8443/x?y=1' })).toEqual({ host: '::1', port: 8443 })
  expect(addressOf({ base_uri: 'http://h/x' })).toEqual({ host: 'h', port: 80 })
  for (const base_uri of ['log-api.newrelic.com', 'ftp://h/x', 'https://u:p@h/x'])
    expect(() => parseOptions(spec.options, { base_uri })).toThrow('must be a URL')
})

test('newrelic is the same output', async () => {
  const found = await registry.find('output', 'newrelic')
  expect([found?.name, found?.summary]).toEqual(['newrelic', spec.summary])
  expect(Object.keys(spec.options).filter((name) => !Object.hasOwn(found?.options ?? {}, name))).toEqual([])
})

test('requests have at most 1 MB, and a record above it goes to the dead letters', async () => {
  const store = new ScriptedStore(new JsonLogsApi(NEW_RELIC))
  const api = new NrlogsApi('/log/v1', '0')
  const headers = { 'x-license-key': 'k' }
  const bench = new OutputBench((ctx) => new HttpOutput({ api, connections: store.server, headers }, ctx))
  bench.push(
    Array.from({ length: 30 }, (_, n) => ({ log: `${n}`, text: 'x'.repeat(n === 7 ? 1_000_000 : 90_000) })),
  )
  expect(await bench.drained()).toBe(true)
  expect(bench.rejected.map(({ record }) => record.log)).toEqual(['7'])
  expect(bench.rejected[0]?.reason).toContain('New Relic accepts 1 MB per request')
  expect(store.ledger.report(30)).toMatchObject({ kept: 29, twice: 0 })
})

test.each([
  [200, 'no healthy upstream', '"no healthy upstream"'],
  [202, '', 'it is empty'],
  [202, '{"status":"error","message":"backend down"}', '"status" with "error"'],
  [202, '{"requestId":"r","error":"x"}', '"error" with "x"'],
  [202, '{"requestId":{"a":1}}', '"requestId"'],
])(
  '%d %s is no delivery, and the log names it; a requestId and an empty object are',
  async (status, body, words) => {
    const store = new ScriptedStore(new JsonLogsApi(NEW_RELIC))
    const api = new NrlogsApi('/log/v1', '0')
    const bench = new OutputBench(
      (ctx) => new HttpOutput({ api, connections: store.server, headers: {} }, ctx),
    )
    store.before = () => ({ status, body })
    bench.push([{ log: 'x' }])
    await bench.turns()
    expect(bench.logged.lines.join('\n')).toContain(words)
    expect(bench.queue.empty).toBe(false)
    store.before = () => ({ status: 202, body: '{"requestId":"b3d1-16"}' })
    expect(await bench.drained()).toBe(true)
    store.before = () => ({ status: 202, body: '{}' })
    bench.push([{ log: 'y' }])
    expect(await bench.drained()).toBe(true)
    expect(bench.rejected).toEqual([])
  },
)
