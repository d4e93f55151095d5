import { expect, test } from 'bun:test'
import { decode, ExtData, encode } from '@msgpack/msgpack'
import { parseOptions } from '../../../../src/core/options/parse.ts'
import { spec } from '../../../../src/plugins/filters/parser/index.ts'
import { filterContract } from '../../../contract/filter.ts'
import { chunkOf, recordsOf, withMetadata } from '../../../support/engine/chunk-of.ts'
import { LaterList } from '../../../support/later.ts'
import { chunkOfEntries, entriesOf, ParserRun, parserOf, repeatsKeys } from './support.ts'

const EVENT_TIME = 'd7006553f10000000001'
const PARSED_TIME = 'd7005e379bf200000000'

type Texts = Record<string, string | string[]>

function records(texts: Texts, given: object[]): unknown[] {
  const run = new ParserRun(texts)
  const { entries } = run.through(chunkOf(given, 'app', run.buffers))
  return entries.map((entry) => (decode(entry) as unknown[])[1])
}

/** Returns an entry of MessagePack in hex digits. */
const entry = (time: string, ...parts: (string | Buffer)[]): Buffer =>
  Buffer.concat([Buffer.from(`92${time}`, 'hex'), ...parts.map((part) => Buffer.from(part as string, 'hex'))])
const hex = (value: unknown): string => Buffer.from(encode(value)).toString('hex')

const wordOf = (value: unknown): string | undefined => {
  const text = value instanceof Uint8Array ? Buffer.from(value).toString('latin1') : value
  return typeof text === 'string' && /^[a-zA-Z]+$/.test(text) ? text : undefined
}

/** Keys that are numbers come first in an object, so that reserved fields can only be compared before the others. */
const CASES: Record<string, Texts> = {
  'without the others': {},
  'with its field': { preserve_key: 'on' },
  'after the others': { reserve_data: 'on', collision: 'parsed' },
}

for (const [name, texts] of Object.entries(CASES))
  filterContract({
    name: `parser ${name}`,
    create: (ctx) => {
      const options = parseOptions(spec.options, { key_name: 'log', parser: 'letters', ...texts } as never)
      return spec.create(options, { ...ctx, parser: parserOf, counters: { add() {} } } as never)
    },
    expected: (record) => {
      const word = wordOf(record.log)
      if (word === undefined) return record
      const { log, ...others } = record
      if (texts.preserve_key === 'on') return { word, log }
      return texts.reserve_data === 'on' ? { ...others, word } : { word }
    },
  })

test('a record becomes what the parser reads in Key_Name', () => {
  const given = { log: '{"x":1,"y":"two"}', k: 'v' }
  expect(records({}, [given])).toEqual([{ x: 1, y: 'two' }])
  expect(records({ preserve_key: 'on' }, [given])).toEqual([{ x: 1, y: 'two', log: given.log }])
  expect(records({ reserve_data: 'on' }, [given])).toEqual([{ x: 1, y: 'two', k: 'v' }])
  expect(records({ reserve_data: 'on', preserve_key: 'on' }, [given])).toEqual([{ x: 1, y: 'two', ...given }])
})

test('what was parsed comes first, then the reserved fields in their order', () => {
  const [record] = records({ reserve_data: 'on', preserve_key: 'on' }, [{ b: 1, log: '{"x":1}', a: 2 }])
  expect(Object.keys(record as object)).toEqual(['x', 'b', 'log', 'a'])
})

test('the first parser that matches is used; without one the record stays and is counted', () => {
  const run = new ParserRun({ parser: ['request', 'json'] })
  const given = [{ log: 'GET /a' }, { log: '{"x":1}' }, { log: 'neither' }, { log: 5 }, { other: 1 }]
  const { entries } = run.through(chunkOf(given, 'app', run.buffers))
  expect(entries.map((one) => (decode(one) as unknown[])[1])).toEqual([
    { verb: 'GET', path: '/a' },
    { x: 1 },
    ...given.slice(2),
  ])
  expect(run.counted).toEqual({ parse_failed: 1 })
})

