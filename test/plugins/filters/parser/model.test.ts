import { expect, test } from 'bun:test'
import { encode } from '@msgpack/msgpack'
import { skip, writeMapHead, writeStrHead } from '../../../../src/core/msgpack/encode.ts'
import { mapBody } from '../../../../src/core/msgpack/record.ts'
import type { Parser } from '../../../../src/core/parser.ts'
import { fc } from '../../../support/property.ts'
import { ParserRun, parserOf, repeatsKeys } from './support.ts'

/** The bytes of the key as latin1, and the value as MessagePack. */
type Pair = readonly [key: string, value: Buffer]

const HEAD = Buffer.from('92d7006553f10000000001', 'hex')

/** Texts that some of the parsers can read, with few keys, so that they occur again in the record. */
const key = fc.constantFrom(
  '',
  'a',
  'b',
  'log',
  'verb',
  'path',
  'time',
  'a_key_that_is_longer_than_thirty_two_bytes',
)
const plain = fc.oneof(
  fc.string(),
  fc.integer(),
  fc.constant(null),
  fc.array(fc.integer(), { maxLength: 20 }),
)
const text = fc.oneof(
  fc.dictionary(key, plain).map((object) => JSON.stringify(object)),
  fc.constantFrom(
    'GET /a',
    'PUT /b',
    '{}',
    '',
    'neither',
    'a=1 b=2 a=3',
    '2020-02-03T04:05:06 hi',
    'a:1\tlog:2',
    '{"a":1}\n{"b":2}',
    'a=1\r',
    '{"a":1,"time":"x"}\r\n\n',
    '1960-02-03T04:05:06 long ago',
    '{"ts":"2020-02-03T04:05:06","a":1}',
    '{"ts":"no time","b":1}',
  ),
  fc.string({ unit: 'binary' }),
)
const value = fc
  .oneof(plain, text, fc.uint8Array({ maxLength: 300 }), fc.dictionary(key, text), fc.double())
  .map((one) => Buffer.from(encode(one)))
const record = fc.array(fc.tuple(fc.oneof(key, fc.string({ maxLength: 40 })), value), { maxLength: 40 })
const bool = fc.constantFrom('on', 'off')
const texts = fc.record({
  parser: fc.shuffledSubarray(['json', 'request', 'logfmt', 'ltsv', 'timed', 'timed_json'], { minLength: 1 }),
  key_name: fc.constantFrom('log', 'a', "$log['a']", '$b'),
  reserve_data: bool,
  preserve_key: bool,
  collision: fc.constantFrom('reserved', 'parsed'),
  shape: fc.constantFrom(
    {},
    {},
    { result_key: 'b' },
    { result_prefix: 'lo' },
    { result_prefix: 'x'.repeat(40), result_key: 'r' },
  ),
})

/** Returns the last of the pairs with the same key, each in the place of that one. */
function unique(pairs: readonly Pair[]): Pair[] {
  return pairs.filter(([name], i) => pairs.findLastIndex(([other]) => other === name) === i)
}

function encodeKey(name: string): Buffer {
  const head = Buffer.alloc(5)
  return Buffer.concat([head.subarray(0, writeStrHead(head, 0, name.length)), Buffer.from(name, 'latin1')])
}

function encodeMap(pairs: readonly Pair[]): Buffer {
  const head = Buffer.alloc(5)
  const size = writeMapHead(head, 0, pairs.length)
  return Buffer.concat([
    head.subarray(0, size),
    ...pairs.flatMap(([name, bytes]) => [encodeKey(name), bytes]),
  ])
}

function pairsOf(map: Buffer): Pair[] {
  const pairs: Pair[] = []
  for (let at = mapBody(map, 0); at < map.length; ) {
    const from = skip(map, at, map.length)
    const end = skip(map, from, map.length)
    const head = map[at] === 0xd9 ? 2 : 1
    pairs.push([map.toString('latin1', at + head, from), map.subarray(from, end)])
    at = end
  }
  return pairs
}

