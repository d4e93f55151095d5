import { describe, expect, test } from 'bun:test'
import { encode } from '@msgpack/msgpack'
import { Chunk } from '../../../../../src/core/chunk.ts'
import { writeEntryHead } from '../../../../../src/core/msgpack/encode.ts'
import { parseOptions } from '../../../../../src/core/options/parse.ts'
import { CounterMap } from '../../../../../src/engine/counters.ts'
import { sharedRecordEncoder } from '../../../../../src/lib/wasm/record-encoder.ts'
import type { Topic } from '../../../../../src/plugins/outputs/kafka/client/cluster.ts'
import type { PartitionQueue } from '../../../../../src/plugins/outputs/kafka/delivery/partition-queue.ts'
import { Encoder } from '../../../../../src/plugins/outputs/kafka/encode/encoder.ts'
import { spec } from '../../../../../src/plugins/outputs/kafka/index.ts'
import { LooseBuffers } from '../../../../support/engine/chunk-of.ts'
import { outputContext } from '../../../../support/engine/output-context.ts'
import { fc } from '../../../../support/property.ts'

interface GivenEntry {
  sec: number
  nsec: number
  /** The map as MessagePack. */
  map: Uint8Array
}

const FORMATS: Record<string, Record<string, string>> = {
  raw: { format: 'raw' },
  'raw of a longer key, with a key': { format: 'raw', raw_log_key: 'message', message_key: '$TAG' },
  msgpack: { format: 'msgpack', timestamp_key: '' },
  'msgpack with its time': { format: 'msgpack', message_key: 'k' },
  'msgpack with its time as text': { format: 'msgpack', timestamp_format: 'iso8601' },
  json: { format: 'json' },
  'json without a time, with an empty key': { format: 'json', timestamp_key: '', message_key: '' },
  'json with milliseconds': { format: 'json', timestamp_format: 'iso8601', timestamp_key: 't"' },
  'json with nanoseconds': { format: 'json', timestamp_format: 'iso8601_ns' },
}

/** A small batch size, so that many batches begin in the middle of a chunk. */
const SMALL = { batch_max_bytes: '4000' }

function encoderOf(
  texts: Record<string, string>,
  counters = new CounterMap(),
): (chunk: Chunk) => { count: number; bytes: string }[] {
  const options = parseOptions(spec.options, { topics: 'logs', ...texts }) as never
  const encoder = new Encoder(options, outputContext({ buffers: new LooseBuffers(), counters }))
  const partition = { topic: 'logs', index: 0, leader: 1 } as PartitionQueue
  const topic: Topic = {
    name: 'logs',
    partitions: [partition],
    refreshedMs: 0,
    usedMs: 0,
    refreshing: undefined,
  }
  return (chunk) =>
    encoder
      .encode(chunk, new Map([['logs', topic]]), new Map())
      .map(({ buf, start, end, count }) => ({ count, bytes: buf.toString('latin1', start, end) }))
}

/** Returns a chunk that claims `count` records: with few, the encoder does not use the fast path. */
function chunkOf(given: GivenEntry[], count: number): Chunk {
  const size = given.reduce((n, { map }) => n + 11 + map.length, 0)
  const buf = Buffer.alloc(size + 100)
  let at = 20
  for (const { sec, nsec, map } of given) {
    at = writeEntryHead(buf, at, sec, nsec)
    buf.set(map, at)
    at += map.length
  }
  const init = { tag: 'app', input: 'test.0', id: 'id', inputBytes: size }
  return new Chunk({ ...init, buf, start: 20, end: at, count }, new LooseBuffers())
}

const WORDS = ['plain', 'q"', '\\', '\n\t\r\b\f', '\u0001\u001f', 'é€😀', '\u007f', '漢字', ' ']
const words = fc.array(fc.constantFrom(...WORDS), { maxLength: 40 }).map((list) => list.join(''))
const text = fc.oneof(words, fc.string({ unit: 'binary', maxLength: 50 }), fc.uint8Array({ maxLength: 60 }))
const number = fc.oneof(
  fc.integer(),
  fc.maxSafeInteger(),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n - 1n }),
  fc.double(),
  fc.integer({ min: -99_999, max: 99_999 }).map((n) => n / 1000),
)
const { value } = fc.letrec((tie) => ({
  value: fc.oneof(
    { withCrossShrink: true, depthSize: 'small' },
    text,
    number,
    fc.constantFrom(null, true, false, -0, 1e21, 1e-7, 0.1 + 0.2),
    fc.array(tie('value'), { maxLength: 20 }),
    fc.dictionary(fc.constantFrom('a', 'log', 'ключ', '"'), tie('value')),
  ),
}))
const record = fc.dictionary(
  fc.constantFrom('log', 'message', 'n', 'x"y', 't"', '@timestamp', 'долго'.repeat(9)),
  value,
)
/** Maps with a duplicate key, and with keys that are not text. */
const unusualMap = fc.constantFrom(
  '82a36c6f67a161a36c6f67a162',
  // {log: {a: 1, log: {}, a: 2}}, {"": 1, "": 2}, {@timestamp with a long head: 1}
  '81a36c6f6783a16101a36c6f6780a16102',
  '82a001a002',
  '81d90a4074696d657374616d7001',
  '81012a',
  '81c0a161',
  '81a36c6f67c403616263',
  '80',
)
const map = fc.oneof(
  { weight: 9, arbitrary: record.map((each) => encode(each, { useBigInt64: true })) },
  { weight: 1, arbitrary: unusualMap.map((hex) => Buffer.from(hex, 'hex')) },
)
const times = {
  sec: fc.oneof(fc.integer({ min: 1_700_000_000, max: 1_700_000_002 }), fc.nat({ max: 2 ** 32 - 1 })),
  nsec: fc.oneof(fc.nat({ max: 999_999_999 }), fc.constantFrom(0, 2 ** 32 - 1)),
}
const given = fc.array(fc.record({ ...times, map }), { minLength: 1, maxLength: 12 })

