import { expect, test } from 'bun:test'
import { decode } from '@msgpack/msgpack'
import { ShipperError } from '../../../../src/core/error.ts'
import { partitionOf } from '../../../../src/protocol/kafka/murmur2.ts'
import { chunkOf } from '../../../support/engine/chunk-of.ts'
import { type DecodedRecord, decodeBatch } from '../../../support/kafka/decode.ts'
import { type KafkaPeer, kafkaPeer } from '../../../support/kafka/peer.ts'
import { kafkaTo } from '../../../support/kafka/run.ts'
import { repeatedKeys } from '../../../support/repeated-keys.ts'

async function recordsIn(peer: KafkaPeer, topic = 'logs', partition = 0): Promise<DecodedRecord[]> {
  const batches = await Promise.all(peer.written(topic, partition).map((b) => decodeBatch(b.bytes)))
  return batches.flatMap((b) => b.records)
}

/** Sends these records, one second apart from 1,000.5 on, and returns what the peer has written. */
async function sent(records: object[], texts: Record<string, string>): Promise<DecodedRecord[]> {
  const peer = await kafkaPeer()
  const { output, account } = await kafkaTo(peer, texts)
  await output.flush(chunkOf(records, 'app.web'))
  expect(account.used).toBe(0)
  return recordsIn(peer)
}

const texts = (records: DecodedRecord[]) => records.map((r) => r.value.toString())

test('json is the record, with its time before the other fields', async () => {
  const records = [{ log: 'a"b', n: 1.5 }, {}]
  expect(texts(await sent(records, { format: 'json' }))).toEqual([
    '{"@timestamp":1000.500000000,"log":"a\\"b","n":1.5}',
    '{"@timestamp":1001.500000000}',
  ])
  for (const off of ['', 'off', 'False'])
    expect(texts(await sent(records, { format: 'json', timestamp_key: off }))).toEqual([
      '{"log":"a\\"b","n":1.5}',
      '{}',
    ])
})

test.each([
  ['iso8601', '1970-01-01T00:16:40.500Z'],
  ['iso8601_ns', '1970-01-01T00:16:40.500000000Z'],
])('the time of a record as %s', async (form, time) => {
  const options = { timestamp_format: form, timestamp_key: 'ts' }
  expect(texts(await sent([{ a: 1 }], { format: 'json', ...options }))).toEqual([`{"ts":"${time}","a":1}`])
  const [packed] = await sent([{ a: 1 }], { format: 'msgpack', ...options })
  expect(decode(packed?.value as Buffer)).toEqual({ ts: time, a: 1 })
})

test('msgpack is the map, with its time as float64 before the other fields, or unchanged', async () => {
  const large = Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`k${i}`, 'x'.repeat(400)]))
  const records = await sent([{ a: [1, { b: null }] }, large], { format: 'msgpack' })
  expect(records.map((r) => decode(r.value))).toEqual([
    { '@timestamp': 1000.5, a: [1, { b: null }] },
    { '@timestamp': 1001.5, ...large },
  ])
  for (const off of ['', 'off']) {
    const [plain] = await sent([{ a: 1 }], { format: 'msgpack', timestamp_key: off })
    expect(decode(plain?.value as Buffer)).toEqual({ a: 1 })
  }
})

test('raw is the bytes of one field; a record without it is sent as JSON', async () => {
  const bytes = Uint8Array.from([0xff, 0x00, 0x22])
  const records = await sent(
    [{ x: 1, log: 'ä'.repeat(300), log2: 'no' }, { log: bytes }, { log: { a: 1 } }, { other: 2 }],
    {},
  )
  expect(records.map((r) => r.value)).toEqual([
    Buffer.from('ä'.repeat(300)),
    Buffer.from(bytes),
    Buffer.from('{"a":1}'),
    Buffer.from('{"other":2}'),
  ])
  const nested = await sent([{ k8s: { pod: 'p' } }], { raw_log_key: "$k8s['pod']" })
  expect(texts(nested)).toEqual(['p'])
})

test('gelf has its own fields, and all others prefixed with _', async () => {
  const records = [
    {
      log: 'short',
      host: 'h',
      level: 3,
      full_message: 'long',
      k8s: { pod: 'p', ok: true },
      id: 7,
      list: [1],
    },
    { level: 'unheard' },
  ]
  const values = texts(await sent(records, { format: 'gelf' })).map((v) => JSON.parse(v))
  expect(values).toEqual([
    {
      version: '1.1',
      host: 'h',
      short_message: 'short',
      timestamp: 1000.5,
      full_message: 'long',
      level: 3,
      _k8s_pod: 'p',
      _k8s_ok: 'true',
      _id_: 7,
      _list: '1',
    },
    { version: '1.1', host: 'host-1', short_message: '-', timestamp: 1001.5, _level: 'unheard' },
  ])
})