test('a chunk of which nothing is parsed keeps its buffer', () => {
  const run = new ParserRun({ reserve_data: 'on' })
  const chunk = chunkOf([{ log: 'no' }, { a: 1 }], 'app', run.buffers)
  const { buf } = chunk
  run.through(chunk)
  const empty = chunkOfEntries([], run.buffers)
  run.through(empty)
  const again = chunkOf([{ log: 'no' }], 'app', run.buffers)
  run.filter.apply(again, new LaterList(run.buffers))
  expect(again.buf).not.toBe(buf)
  expect(recordsOf(again)).toEqual([{ log: 'no' }])
  expect([...run.buffers.out]).toEqual([again.buf])
})

test('a field of a map is found by a record accessor, and stays with Reserve_Data', () => {
  const given = { m: { log: '{"x":1}', o: 2 }, k: 1 }
  const nested = (texts: Texts): unknown[] => records({ key_name: "$m['log']", ...texts }, [given])
  expect(nested({})).toEqual([{ x: 1 }])
  expect(nested({ preserve_key: 'on' })).toEqual([{ x: 1 }])
  expect(nested({ reserve_data: 'on' })).toEqual([{ x: 1, ...given }])
  expect(nested({ reserve_data: 'on', preserve_key: 'on' })).toEqual([{ x: 1, ...given }])
  expect(records({ key_name: "$m['zz']" }, [given])).toEqual([given])
})

test('the time of the text replaces that of the record, whatever its format', () => {
  const body = hex({ log: '2020-02-03T04:05:06 hi', k: 1 })
  const parsed = hex({ msg: 'hi', k: 1 })
  const meta = hex({ m: 'x'.repeat(40) })
  const run = new ParserRun({ parser: 'timed', reserve_data: 'on' })
  const times = [EVENT_TIME, 'ce6553f100', '05', 'cb41d954fc4000000000'.slice(0, 18)]
  expect(run.entries(times.map((time) => entry(time, body)))).toEqual(
    times.map(() => entry(PARSED_TIME, parsed)),
  )
  expect(run.entries(times.map((time) => entry(`92${time}${meta}`, body)))).toEqual(
    times.map(() => entry(`92${PARSED_TIME}${meta}`, parsed)),
  )
})

test('the time of the record stays when the text has none, cannot be read, or with Reserve_Time', () => {
  const run = new ParserRun({ parser: 'timed' })
  const times = [EVENT_TIME, 'ce6553f100', `92${EVENT_TIME}80`]
  const none = hex({ log: 'yesterday hi' })
  expect(run.entries(times.map((time) => entry(time, none)))).toEqual(
    times.map((time) => entry(time, hex({ time: 'yesterday', msg: 'hi' }))),
  )
  expect(run.counted).toEqual({ time_failed: 3 })
  const reserved = new ParserRun({ parser: 'timed', reserve_time: 'on' })
  const body = hex({ log: '2020-02-03T04:05:06 hi' })
  expect(reserved.entries([entry(EVENT_TIME, body)])).toEqual([entry(EVENT_TIME, hex({ msg: 'hi' }))])
})

test('metadata stays', () => {
  const run = new ParserRun({ reserve_data: 'on' })
  const chunk = withMetadata([{ log: '{"x":1}' }, { log: 'no' }], { m: 1 }, 'app', run.buffers)
  const { entries } = run.through(chunk)
  const expected = withMetadata([{ x: 1 }, { log: 'no' }], { m: 1 })
  expect(entries).toEqual(entriesOf(expected))
})

test('a field of the text and of the record is written once: Collision says whose value it has', () => {
  const given = { log: '{"k":"inner","log":"again","x":1}', k: 'outer' }
  expect(records({ reserve_data: 'on' }, [given])).toEqual([{ log: 'again', x: 1, k: 'outer' }])
  expect(records({ reserve_data: 'on', preserve_key: 'on' }, [given])).toEqual([{ x: 1, ...given }])
  expect(records({ reserve_data: 'on', collision: 'parsed' }, [given])).toEqual([
    { k: 'inner', log: 'again', x: 1 },
  ])
  expect(records({ preserve_key: 'on' }, [given])).toEqual([{ k: 'inner', x: 1, log: given.log }])
})

test('a key that a record has twice: the last value is parsed, all are removed, and others are written once', () => {
  const twice = '85a36c6f67a7474554202f6161a17801a36c6f67a6505554202f62a17802a16b03'
  for (const collision of ['reserved', 'parsed']) {
    const run = new ParserRun({ parser: 'request', reserve_data: 'on', collision })
    const [out] = run.entries([entry(EVENT_TIME, twice)]) as [Buffer]
    expect(repeatsKeys(out)).toBe(false)
    expect((decode(out) as unknown[])[1]).toEqual({ verb: 'PUT', path: '/b', x: 2, k: 3 })
  }
  const kept = new ParserRun({ parser: 'request', preserve_key: 'on' })
  expect(kept.entries([entry(EVENT_TIME, twice)])).toEqual([
    entry(EVENT_TIME, hex({ verb: 'PUT', path: '/b', log: 'PUT /b' })),
  ])
})

