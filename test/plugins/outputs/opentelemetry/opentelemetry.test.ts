import { describe, expect, test } from 'bun:test'
import { encode } from '@msgpack/msgpack'
import { parseOptions } from '../../../../src/core/options/parse.ts'
import { HttpOutput } from '../../../../src/lib/http-output/http-output.ts'
import { statusText } from '../../../../src/plugins/outputs/opentelemetry/answer.ts'
import { OtelApi } from '../../../../src/plugins/outputs/opentelemetry/api.ts'
import { OTEL_OPTIONS } from '../../../../src/plugins/outputs/opentelemetry/options.ts'
import { klogSeverity, severityOf } from '../../../../src/plugins/outputs/opentelemetry/severity.ts'
import { decodeOtlp, encodeOtlpAnswer, plainPairs, plainValue } from '../../../support/doubles/protobuf.ts'
import { OutputBench } from '../../../support/http-output/output-bench.ts'
import {
  type Script,
  ScriptedServer,
  type SeenRequest,
} from '../../../support/http-output/scripted-server.ts'

const OK = { status: 200 }

function bench(script: Script, given: Record<string, string | string[]> = {}) {
  const server = new ScriptedServer(script)
  const options = parseOptions(OTEL_OPTIONS, given as never)
  const made = new OutputBench(
    (ctx) =>
      new HttpOutput(
        { api: new OtelApi(options, server.origin, ctx), connections: server, headers: {} },
        ctx,
      ),
  )
  return { server, bench: made }
}

/** Returns resources with their records, in the form of plain values. */
function read({ body }: SeenRequest) {
  return decodeOtlp(body).resourceLogs.map(({ resource, scopeLogs }) => ({
    resource: plainPairs(resource?.attributes ?? []),
    records: scopeLogs.flatMap(({ logRecords }) =>
      logRecords.map((record) => ({
        time: String(record.timeUnixNano),
        severity: record.severityNumber ?? 0,
        text: record.severityText ?? '',
        body: plainValue(record.body),
        attributes: plainPairs(record.attributes ?? []),
      })),
    ),
  }))
}

async function sent(records: object[], given: Record<string, string | string[]> = {}) {
  const { server, bench: b } = bench(() => OK, given)
  b.push(records)
  expect(await b.drained()).toBe(true)
  return read(server.seen[0] as SeenRequest)
}

const KUBERNETES = {
  pod_name: 'web-7f-x',
  namespace_name: 'shop',
  pod_id: 'u-1',
  labels: { 'app.kubernetes.io/name': 'web', team: 'a' },
  annotations: { note: 'n' },
  host: 'node-1',
  container_name: 'nginx',
  docker_id: 'abc',
  container_image: 'registry:5000/web/nginx:1.2@sha256:00',
  ownerReferences: [{ kind: 'ReplicaSet', name: 'web-7f' }],
}