test('the timestamp of the Kafka record is the time of the record', async () => {
  expect((await sent([{ log: 'a' }, { log: 'b' }], {})).map((r) => r.timestamp)).toEqual([
    '1000500',
    '1001500',
  ])
})

test('a key is fixed, contains the tag, or comes from a field, with the fixed key for records without it', async () => {
  const keys = async (options: Record<string, string>) =>
    (await sent([{ u: 'x' }, { u: 42 }, {}], options)).map((r) => r.key?.toString())
  expect(await keys({})).toEqual([undefined, undefined, undefined])
  expect(await keys({ message_key: 'k' })).toEqual(['k', 'k', 'k'])
  expect(await keys({ message_key: 'from-$TAG' })).toEqual(['from-app.web', 'from-app.web', 'from-app.web'])
  expect(await keys({ message_key_field: 'u' })).toEqual(['x', '42', undefined])
  expect(await keys({ message_key_field: 'u', message_key: 'k' })).toEqual(['x', '42', 'k'])
})

test('records with a key go to the partition that Java clients choose, those without a key to each in turn', async () => {
  const peer = await kafkaPeer()
  peer.topics.set('logs', 3)
  const { output } = await kafkaTo(peer, { message_key_field: 'k' })
  const names = Array.from({ length: 40 }, (_, i) => `key-${i}`)
  await output.flush(chunkOf(names.map((k) => ({ k, log: k }))))
  for (let p = 0; p < 3; p++) {
    const expected = names.filter((k) => partitionOf(Buffer.from(k), 0, k.length, 3) === p)
    expect(texts(await recordsIn(peer, 'logs', p))).toEqual(expected)
  }
  expect(peer.connections).toBe(2)
  const before = [0, 1, 2].map((p) => peer.written('logs', p).length)
  for (let i = 0; i < 6; i++) await output.flush(chunkOf([{ log: 'a' }, { log: 'b' }]))
  expect([0, 1, 2].map((p) => peer.written('logs', p).length - (before[p] ?? 0))).toEqual([2, 2, 2])
})

test('topic_key selects one of the topics, or any topic with dynamic_topic', async () => {
  const peer = await kafkaPeer()
  for (const name of ['a', 'b', 'x_y']) peer.topics.set(name, 1)
  const records = [{ t: 'b', log: '1' }, { t: 'x/y', log: '2' }, { log: '3' }, { t: 'a', log: '4' }]
  const options = { topics: 'a,b', topic_key: 't' }
  await (await kafkaTo(peer, options)).output.flush(chunkOf(records))
  const found = async () =>
    Promise.all(['a', 'b', 'x_y'].map(async (name) => texts(await recordsIn(peer, name))))
  expect(await found()).toEqual([['2', '3', '4'], ['1'], []])
  await (await kafkaTo(peer, { ...options, dynamic_topic: 'on' })).output.flush(chunkOf(records))
  expect(await found()).toEqual([['2', '3', '4', '3', '4'], ['1', '1'], ['2']])
})

test('position headers contain agent, file and offset, as far as the record has them', async () => {
  const records = [
    { log: '1', file: '/var/log/a', file_id: '1-2-3', offset: 70_000 },
    { log: '2', file: '/var/log/a', offset: 0 },
    { log: '3' },
  ]
  const headers = (await sent(records, { position_headers: 'on' })).map((r) =>
    Object.entries(r.headers).map(([k, v]) => `${k}=${v}`),
  )
  expect(headers).toEqual([
    ['agent=agent-1', 'file=/var/log/a', 'file_id=1-2-3', 'offset=70000'],
    ['agent=agent-1', 'file=/var/log/a', 'offset=0'],
    ['agent=agent-1'],
  ])
  expect((await sent(records, {})).map((r) => r.headers)).toEqual([{}, {}, {}])
})

test('records without the fields for the headers are logged once', async () => {
  const peer = await kafkaPeer()
  const { output, log } = await kafkaTo(peer, { position_headers: 'on' })
  const complete = { file: 'a', file_id: 'b', offset: 5 }
  await output.flush(chunkOf([{ log: '1', ...complete }]))
  expect(log.filter((line) => line.startsWith('warn'))).toEqual([])
  for (let i = 0; i < 2; i++) await output.flush(chunkOf([{ log: '2' }, { log: '3', ...complete }]))
  expect(log.filter((line) => line.startsWith('warn'))).toEqual([
    'warn Position_Headers is on, but records lack the fields for the headers',
  ])
})