test('empty keys are equal', () => {
  const run = new ParserRun({ reserve_data: 'on' })
  // {"": 1, "log": "{\"\":5,\"x\":6}", "": 2}
  const text = Buffer.from('{"":5,"x":6}').toString('hex')
  const [out] = run.entries([entry(EVENT_TIME, `83a001a36c6f67ac${text}a002`)])
  expect(out).toEqual(entry(EVENT_TIME, '82a17806a002'))
})

test('a key in a longer format than necessary is the same key', () => {
  // {"verb" as str8: 1, "x" as str32: 2, "log" as str8: "GET /a" as bin, "x": 3}
  const odd = '84d9047665726201db0000000178'.concat(
    '02',
    'd9036c6f67',
    'c406',
    Buffer.from('GET /a').toString('hex'),
    'a17803',
  )
  const run = new ParserRun({ parser: 'request', reserve_data: 'on' })
  const [out] = run.entries([entry(EVENT_TIME, odd)]) as [Buffer]
  expect(repeatsKeys(out)).toBe(false)
  expect((decode(out) as unknown[])[1]).toEqual({ path: '/a', verb: 1, x: 3 })
})

test('bytes of reserved values stay: ext types, bin, float32, invalid UTF-8, 64-bit integers, long heads', () => {
  const values = [
    hex(new ExtData(5, new Uint8Array([1, 2, 3]))),
    'c403ff00fe',
    'ca3fc00000',
    'a3fffe80',
    'cfffffffffffffffff',
    'd38000000000000000',
    'cd0001',
    'db00000001'.concat('61'),
    'dc00019f'.slice(0, 6).concat('01'),
    'de000181a16101'.slice(0, 6).concat('a16101'),
  ]
  const pairs = values.map(
    (value, i) => `a1${Buffer.from(String.fromCharCode(97 + i)).toString('hex')}${value}`,
  )
  const head = (n: number): string => Buffer.from([0x80 + n]).toString('hex')
  const log = hex({ log: 'GET /a' }).slice(2)
  const given = entry(
    EVENT_TIME,
    [head(values.length + 1), ...pairs.slice(0, 5), log, ...pairs.slice(5)].join(''),
  )
  const fields = hex({ verb: 'GET', path: '/a' }).slice(2)
  const run = new ParserRun({ parser: 'request', reserve_data: 'on' })
  expect(run.entries([given])).toEqual([
    entry(EVENT_TIME, [head(values.length + 2), fields, ...pairs].join('')),
  ])
})

test('a record of 10,000 keys is parsed in linear time', () => {
  const record = Object.fromEntries(Array.from({ length: 10_000 }, (_, i) => [`key${i}`, i]))
  const text = JSON.stringify({ ...record, x: 1 })
  expect(records({ reserve_data: 'on' }, [{ ...record, log: text, key5: 'own' }])).toEqual([
    { x: 1, ...record, key5: 'own' },
  ])
  const only = records({}, [{ ...record, log: text }])
  expect(only).toEqual([{ ...record, x: 1 }])
})

test('what is no valid entry goes on as it is', () => {
  const run = new ParserRun({})
  const good = entry(EVENT_TIME, hex({ log: '{"x":1}' }))
  const odd = [
    Buffer.from(encode({ log: '{"x":1}' })),
    Buffer.from(encode([1, 2, 3])),
    Buffer.from(encode([1, 'x'])),
  ]
  expect(run.entries([good, ...odd, good])).toEqual([
    entry(EVENT_TIME, hex({ x: 1 })),
    ...odd,
    entry(EVENT_TIME, hex({ x: 1 })),
  ])
})

test('texts of a megabyte and of no byte are parsed', () => {
  const long = 'x'.repeat(1_000_000)
  expect(
    records({ reserve_data: 'on' }, [{ log: '' }, { log: JSON.stringify({ long }), k: 1 }, { log: '{}' }]),
  ).toEqual([{ log: '' }, { long, k: 1 }, {}])
})

