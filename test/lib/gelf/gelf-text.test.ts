import { expect, test } from 'bun:test'
import { GelfText } from '../../../src/lib/gelf/gelf-text.ts'
import { JsonText } from '../../../src/lib/json/msgpack-to-json.ts'
import { Entry } from '../../../src/lib/records/entry.ts'
import { chunkOf } from '../../support/engine/chunk-of.ts'

const KEYS = {
  host: 'host',
  shortMessage: 'short_message',
  fullMessage: 'full_message',
  level: 'level',
  timestamp: 'timestamp',
  tag: undefined,
}

/** Returns the messages of records, whose times are 1000.5, 1001.5 and so on. */
function gelf(records: object[], keys: Partial<ConstructorParameters<typeof GelfText>[0]> = {}): string[] {
  const chunk = chunkOf(records, 'app.web')
  const entry = new Entry()
  const writer = new GelfText({ ...KEYS, ...keys }, 'host-1')
  const texts: string[] = []
  for (let at = chunk.start; at < chunk.end; at = entry.end) {
    entry.read(chunk, at)
    const text = new JsonText()
    writer.write(text, chunk.buf, entry, chunk.tag)
    texts.push(String(text.bytes()))
  }
  return texts
}

const values = (records: object[], keys = {}) => gelf(records, keys).map((text) => JSON.parse(text))

test('writes the form of fluent-bit: fields in the order of the record, then the time', () => {
  const record = {
    log: 'm',
    host: 'h',
    x: 1,
    f: 1.5,
    b: true,
    n: null,
    m: { k: 'v', l: [1] },
    'a b': 2,
    level: 3,
  }
  expect(gelf([record], { shortMessage: 'log' })).toEqual([
    '{"version":"1.1", "short_message":"m", "host":"h", "_x":1, "_f":1.500000, "_b":"true", "_m_k":"v", "_m_l":"1", "_a_b":2, "level":3, "timestamp":1000.500}',
  ])
})

test('host and short_message are there in each message, as GELF requires', () => {
  expect(
    values([{}, { message: 'a', log: '' }, { short_message: '', host: '' }, { host: 5, log: 7 }]),
  ).toEqual([
    { version: '1.1', host: 'host-1', short_message: '-', timestamp: 1000.5 },
    { version: '1.1', host: 'host-1', short_message: 'a', _log: '', timestamp: 1001.5 },
    { version: '1.1', _short_message: '', _host: '', host: 'host-1', short_message: '-', timestamp: 1002.5 },
    { version: '1.1', host: '5', short_message: '7', timestamp: 1003.5 },
  ])
})

test('a text of white space is none, as Graylog refuses a blank short_message and host', () => {
  // Character.isWhitespace of Java, which has no U+00A0, U+2007 and U+202F.
  for (const blank of [
    ' ',
    '\n',
    '\t\r ',
    '\u000b\f',
    '\u001c\u001f',
    '\u1680',
    '\u2000\u200a',
    '\u2028\u2029',
    '\u205f\u3000',
  ])
    expect(values([{ short_message: blank, message: 'm', host: blank }, { log: blank }])).toMatchObject([
      { host: 'host-1', short_message: 'm', _host: blank, _short_message: blank },
      { host: 'host-1', short_message: '-', _log: blank },
    ])
  for (const text of ['\u00a0', '\u2007', '\u202f', ' x', '\u0000', '\u200b', '\u3001'])
    expect(values([{ log: text }])).toMatchObject([{ short_message: text }])
})

test('a level is a number, a digit or a word; another value is a field of its own', () => {
  const levels = [0, 7, '3', 'ERROR', 'warn', 8, 'loud', '', 1.5, -1]
  expect(values(levels.map((level) => ({ level }))).map(({ level, _level }) => [level, _level])).toEqual([
    [0, undefined],
    [7, undefined],
    [3, undefined],
    [3, undefined],
    [4, undefined],
    [undefined, 8],
    [undefined, 'loud'],
    [undefined, ''],
    [undefined, 1.5],
    [undefined, -1],
  ])
})

test('a time is a number or its digits; another value is a field of its own, and the time that of the record', () => {
  const times = [1600000000, 1600000000.25, '1600000000', '1600000000.5', 'now', '1.', '.5', '01', '1e5', '']
  const got = values(times.map((timestamp) => ({ timestamp })))
  expect(got.map(({ timestamp, _timestamp }) => [timestamp, _timestamp])).toEqual([
    [1600000000, undefined],
    [1600000000.25, undefined],
    [1600000000, undefined],
    [1600000000.5, undefined],
    [1004.5, 'now'],
    [1005.5, '1.'],
    [1006.5, '.5'],
    [1007.5, '01'],
    [1008.5, '1e5'],
    [1009.5, ''],
  ])
})

test('values are strings or numbers, and no digit is lost', () => {
  const record = {
    big: 9007199254740991,
    tiny: 1.25e-9,
    whole: 2,
    list: [1, 'a', true, 1.5],
    nested: [{ x: 1 }, [2]],
    bytes: Buffer.from('raw "x"'),
    empty: {},
    none: [],
  }
  const [text = ''] = gelf([record])
  expect(text).toContain('"_big":9007199254740991, ')
  expect(JSON.parse(text)).toEqual({
    ...{ version: '1.1', host: 'host-1', short_message: '-', timestamp: 1000.5 },
    _big: 9007199254740991,
    _tiny: 1.25e-9,
    _whole: 2,
    _list: '1, a, true, 1.5',
    _nested: '[{"x":1},[2]]',
    _bytes: 'raw "x"',
    _none: '',
  })
})

test('names have the characters that GELF allows, _id is never one, and of equal ones the last is written', () => {
  const [first, second] = gelf([
    { 'ä/b c': 1, 'x.y-z_': 2, id: 3, _id: 4, a: { b: 1, id: 5 }, a_b: 2 },
    { a_b: 2, a: { b: 1 }, 'a b': 3 },
  ])
  expect(first).toContain(', "____b_c":1, "_x.y-z_":2, "_id_":3, "__id":4, "_a_id":5, "_a_b":2, ')
  expect(second).toContain('{"version":"1.1", "_a_b":3, ')
})

test('a record of many fields, some of them twice, has each once', () => {
  const record = Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`k ${i}`, i]))
  const [text = ''] = gelf([{ ...record, 'k-7': 'x', k_7: 'last', nested: record }])
  const parsed = JSON.parse(text)
  expect(Object.keys(parsed)).toHaveLength(300 + 1 + 300 + 4)
  expect([parsed._k_7, parsed['_k-7'], parsed._nested_k_299]).toEqual(['last', 'x', 299])
  expect(text.match(/"_k_7":/g)).toHaveLength(1)
})

test('the tag is added under its name', () => {
  expect(values([{ log: 'm' }], { tag: 'fb tag' })[0]).toMatchObject({ _fb_tag: 'app.web' })
})