test.each([
  { batch_max_bytes: '2000' },
  { 'rdkafka.batch.size': '2000' },
  { batch_max_bytes: '2000', 'rdkafka.batch.size': '9000' },
])('a batch stays within the smaller size of %p; a larger record gets a batch of its own', async (sizes) => {
  const peer = await kafkaPeer()
  const { output } = await kafkaTo(peer, sizes)
  const lines = ['a'.repeat(900), 'b'.repeat(900), 'c'.repeat(900), 'd'.repeat(5000), 'e']
  await output.flush(chunkOf(lines.map((log) => ({ log }))))
  expect(peer.written().map((b) => b.count)).toEqual([2, 1, 1, 1])
  expect(texts(await recordsIn(peer))).toEqual(lines)
})

test('without idempotence there are no sequence numbers, and one batch per partition is in flight', async () => {
  const peer = await kafkaPeer()
  const { output } = await kafkaTo(peer, { acks: '1' })
  peer.response = 'defer'
  const flushes = [1, 2].map((n) => output.flush(chunkOf([{ log: `${n}` }])))
  while (peer.arrivals.length === 0) await new Promise((resolve) => setTimeout(resolve, 5))
  peer.response = 'send'
  expect(peer.arrivals).toHaveLength(1)
  peer.sendDeferred()
  await Promise.all(flushes)
  expect(peer.written().map((b) => [b.producerId, b.epoch, b.sequence, b.acks])).toEqual([
    [-1n, -1, -1, 1],
    [-1n, -1, -1, 1],
  ])
})

test('without acks a batch counts as delivered when it is written to the socket', async () => {
  const peer = await kafkaPeer()
  const { output } = await kafkaTo(peer, { acks: '0' })
  await output.flush(chunkOf([{ log: 'a' }]))
  while (peer.arrivals.length === 0) await new Promise((resolve) => setTimeout(resolve, 5))
  expect(peer.arrivals.map((b) => b.acks)).toEqual([0])
})

test.each([
  [{ brokers: 'host:x' }, '"host:x" in brokers is not host:port'],
  [{ brokers: 'host:70000' }, '"host:70000" in brokers is not host:port'],
  [{ idempotence: 'on', acks: '1' }, 'idempotence requires acks all, not 1'],
  [{ sasl_mechanism: 'PLAIN' }, 'SASL requires a username and a password'],
  [{ tls: 'on', 'tls.crt_file': '/x' }, 'tls.crt_file needs tls.key_file'],
  [{ message_key_field: '$a[' }, '"$a[" is not a record accessor: the bracket at character 3 is not closed'],
  [{ 'rdkafka.transactional.id': 'x' }, 'the librdkafka option "rdkafka.transactional.id" is not supported'],
])('invalid options are reported: %p', async (given, message) => {
  const peer = await kafkaPeer()
  const error = await kafkaTo(peer, given as never).then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  expect(error).toBeInstanceOf(ShipperError)
  expect(error).toMatchObject({ code: 'E_CONFIG_BAD_VALUE', message })
  expect((error as ShipperError).hint).not.toBe('')
})

test('a field with the key of the time replaces the time', async () => {
  const records = Array.from({ length: 50 }, (_, i) =>
    i % 2 === 0 ? { a: i, '@timestamp': 'mine' } : { a: { '@timestamp': 1 } },
  )
  const json = texts(await sent(records, { format: 'json' }))
  expect(json.slice(0, 2)).toEqual([
    '{"a":0,"@timestamp":"mine"}',
    '{"@timestamp":1001.500000000,"a":{"@timestamp":1}}',
  ])
  expect(json.filter((text) => text.startsWith('{"@timestamp":1'))).toHaveLength(25)
  const values = (await sent(records, { format: 'msgpack' })).map((r) => Buffer.from(r.value))
  expect(values.flatMap((value) => repeatedKeys(value, 0, value.length))).toEqual([])
  expect(decode(values[0] as Buffer)).toEqual({ a: 0, '@timestamp': 'mine' })
  expect(decode(values[1] as Buffer)).toEqual({ '@timestamp': 1001.5, a: { '@timestamp': 1 } })
})

test('gelf writes the last of several fields with the same resulting name', async () => {
  const records = [
    { a: { b: 1 }, a_b: 2, id: 3, _id: 4 },
    { a_b: 2, a: { b: 1 } },
  ]
  const [first, second] = texts(await sent(records, { format: 'gelf' }))
  expect(first).toContain(', "_a_b":2, "_id_":3, "__id":4, ')
  expect(second).toContain(', "_a_b":1, ')
  expect(second).not.toContain('"_a_b":2')
})
