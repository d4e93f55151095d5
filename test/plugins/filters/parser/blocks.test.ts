import { expect, test } from 'bun:test'
import { decode, encode } from '@msgpack/msgpack'
import { TextBlock } from '../../../../src/plugins/filters/parser/text-block.ts'
import { ParserRun, parserOf } from './support.ts'

const HEAD = Buffer.from('92d7006553f10000000001', 'hex')
const entryOf = (record: object): Buffer => Buffer.concat([HEAD, encode(record)])

/** After the first, texts with line feeds are left out of blocks. */
const ROUNDS = 3

type Texts = Record<string, string | string[]>

/** Expects the same of a filter that has parsed many records as of one that has not; returns its records. */
function expectSame(texts: Texts, given: readonly object[], labels?: readonly string[]): unknown[] {
  const cold = new ParserRun(texts, labels)
  const warm = new ParserRun(texts, labels, true)
  for (let i = 0; i < ROUNDS; i++) {
    const entries = warm.entries(given.map(entryOf))
    expect(entries.map((entry) => entry.toString('hex'))).toEqual(
      cold.entries(given.map(entryOf)).map((entry) => entry.toString('hex')),
    )
    expect(warm.counted).toEqual(cold.counted)
    expect(warm.emitted.map((one) => one.entries)).toEqual(cold.emitted.map((one) => one.entries))
    if (i === ROUNDS - 1) return entries.map((entry) => (decode(entry) as unknown[])[1])
  }
  return []
}

/** Returns records with these texts between others. */
const around = (...texts: unknown[]): object[] =>
  Array.from({ length: 150 }, (_, i) => ({
    ...(i % 7 === 0 ? { n: i, ts: 'mine' } : { n: i, b: null }),
    log:
      i % 10 === 3
        ? texts[Math.floor(i / 10) % texts.length]
        : `{"a":${i},"ts":"2020-02-03T04:05:0${i % 10}"}`,
  }))

const LONG = `{"long":"${'x'.repeat(20_000)}","b":1}`

test('records of a block stay in their order, those without a text or with one that is not parsed among them', () => {
  const given = around('no JSON', 5, '{"ts":"no time"}', '', '{', LONG, '{"b":{"c":[1,2]},"n":-1}')
  for (const parser of ['json', 'timed_json', ['json', 'letters'], ['timed_json', 'request', 'logfmt']])
    for (const texts of [{}, { reserve_data: 'on' }, { preserve_key: 'on' }, { reserve_time: 'on' }])
      expectSame({ parser, ...texts }, given)
  const records = expectSame({ reserve_data: 'on' }, given) as { n: number }[]
  expect(records.map(({ n }) => n)).toEqual(given.map((_, i) => i))
})

test('a text of several lines, or with a carriage return at its end, is one text', () => {
  const parsers = ['json', 'logfmt', 'ltsv', 'timed']
  const lines = around('{"b":\n1}', 'a=1\n', '\n', 'x\r\n', '{"a":1}\n{"b":2}', '{"b":2}\n', '\r\n')
  for (const parser of parsers) expectSame({ parser, reserve_data: 'on' }, lines)
  const ends = around('{"a":1}\r', 'a=1\r', 'a:1\r', '2020-02-03T04:05:06 hi\r')
  for (const parser of parsers) expectSame({ parser, reserve_data: 'on' }, ends)
})

test('texts whose time cannot be read are counted and keep the time of the record', () => {
  const given = around('{"ts":"no time","b":1}', '{"ts":null}', 'never hi')
  expectSame({ parser: 'timed_json', reserve_data: 'on' }, given)
  expectSame({ parser: 'timed' }, given)
})

test('records that are discarded or sent to @ERROR are those of the block that are not parsed', () => {
  const given = around('no JSON', undefined, '{"b":1}')
  expectSame({ unmatched: 'drop' }, given)
  expectSame({ unmatched: 'error_label' }, given, ['@ERROR'])
})

test('a text with more fields than a kernel has space for is parsed', () => {
  const many = JSON.stringify(Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`k${i}`, i])))
  expectSame({ reserve_data: 'on' }, around(many))
})

test('a map of 16 pairs, some of them of the record, has the head of its size', () => {
  for (const n of [13, 14, 15, 16, 17]) {
    const text = JSON.stringify(Object.fromEntries(Array.from({ length: n }, (_, i) => [`k${i}`, i])))
    expectSame({ reserve_data: 'on' }, around(text, text.replace('k3', 'n')))
  }
})

test('JSON with a line feed after it, as Docker logs it, is parsed in blocks', () => {
  const block = new TextBlock(parserOf('json'))
  while (!block.begin(100));
  const text = Buffer.from('{"a":1}\n')
  for (let i = 0; i < 3; i++) expect(block.add(text, 0, text.length)).toBe(true)
  expect(block.run()).toBe(true)
})

test('a block with a line feed in a text is left to the parser, and such texts are left out of the next ones', () => {
  const block = new TextBlock(parserOf('logfmt'))
  while (!block.begin(100));
  const [one, two] = [Buffer.from('a=1'), Buffer.from('a=1\nb=2')]
  const add = () => [one, two, one].map((text) => block.add(text, 0, text.length))
  expect([add(), block.run()]).toEqual([[true, true, true], false])
  expect(block.begin(100)).toBe(true)
  expect([add(), block.run()]).toEqual([[true, false, true], true])
})