for (const [name, texts] of Object.entries(FORMATS)) {
  test(`${name}: the fast path writes the same bytes as the encoder without it`, () => {
    const encoded = encoderOf({ ...texts, ...SMALL })
    fc.assert(
      fc.property(given, (each) => {
        expect(encoded(chunkOf(each, 1000))).toEqual(encoded(chunkOf(each, 1)))
      }),
      { numRuns: 60 },
    )
  }, 180_000)
}

describe('the fast path', () => {
  const line = (n: number) => ({ log: `line ${n} `.repeat(n % 40), ok: true, n: n * 1000, took: n / 100 })
  const entry = (n: number, body: unknown): GivenEntry => ({
    sec: 1000 + n,
    nsec: n * 1e6,
    map: encode(body),
  })

  for (const [name, texts] of Object.entries(FORMATS)) {
    if (name.startsWith('raw of')) continue
    test(`${name}: writes common records itself, over many blocks`, () => {
      const wasm = sharedRecordEncoder()
      const run = wasm.run
      let written = 0
      wasm.run = (...args) => {
        const size = run.apply(wasm, args)
        written += wasm.records
        return size
      }
      try {
        const all = Array.from({ length: 3000 }, (_, n) => entry(n, line(n)))
        const batches = encoderOf(texts)(chunkOf(all, all.length))
        expect(batches).toEqual(encoderOf(texts)(chunkOf(all, 1)))
        // The fast path skips the first record of a batch, and one for which the buffer has to grow.
        expect(written).toBeGreaterThan(all.length - 5)
      } finally {
        wasm.run = run
      }
    })
  }

  test('leaves records that are too large to the encoder, and continues after them', () => {
    const large = { log: 'x'.repeat(100_000) }
    const all = Array.from({ length: 200 }, (_, n) => entry(n, n % 50 === 7 ? large : line(n)))
    for (const format of ['raw', 'json', 'msgpack'])
      expect(encoderOf({ format })(chunkOf(all, 200))).toEqual(encoderOf({ format })(chunkOf(all, 1)))
  })
})

test('each record is counted by the way that it takes, those of the slower one with the reason', () => {
  const given = Array.from({ length: 200 }, (_, n) => ({
    sec: n,
    nsec: 0,
    map: encode({ log: n % 50 === 7 ? 'x'.repeat(50_000) : 'x' }),
  }))
  const counted = (texts: Record<string, string>, count: number) => {
    const counters = new CounterMap(spec.counters)
    encoderOf(texts, counters)(chunkOf(given, count))
    const reasons = ['small', 'options', 'form'].map((reason) => counters.get('fallback_records', reason))
    return [counters.get('fast_path_records'), ...reasons]
  }
  expect(counted({ format: 'raw' }, 200)).toEqual([196, 0, 0, 4])
  expect(counted({ format: 'raw' }, 31)).toEqual([0, 200, 0, 0])
  expect(counted({ format: 'raw', message_key_field: 'log' }, 200)).toEqual([0, 0, 200, 0])
})

test('records that each name a topic of their own take buffers of a few times their size', () => {
  const options = parseOptions(spec.options, { topics: 'logs', topic_key: 't', dynamic_topic: 'on' }) as never
  const buffers = new LooseBuffers()
  const encoder = new Encoder(options, outputContext({ buffers }))
  const names = Array.from({ length: 2000 }, (_, i) => `topic-${i}`)
  const topics = new Map<string, Topic>()
  for (const name of names) {
    const partitions = [{ topic: name, index: 0, leader: 1 } as PartitionQueue]
    topics.set(name, { name, partitions, refreshedMs: 0, usedMs: 0, refreshing: undefined })
  }
  const given = names.map((t) => ({ sec: 1, nsec: 0, map: encode({ t, log: 'x'.repeat(200) }) }))
  const chunk = chunkOf(given, given.length)
  expect(encoder.topicsOf(chunk)).toEqual(names)
  expect(encoder.encode(chunk, topics, new Map())).toHaveLength(2000)
  const bytes = [...buffers.out].reduce((sum, buf) => sum + buf.length, 0)
  expect(bytes).toBeLessThan(6 * chunk.size)
})

test('a batch that was begun for a record too large for it is given back', () => {
  const options = parseOptions(spec.options, {
    topics: 'logs',
    format: 'raw',
    batch_max_bytes: '4000',
  }) as never
  const buffers = new LooseBuffers()
  const encoder = new Encoder(options, outputContext({ buffers }))
  const partition = { topic: 'logs', index: 0, leader: 1 } as PartitionQueue
  const topic: Topic = {
    name: 'logs',
    partitions: [partition],
    refreshedMs: 0,
    usedMs: 0,
    refreshing: undefined,
  }
  const given = ['x'.repeat(20_000), 'short', 'y'.repeat(5000), 'short'].map((log) => ({
    sec: 1,
    nsec: 0,
    map: encode({ log }),
  }))
  const batches = encoder.encode(chunkOf(given, 100), new Map([['logs', topic]]), new Map())
  expect(batches.map(({ count }) => count)).toEqual([1, 1, 1, 1])
  expect(buffers.out.size).toBe(batches.length)
})