describe('records', () => {
  test('the body is the field log or message, other fields are attributes, and the severity is that of the level', async () => {
    const [only, ...others] = await sent([
      { log: 'one', level: 'WARN', n: 5 },
      { message: 'two', severity: 30 },
      { a: 1, level: 'strange' },
    ])
    expect(others).toEqual([])
    expect(only).toEqual({
      resource: {},
      records: [
        {
          time: '1000500000000',
          severity: 13,
          text: 'WARN',
          body: 'one',
          attributes: { level: 'WARN', n: 5 },
        },
        { time: '1001500000000', severity: 9, text: '', body: 'two', attributes: { severity: 30 } },
        { time: '1002500000000', severity: 0, text: '', body: { a: 1, level: 'strange' }, attributes: {} },
      ],
    } as never)
  })

  test('what the filter kubernetes has added is the resource, once for a container, and in no record', async () => {
    const other = { ...KUBERNETES, pod_name: 'web-7f-y', labels: {}, ownerReferences: undefined }
    const parts = await sent(
      [
        { log: 'a', kubernetes: KUBERNETES, kubernetes_namespace: { labels: { env: 'prod' } } },
        { log: 'b', kubernetes: other },
        { log: 'c', kubernetes: KUBERNETES, kubernetes_namespace: { labels: { env: 'prod' } } },
        { n: 1, kubernetes: KUBERNETES, kubernetes_namespace: { labels: { env: 'prod' } } },
      ],
      { add_label: 'deployment.environment prod' },
    )
    expect(parts).toHaveLength(2)
    expect(parts[0]?.resource).toEqual({
      'service.name': 'web',
      'k8s.namespace.name': 'shop',
      'k8s.pod.name': 'web-7f-x',
      'k8s.pod.uid': 'u-1',
      'k8s.node.name': 'node-1',
      'k8s.container.name': 'nginx',
      'container.id': 'abc',
      'container.image.name': 'registry:5000/web/nginx',
      'container.image.tag': '1.2',
      'k8s.replicaset.name': 'web-7f',
      'k8s.pod.label.app.kubernetes.io/name': 'web',
      'k8s.pod.label.team': 'a',
      'k8s.pod.annotation.note': 'n',
      'k8s.namespace.label.env': 'prod',
      'deployment.environment': 'prod',
    })
    expect(parts[0]?.records.map(({ body, attributes }) => [body, attributes])).toEqual([
      ['a', {}],
      ['c', {}],
      [{ n: 1 }, {}],
    ])
    expect(parts[1]?.resource).toMatchObject({ 'service.name': 'nginx', 'k8s.pod.name': 'web-7f-y' })
  })

  test('options bring back what fluent-bit sends', async () => {
    const [only] = await sent([{ log: 'a', level: 'info', kubernetes: { pod_name: 'p' } }], {
      logs_body_key_attributes: 'off',
      logs_kubernetes_resource: 'off',
      logs_severity_keys: 'none',
    })
    expect(only).toEqual({
      resource: {},
      records: [{ time: '1000500000000', severity: 0, text: '', body: 'a', attributes: {} }],
    } as never)
  })

  test.each([
    ['info', 9],
    ['Warning', 13],
    ['ERR', 17],
    ['fatal', 21],
    [3, 17],
    ['3', 17],
    [30, 9],
    [60, 21],
    [70, 0],
    ['information overload', 0],
    [true, 0],
  ])('the severity of %p is %d', (level, severity) => {
    for (let i = 0; i < 2; i++) expect(severityOf(Buffer.from(encode(level)), 0)).toBe(severity)
  })

  test('a line of klog has a severity', () => {
    const of = (text: string): number => klogSeverity(Buffer.from(text), 0, text.length)
    expect([of('E0131 12:00:00.1 x'), of('W0131 12:00'), of('Error: 12:00'), of('I01')]).toEqual([
      17, 13, 0, 0,
    ])
  })

  test('http2 force and grpc on are errors, as they mean a server that takes nothing else', () => {
    for (const bad of [{ http2: 'force' }, { grpc: 'on' }, { logs_body_key: '' }])
      expect(() => parseOptions(OTEL_OPTIONS, bad as never)).toThrow()
    expect(parseOptions(OTEL_OPTIONS, { http2: 'on', grpc: 'auto' }).port).toBe(80)
  })
})

