import { expect, test } from 'bun:test'
import { spec } from '../../../../src/plugins/inputs/opentelemetry/index.ts'
import { cpuMs } from '../../../support/cpu.ts'
import { type ListeningRun, listeningInput } from '../../../support/http/listening-input.ts'
import { events, JSON_TYPE, send } from '../../../support/http/otlp-requests.ts'

const OBSERVED = '1600000000000000001'
const BODY = { stringValue: 'x' }
const ALL = { log: 'x' }

const logs = (...logRecords: unknown[]): string =>
  JSON.stringify({ resourceLogs: [{ scopeLogs: [{ logRecords }] }] })

async function sent(run: ListeningRun, body: string) {
  const { status } = await send(run, body, JSON_TYPE)
  return { status, bodies: events(run).map((event) => event.body) }
}

test.each([['"0"'], ['0'], ['""'], ['null']])(
  'a time of %s is none: the observed one is taken',
  async (time) => {
    const run = await listeningInput(spec)
    const record = `{"timeUnixNano":${time},"observedTimeUnixNano":"${OBSERVED}","body":{"stringValue":"x"}}`
    await sent(run, `{"resourceLogs":[{"scopeLogs":[{"logRecords":[${record},{"timeUnixNano":${time}}]}]}]}`)
    const [observed, arrived] = events(run)
    expect(observed?.time).toBe('1600000000.000000001')
    expect(Math.abs(Number(arrived?.time) - Date.now() / 1000)).toBeLessThan(60)
  },
)

test('null is what is not there, at each level', async () => {
  const run = await listeningInput(spec)
  const record = {
    ...{ timeUnixNano: null, observedTimeUnixNano: null, severityNumber: null, severityText: null },
    ...{ attributes: null, droppedAttributesCount: null, traceId: null, spanId: null, traceFlags: null },
    ...{ body: null, eventName: null },
  }
  const scopeLogs = [
    { scope: null, schemaUrl: null, logRecords: [record] },
    { scope: { attributes: null }, logRecords: null },
    { scope: { attributes: null, name: null }, logRecords: [{ body: { kvlistValue: null } }] },
  ]
  const resourceLogs = [
    { resource: null, scopeLogs },
    { resource: { attributes: null, droppedAttributesCount: null }, scopeLogs },
    { scopeLogs: null },
  ]
  expect(await sent(run, JSON.stringify({ resourceLogs }))).toEqual({
    status: 201,
    bodies: [{}, {}, {}, {}],
  })
  expect(events(run)[0]?.metadata.otlp).toEqual({})
  expect((await sent(run, '{"resourceLogs":null}')).status).toBe(201)
})

test('names are read as protobuf writes them, too', async () => {
  const run = await listeningInput(spec)
  const record = {
    ...{
      time_unix_nano: OBSERVED,
      observed_time_unix_nano: OBSERVED,
      severity_number: 9,
      severity_text: 'I',
    },
    ...{ dropped_attributes_count: 3, trace_flags: 1, event_name: 'e' },
    ...{ trace_id: '0123456789abcdef0123456789abcdef', span_id: '0123456789abcdef' },
    body: {
      kvlist_value: { values: [{ key: 'a', value: { array_value: { values: [{ int_value: '1' }] } } }] },
    },
  }
  const scope_logs = [{ scope: { name: 'n' }, schema_url: 's', log_records: [record] }]
  const resource_logs = [{ resource: { dropped_attributes_count: 1 }, schema_url: 'r', scope_logs }]
  expect(await sent(run, JSON.stringify({ resource_logs }))).toEqual({ status: 201, bodies: [{ a: [1] }] })
  const [event] = events(run)
  expect(event?.time).toBe('1600000000.000000001')
  expect(event?.metadata.otlp).toMatchObject({
    ...{
      severity_number: 9,
      severity_text: 'I',
      dropped_attributes_count: 3,
      trace_flags: 1,
      event_name: 'e',
    },
  })
  expect(event?.metadata.group?.attributes).toEqual({
    resource: { dropped_attributes_count: 1, schema_url: 'r' },
    scope: { name: 'n', schema_url: 's' },
  })
})

test.each([
  [
    'resourceLogs',
    String.raw`{"resource\u004cogs":[{"scopeLogs":[{"logRecords":[{"body":{"stringValue":"x"}}]}]}]}`,
  ],
  [
    'scopeLogs',
    String.raw`{"resourceLogs":[{"\u0073copeLogs":[{"logRecords":[{"body":{"stringValue":"x"}}]}]}]}`,
  ],
  [
    'logRecords',
    String.raw`{"resourceLogs":[{"scopeLogs":[{"logRec\u006frds":[{"body":{"stringValue":"x"}}]}]}]}`,
  ],
])('the name %s may have an escape', async (_, body) => {
  const run = await listeningInput(spec)
  expect(await sent(run, body)).toEqual({ status: 201, bodies: [ALL] })
})

test.each([['resourceLogs'], ['scopeLogs'], ['logRecords']])(
  '%s twice in one object is refused, so that none is lost',
  async (name) => {
    const run = await listeningInput(spec)
    const twice = logs({ body: BODY }).replace(`"${name}":`, `"${name}":[],"${name}":`)
    expect(await sent(run, twice)).toEqual({ status: 400, bodies: [] })
    expect(run.logged.join('\n')).toContain(`${name} is there twice`)
  },
)

test('a byte order mark before the text is passed over', async () => {
  const run = await listeningInput(spec)
  expect(await sent(run, `\ufeff${logs({ body: BODY })}`)).toEqual({ status: 201, bodies: [ALL] })
})

test('the value of an attribute may be before its key, at each level', async () => {
  const run = await listeningInput(spec)
  const attributes = [
    { value: { kvlistValue: { values: [{ value: { intValue: '1' }, key: 'inner' }] } }, key: 'outer' },
    { value: null, key: 'b' },
    { value: { stringValue: 'last' }, key: 'b' },
  ]
  await sent(run, logs({ attributes }))
  expect(events(run)[0]?.metadata.otlp).toEqual({ attributes: { outer: { inner: 1 }, b: 'last' } })
})

test('the time for a value does not grow with its depth', async () => {
  const run = await listeningInput(spec)
  const list = `{"arrayValue":{"values":[${'0,'.repeat(400_000)}0]}}`
  const nested = (levels: number): string =>
    levels === 0 ? list : `{"kvlistValue":{"values":[{"value":${nested(levels - 1)},"key":"k"}]}}`
  const cost = async (levels: number): Promise<number> => {
    const body = `{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":${nested(levels)}}]}]}]}`
    const began = cpuMs()
    expect((await send(run, body, JSON_TYPE)).status).toBe(201)
    return cpuMs() - began
  }
  await cost(1)
  const flat = Math.min(await cost(1), await cost(1), await cost(1))
  const deep = Math.min(await cost(50), await cost(50), await cost(50))
  expect(deep).toBeLessThan(2.5 * flat + 20)
})

test('a rejected record is told in a sentence, with its number and the sender', async () => {
  const run = await listeningInput(spec)
  const answer = await send(run, logs({ body: BODY }, { traceId: 'abc' }), JSON_TYPE)
  expect(JSON.parse(answer.body)).toEqual({
    partialSuccess: { rejectedLogRecords: '1', errorMessage: 'traceId must have 32 hex digits' },
  })
  expect(run.logged.join('\n')).toContain(
    'rejected 1 of 2 log records from 127.0.0.1: traceId must have 32 hex digits',
  )
})