/** Returns the text of a str or bin. */
function textOf(bytes: Buffer | undefined): Buffer | undefined {
  const type = bytes?.[0] ?? 0xc0
  const head = type >= 0xa0 && type < 0xc0 ? 1 : { 217: 2, 218: 3, 219: 5, 196: 2, 197: 3, 198: 5 }[type]
  return head === undefined ? undefined : bytes?.subarray(head)
}

/** Returns what a parser alone makes of a text. */
function parsed(parser: Parser, line: Buffer): { pairs: Pair[]; time: string | undefined } | undefined {
  const out = { buf: Buffer.alloc(parser.bound(line.length)), at: 0, sec: -1, nsec: 0, extraPairs: 0 }
  if (!parser.parse(line, 0, line.length, out)) return undefined
  const time = Buffer.alloc(8)
  if (out.sec >= 0) time.writeUInt32BE(out.sec)
  time.writeUInt32BE(out.nsec, 4)
  return { pairs: pairsOf(out.buf.subarray(0, out.at)), time: out.sec < 0 ? undefined : time.toString('hex') }
}

function expected(pairs: readonly Pair[], options: Record<string, unknown>): Buffer {
  const {
    key_name: name,
    reserve_data: reserve,
    preserve_key: preserve,
    collision,
    shape,
  } = options as {
    [name: string]: string
  }
  const { result_key: into, result_prefix: prefix = '' } = shape as unknown as Record<string, string>
  const found = pairs.findLast(
    ([other]) => other === (name?.startsWith('$') ? name.slice(1).split('[')[0] : name),
  )
  const nested =
    name?.includes('[') && (found?.[1][0] ?? 0) >> 4 === 8 ? pairsOf(found?.[1] as Buffer) : undefined
  const held = name?.includes('[') ? nested?.findLast(([other]) => other === 'a')?.[1] : found?.[1]
  const line = textOf(held)
  const results = (options.parser as string[]).map((one) => line && parsed(parserOf(one), line))
  const result = results.find((one) => one !== undefined)
  const whole = Buffer.concat([HEAD, encodeMap(pairs)])
  if (result === undefined) return whole
  const isField = !name?.startsWith('$')
  let kept: Pair[] = reserve === 'on' ? [...pairs] : []
  if (isField && reserve === 'on' && preserve === 'off') kept = kept.filter(([other]) => other !== name)
  if (isField && reserve === 'off' && preserve === 'on') kept = found === undefined ? [] : [found]
  let read: Pair[] = result.pairs.map(([other, bytes]) => [prefix + other, bytes])
  if (into !== undefined) read = [[into, encodeMap(read)]]
  const all = unique(collision === 'parsed' ? [...kept, ...read] : [...read, ...kept])
  const head = result.time === undefined ? HEAD : Buffer.from(`92d700${result.time}`, 'hex')
  return Buffer.concat([head, encodeMap(all)])
}

const CASES: readonly [string, boolean, ReturnType<typeof fc.array<Pair[]>>][] = [
  ['one by one', false, fc.array(record, { maxLength: 6 })],
  ['in blocks', true, fc.array(record, { minLength: 8, maxLength: 12 })],
]

test.each(CASES)(
  'property: %s, a record is the map of the parser and the fields that are kept, each key once',
  (_name, isWarm, records) => {
    fc.assert(
      fc.property(records, texts, (given, { shape, ...options }) => {
        const run = new ParserRun(
          { ...options, ...shape } as Record<string, string | string[]>,
          undefined,
          isWarm,
        )
        const entries = given.map((pairs) => Buffer.concat([HEAD, encodeMap(pairs)]))
        const out = run.entries(entries)
        expect(out.map((one) => one.toString('hex'))).toEqual(
          given.map((pairs) => expected(pairs, { ...options, shape }).toString('hex')),
        )
        out.forEach((one, i) => {
          if (!one.equals(entries[i] as Buffer)) expect(repeatsKeys(one)).toBe(false)
        })
      }),
      { numRuns: 400 },
    )
  },
)