describe('answers', () => {
  const answer = (rejected: number, message: string) => ({
    status: 200,
    headers: { 'content-type': 'application/x-protobuf' },
    body: encodeOtlpAnswer(rejected, message).toString('latin1'),
  })

  test('a part that is rejected is counted and never sent again', async () => {
    const { server, bench: b } = bench(() => answer(3, 'too old'))
    b.push(Array.from({ length: 10 }, (_, n) => ({ n })))
    expect(await b.drained()).toBe(true)
    expect(server.seen).toHaveLength(1)
    expect(b.rejected).toEqual([])
    expect(b.counters.get('rejected_records')).toBe(3)
    expect(b.logged.lines.join()).toContain('rejected 3 records of a request without saying which: too old')
  })

  test('records of a request that is rejected as a whole go to the dead letters with the words of the server', async () => {
    const { bench: b } = bench(() => answer(2, 'no such tenant'))
    b.push([{ n: 1 }, { n: 2 }])
    expect(await b.drained()).toBe(true)
    expect(b.rejected.map(({ record }) => record)).toEqual([{ n: 1 }, { n: 2 }])
    expect(b.rejected[0]?.reason).toContain('no such tenant')
  })

  test('a warning is logged, in JSON as well, and the records are delivered', async () => {
    const { bench: b } = bench(() => ({
      status: 200,
      headers: { 'content-type': 'application/json' },
      body: '{"partialSuccess":{"rejectedLogRecords":"0","errorMessage":"use v2"}}',
    }))
    b.push([{ n: 1 }])
    expect(await b.drained()).toBe(true)
    expect(b.logged.lines.join()).toContain('accepted all records, with a warning: use v2')
    expect(b.counters.get('rejected_records') ?? 0).toBe(0)
  })

  test.each([
    ['a page', { status: 200, body: '<html>sign in</html>' }],
    ['an answer that is cut', { ...answer(3, 'too old'), cutAt: 4 }],
    ['an answer that is no protobuf', { ...answer(0, ''), body: '\x0a\x7f' }],
    ['500', { status: 500 }],
    ['503', { status: 503, headers: { 'retry-after': '2' } }],
    ['401', { status: 401 }],
  ])('after %s everything is sent again', async (_, first) => {
    const { server, bench: b } = bench((_request, index) => (index === 0 ? first : OK))
    b.push([{ n: 1 }, { n: 2 }])
    expect(await b.drained()).toBe(true)
    expect(server.seen.map(({ body }) => body.toString('latin1'))).toEqual(
      server.seen.map(() => server.seen[0]?.body.toString('latin1') as string),
    )
    expect(server.seen).toHaveLength(2)
    expect(b.rejected).toEqual([])
  })

  const JSON_TYPE = { 'content-type': 'application/json' }
  const PLAIN = { 'content-type': 'text/plain' }
  const STATUS = Buffer.concat([Buffer.from([8, 14, 0x12, 4]), Buffer.from('down')]).toString('latin1')

  test.each([
    [
      'text of a proxy',
      { status: 200, headers: PLAIN, body: 'no healthy upstream' },
      '"no healthy upstream"',
    ],
    ['text with 202', { status: 202, body: 'no healthy upstream' }, '"no healthy upstream"'],
    ['a list', { status: 200, headers: JSON_TYPE, body: '[]' }, '"[]"'],
    ['another object', { status: 200, headers: JSON_TYPE, body: '{"status":"error"}' }, 'the field status'],
    ['a part and more', { status: 200, body: '{"partialSuccess":{},"x":[]}' }, 'the field x'],
    [
      'two parts',
      { status: 200, body: '{"partialSuccess":{"rejectedLogRecords":1},"partial_success":{}}' },
      'partialSuccess twice',
    ],
    ['a part with more', { status: 200, body: '{"partialSuccess":{"x":1}}' }, 'the field x'],
    ['a text as a part', { status: 200, body: '{"partialSuccess":"x"}' }, 'partialSuccess is x'],
    ['JSON that is cut', { status: 200, headers: JSON_TYPE, body: '{"partialSuccess":' }, 'before its end'],
    [
      'another coding',
      { status: 200, headers: { ...JSON_TYPE, 'content-encoding': 'gzip' }, body: '\x1f\x8b\b\0' },
      'the coding gzip',
    ],
    [
      'a google.rpc.Status',
      { status: 200, headers: answer(0, '').headers, body: STATUS },
      'the protobuf field 1',
    ],
    ['a google.rpc.Status without a type', { status: 200, body: STATUS }, 'not an answer of this API'],
    [
      'more rejected than a number has',
      { ...answer(0, ''), body: Buffer.from([10, 11, 8, ...Array<number>(9).fill(255), 1]) },
      'number of rejected',
    ],
  ])('%s is no delivery, and the log names it', async (_, first, words) => {
    const { server, bench: b } = bench((_request, index) => (index === 0 ? first : OK))
    b.push([{ n: 1 }, { n: 2 }])
    expect(await b.drained()).toBe(true)
    expect(server.seen).toHaveLength(2)
    expect(b.rejected).toEqual([])
    expect(b.logged.lines.join('\n')).toContain(words)
  })

  // What collectors, Loki (204), fluent-bit (201), VictoriaLogs (no type) and others send.
  test.each([
    { status: 200, headers: answer(0, '').headers, body: '' },
    { status: 200, headers: answer(0, '').headers, body: '\x0a\x00' },
    { status: 200, body: '\x0a\x00' },
    { status: 200, headers: PLAIN, body: '' },
    { status: 201 },
    { status: 202 },
    { status: 204 },
    { status: 200, headers: JSON_TYPE, body: '{}' },
    { status: 200, headers: JSON_TYPE, body: '{"partialSuccess":{}}\n' },
    { status: 200, headers: JSON_TYPE, body: '{"partialSuccess":null}' },
    {
      status: 200,
      headers: PLAIN,
      body: '{"partial_success":{"rejected_log_records":0,"error_message":""}}',
    },
  ])('an answer of a collector is a delivery: %j', async (first) => {
    const { server, bench: b } = bench(() => first)
    b.push([{ n: 1 }])
    expect(await b.drained()).toBe(true)
    expect(server.seen).toHaveLength(1)
  })

  test('with 400 the record is found, and has the message of the google.rpc.Status', async () => {
    const status = Buffer.concat([Buffer.from([8, 3, 0x12, 9]), Buffer.from('bad value')])
    const { bench: b } = bench((request) => {
      const bodies = read(request).flatMap(({ records }) => records.map(({ body }) => body))
      return bodies.includes('bad') ? { status: 400, body: status.toString('latin1') } : OK
    })
    b.push([{ log: 'a' }, { log: 'bad' }, { log: 'c' }, { log: 'd' }])
    expect(await b.drained()).toBe(true)
    expect(b.rejected.map(({ record }) => record)).toEqual([{ log: 'bad' }])
    expect(b.rejected[0]?.reason).toEndWith('400 bad value')
    expect(statusText('{"code":3,"message":"said \\"no\\""}')).toBe('said "no"')
  })

  test('a request has at most batch_size records', async () => {
    const { bench: b, server } = bench(() => OK, { batch_size: '3' })
    b.push(Array.from({ length: 8 }, (_, n) => ({ n })))
    expect(await b.drained()).toBe(true)
    expect(server.seen.map((request) => read(request).flatMap(({ records }) => records).length)).toEqual([
      3, 3, 2,
    ])
  })
})
