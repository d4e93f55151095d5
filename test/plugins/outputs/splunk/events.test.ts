import { expect, test } from 'bun:test'
import { parseOptions } from '../../../../src/core/options/parse.ts'
import { CounterMap } from '../../../../src/engine/counters.ts'
import { JsonText } from '../../../../src/lib/json/msgpack-to-json.ts'
import { eventEncoder } from '../../../../src/plugins/outputs/splunk/encoder.ts'
import { spec } from '../../../../src/plugins/outputs/splunk/index.ts'
import { SPLUNK_OPTIONS } from '../../../../src/plugins/outputs/splunk/options.ts'
import { objectsIn } from '../../../support/doubles/json-logs.ts'
import { chunkOf } from '../../../support/engine/chunk-of.ts'
import { outputContext } from '../../../support/engine/output-context.ts'

function bodyOf(records: object[], texts: Record<string, string | string[]>, tag = 'app.web'): string {
  const encode = eventEncoder(parseOptions(SPLUNK_OPTIONS, texts), new CounterMap())
  const chunk = chunkOf(records, tag)
  const out = new JsonText()
  encode({ chunk, start: chunk.start, end: chunk.end, first: 0, count: chunk.count }, out)
  return out.bytes().toString()
}

const eventOf = (record: object, texts: Record<string, string | string[]>): Record<string, unknown> =>
  objectsIn(bodyOf([record], texts))[0] ?? {}

test('a record is an event with its time in nanoseconds, one behind the other', () => {
  expect(bodyOf([{ log: 'a' }, { log: 'b' }], {})).toBe(
    '{"time":1000.500000000,"event":{"log":"a"}}{"time":1001.500000000,"event":{"log":"b"}}',
  )
})

test('members that the configuration names stand in each event, also those of the tag', () => {
  const texts = {
    event_host: 'h',
    event_source: 'of $TAG[1]',
    event_sourcetype: 'st "x"',
    event_index: 'main',
  }
  expect(eventOf({ log: 'a' }, texts)).toEqual({
    ...{ time: 1000.5, host: 'h', source: 'of web', sourcetype: 'st "x"', index: 'main' },
    event: { log: 'a' },
  })
})

test('many records of several tags are the same events as one by one', () => {
  const records = Array.from({ length: 100 }, (_, n) => ({ n, log: 'line' }))
  const encode = eventEncoder(parseOptions(SPLUNK_OPTIONS, { event_source: '$TAG' }), new CounterMap())
  for (const tag of ['a', 'b', 'a']) {
    const chunk = chunkOf(records, tag)
    const out = new JsonText()
    encode({ chunk, start: chunk.start, end: chunk.end, first: 0, count: chunk.count }, out)
    expect(objectsIn(out.bytes().toString())).toEqual(
      records.map((event, i) => ({ source: tag, time: 1000.5 + i, event })),
    )
  }
})

test('a key of the record is the source type or the index, and the configured one stands in', () => {
  const texts = {
    event_sourcetype_key: "$k['t']",
    event_sourcetype: 'st',
    event_index_key: 'i',
    event_index: 'main',
  }
  expect(eventOf({ k: { t: 'nginx' }, i: 7 }, texts)).toMatchObject({ sourcetype: 'nginx', index: '7' })
  expect(eventOf({ k: { t: '' }, i: null }, texts)).toMatchObject({ sourcetype: 'st', index: 'main' })
  expect(eventOf({ k: 1, i: {} }, { event_index_key: 'i' })).toEqual({ time: 1000.5, event: { k: 1, i: {} } })
})

test('event_key is the event: a text, a map, or the text of a number; without it the record is', () => {
  const texts = { event_key: '$log' }
  expect(eventOf({ log: 'ä"', n: 1 }, texts).event).toBe('ä"')
  expect(eventOf({ log: { a: 1 } }, texts).event).toEqual({ a: 1 })
  expect(eventOf({ log: 5 }, texts).event).toBe('5')
  for (const log of ['', null, {}, []]) expect(eventOf({ log, n: 1 }, texts).event).toEqual({ log, n: 1 })
  expect(eventOf({ n: 1 }, { event_key: 'log' }).event).toEqual({ n: 1 })
})

test('indexed fields are flat: what is not is the text of its JSON, and what is missing is left out', () => {
  const event_field = ['a $level', "b $m['k']", 'm $m', 'l $l', 'x $l2', 'no $gone', 'nul $nul']
  const record = { level: 'info', m: { k: 1 }, l: ['a', 'b'], l2: [{ c: 1 }], nul: null }
  expect(eventOf(record, { event_field }).fields).toEqual({
    ...{ a: 'info', b: 1, m: '{"k":1}', l: ['a', 'b'], x: '[{"c":1}]' },
  })
})

test('with auto_extract_timestamp there is no time', () => {
  expect(eventOf({ log: 'a' }, { auto_extract_timestamp: 'on' })).toEqual({ event: { log: 'a' } })
  expect(eventOf({ log: 'a' }, { auto_extract_timestamp: 'on', event_key: 'log' })).toEqual({ event: 'a' })
})

test('with splunk_send_raw records are lines as they are', () => {
  const texts = { splunk_send_raw: 'on', event_host: 'h' }
  expect(bodyOf([{ event: 'a', host: 'x' }, { event: {} }], texts)).toBe(
    '{"event":"a","host":"x"}\n{"event":{}}\n',
  )
})

test('without a token or a user the output is refused', () => {
  expect(() => spec.create(parseOptions(spec.options, {}), outputContext())).toThrow(
    'neither Splunk_Token nor',
  )
})