test('Result_Key puts the parsed fields into a map, Result_Prefix before their keys', () => {
  const given = { log: '{"x":1,"y":{"z":2}}', k: 'v', p: 0 }
  expect(records({ result_key: 'p' }, [given])).toEqual([{ p: { x: 1, y: { z: 2 } } }])
  expect(records({ result_key: 'p', reserve_data: 'on', collision: 'parsed' }, [given])).toEqual([
    { k: 'v', p: { x: 1, y: { z: 2 } } },
  ])
  expect(records({ result_key: 'p', reserve_data: 'on' }, [given])).toEqual([{ k: 'v', p: 0 }])
  const prefix = 'a'.repeat(31)
  expect(records({ result_prefix: prefix, reserve_data: 'on' }, [given])).toEqual([
    { [`${prefix}x`]: 1, [`${prefix}y`]: { z: 2 }, k: 'v', p: 0 },
  ])
  const many = Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`k${i}`, i]))
  expect(records({ result_key: 'p', result_prefix: '_' }, [{ log: JSON.stringify(many) }])).toEqual([
    { p: Object.fromEntries(Object.entries(many).map(([key, value]) => [`_${key}`, value])) },
  ])
})

test('with Unmatched drop records without a parsed text are discarded and counted', () => {
  const run = new ParserRun({ unmatched: 'drop' })
  const given = [{ log: 'no' }, { log: '{"x":1}' }, { a: 1 }, { log: '{"x":2}' }, { log: 'end' }]
  const { entries } = run.through(chunkOf(given, 'app', run.buffers))
  expect(entries.map((one) => (decode(one) as unknown[])[1])).toEqual([{ x: 1 }, { x: 2 }])
  expect(run.counted).toEqual({ parse_failed: 2, 'unmatched drop': 3 })
  expect(run.through(chunkOf([{ a: 1 }], 'app', run.buffers)).entries).toEqual([])
})

test('with Unmatched error_label they go to @ERROR, and the chunk waits for them', () => {
  const given = [{ log: 'no' }, { log: '{"x":1}' }, { a: 1 }]
  const run = new ParserRun({ unmatched: 'error_label' }, ['@ERROR'])
  const [first, , third] = entriesOf(chunkOf(given))
  const { entries, deferral } = run.through(chunkOf(given, 'app', run.buffers))
  expect(entries.map((one) => (decode(one) as unknown[])[1])).toEqual([{ x: 1 }])
  expect(run.emitted).toMatchObject([{ label: '@ERROR', entries: [first, third] }])
  expect(deferral.kept).toEqual([undefined])
  run.emitted[0]?.ack('delivered')
  expect(deferral.kept).toEqual(['delivered'])
  const both = new ParserRun({ unmatched: 'error_label', reserve_data: 'on' }, ['@ERROR'])
  expect(both.through(chunkOf(given, 'app', both.buffers)).entries).toHaveLength(3)
  expect(both.emitted).toMatchObject([{ entries: [first, third] }])
  const without = new ParserRun({ unmatched: 'error_label' })
  expect(without.through(chunkOf(given, 'app', without.buffers)).entries).toHaveLength(3)
})

test('a parser that throws leaves the chunk as it is, without a buffer of its own', () => {
  const run = new ParserRun({ unmatched: 'error_label' }, ['@ERROR'])
  const chunk = chunkOf([{ a: 1 }, { log: 'x' }], 'app', run.buffers)
  const { buf } = chunk
  const options = parseOptions(spec.options, {
    key_name: 'log',
    parser: 'p',
    unmatched: 'error_label',
  } as never)
  const parser = {
    bound: (n: number) => n,
    parse: () => {
      throw new Error('broken')
    },
  }
  const ctx = {
    buffers: run.buffers,
    parser: () => parser,
    labels: new Set(['@ERROR']),
    counters: { add() {} },
  }
  const filter = spec.create(options, ctx as never)
  expect(() => filter.apply(chunk, new LaterList(run.buffers))).toThrow('broken')
  expect(chunk.buf).toBe(buf)
  expect([...run.buffers.out]).toEqual([buf])
})

test('a Key_Name that is no accessor is refused', () => {
  const parse = (texts: object) => () => parseOptions(spec.options, texts as never)
  expect(parse({ key_name: '$m[', parser: 'json' })).toThrow('key_name')
})
