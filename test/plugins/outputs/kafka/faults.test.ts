import { describe, expect, test } from 'bun:test'
import { gunzipSync } from 'node:zlib'
import type { Chunk } from '../../../../src/core/chunk.ts'
import { ShipperError } from '../../../../src/core/error.ts'
import { skip, writeEventTime } from '../../../../src/core/msgpack/encode.ts'
import type { Output } from '../../../../src/core/plugin.ts'
import { systemClock } from '../../../../src/engine/clock.ts'
import { BATCH_HEADER_BYTES } from '../../../../src/protocol/kafka/batch.ts'
import { rejection } from '../../../contract/output.ts'
import { chunkOf } from '../../../support/engine/chunk-of.ts'
import { turn } from '../../../support/engine/chunks.ts'
import { ManualClock } from '../../../support/engine/manual-clock.ts'
import { type KafkaPeer, kafkaPeer } from '../../../support/kafka/peer.ts'
import { kafkaTo, linesChunk, valuesOf } from '../../../support/kafka/run.ts'
import { fc } from '../../../support/property.ts'
import { until, within } from '../../../support/until.ts'

const TOO_LARGE = 10
/**
 * Error codes of the faults. `cut`: written, but the response is lost. The others are not written: too few replicas,
 * another leader, timed out, too large.
 */
const CODES = { send: 0, cut: 0, refuse: 19, leader: 6, late: 7, large: TOO_LARGE }
const FAULTS = ['send', 'cut', 'refuse', 'leader', 'late', 'large'] as const

/** Flushes chunks as the engine does: in order, and those that failed again when all are settled, until all are delivered. */
async function deliver(output: Output, chunks: Chunk[]): Promise<ShipperError[]> {
  const errors: ShipperError[] = []
  let left = chunks
  for (let round = 0; left.length > 0; round++) {
    if (round > 200) throw new Error(`not delivered: ${errors.at(-1)?.message}`)
    const failed = await Promise.all(
      left.map((chunk) =>
        output.flush(chunk).then(
          () => undefined,
          (error: ShipperError) => {
            errors.push(error)
            return chunk
          },
        ),
      ),
    )
    left = failed.filter((chunk) => chunk !== undefined)
    await turn()
  }
  return errors
}

function numbered(chunks: number, lines: number): Chunk[] {
  return Array.from({ length: chunks }, (_, c) =>
    linesChunk(Array.from({ length: lines }, (_, l) => `${c * lines + l}`)),
  )
}

function counted(n: number): string[] {
  return Array.from({ length: n }, (_, i) => String(i))
}

/** Expects the same bytes for a sequence number each time it arrives, unless the batch was split. */
function expectOneBatchPerNumber(peer: KafkaPeer): void {
  const seen = new Map<string, Buffer>()
  for (const { topic, partition, producerId, sequence, count, bytes } of peer.arrivals) {
    const key = `${topic}/${partition}/${producerId}/${sequence}/${count}`
    const before = seen.get(key)
    if (before !== undefined) expect(bytes.equals(before)).toBe(true)
    seen.set(key, bytes)
  }
}

test('whatever happens to requests and responses, every record is written once and in order', async () => {
  const faults = fc.array(fc.constantFrom(...FAULTS), { maxLength: 25 })
  await fc.assert(
    fc.asyncProperty(faults, fc.integer({ min: 1, max: 5 }), async (plan, window) => {
      const peer = await kafkaPeer()
      const { output, account } = await kafkaTo(peer, { max_in_flight: `${window}` })
      let at = 0
      let after: 'send' | 'cut' = 'send'
      peer.refuse = (batch) => {
        const fault = plan[at++] ?? 'send'
        after = fault === 'cut' ? 'cut' : 'send'
        // A batch that was written once is not too large.
        const taken = peer.written().some(({ bytes }) => bytes.equals(batch.bytes))
        return fault === 'large' && (taken || batch.count === 1) ? 0 : CODES[fault]
      }
      peer.response = () => after
      await within(deliver(output, numbered(12, 3)), 120_000, 'delivery')
      expect(await valuesOf(peer.written())).toEqual(counted(36))
      expectOneBatchPerNumber(peer)
      expect(account.used).toBe(0)
      await output.close()
      await peer.close()
    }),
    { numRuns: 100 },
  )
}, 180_000)

test('a batch whose response times out is sent again with its sequence number, before all others', async () => {
  const peer = await kafkaPeer()
  const { output, counters } = await kafkaTo(peer, { request_timeout: '200ms' })
  await deliver(output, numbered(1, 1))
  peer.response = 'defer'
  const chunks = numbered(3, 2)
  const errors = await Promise.all(chunks.map((chunk) => rejection(output.flush(chunk))))
  expect(errors.map((e) => [e.code, e.retryable, e.scope])).toEqual(
    chunks.map(() => ['E_PEER_TIMEOUT', true, 'peer']),
  )
  await peer.close()
  await peer.listen()
  peer.response = 'send'
  // Only the second chunk is flushed again, but the first must still be sent before it.
  await deliver(output, [chunks[1] as Chunk])
  await deliver(output, [chunks[0], chunks[2], ...numbered(1, 1)] as Chunk[])
  expect(await valuesOf(peer.written())).toEqual(['0', '0', '1', '2', '3', '4', '5', '0'])
  expectOneBatchPerNumber(peer)
  expect(counters.get('request_timeouts')).toBe(1)
  expect(counters.get('resent_batches')).toBe(3)
})

test('only one batch is in flight until the broker knows the producer id', async () => {
  const peer = await kafkaPeer()
  const { output, counters } = await kafkaTo(peer)
  peer.response = 'defer'
  const chunks = numbered(4, 1)
  const delivered = deliver(output, chunks)
  await until(() => peer.arrivals.length > 0)
  for (let i = 0; i < 10; i++) await turn()
  expect(peer.arrivals).toHaveLength(1)
  peer.sendDeferred()
  await until(() => peer.arrivals.length === 4)
  peer.response = 'send'
  peer.sendDeferred()
  expect(await delivered).toEqual([])
  expect(counters.get('identity_resets')).toBe(0)
})

test('a broker that has forgotten the producer id gets the batch with a new one', async () => {
  const peer = await kafkaPeer()
  const { output, counters } = await kafkaTo(peer)
  await deliver(output, numbered(1, 2))
  const [first] = peer.written()
  peer.refuse = ({ producerId }) => (producerId === first?.producerId ? 59 : 0)
  expect(await deliver(output, numbered(2, 2))).toEqual([])
  expect(await valuesOf(peer.written())).toEqual(['0', '1', '0', '1', '2', '3'])
  expect(peer.written().map((b) => b.sequence)).toEqual([0, 0, 2])
  expect(counters.get('identity_resets')).toBe(1)
})

for (const compression of ['none', 'gzip', 'snappy', 'lz4', 'zstd']) {
  test(`a batch that is too large is split until it fits, and each record keeps its sequence number (${compression})`, async () => {
    const peer = await kafkaPeer()
    const { output, counters } = await kafkaTo(peer, { compression })
    peer.refuse = ({ count }) => (count > 3 ? TOO_LARGE : 0)
    await deliver(output, numbered(2, 10))
    const written = peer.written()
    expect(written.map((b) => b.sequence)).toEqual([0, 2, 5, 7, 10, 12, 15, 17])
    if (compression === 'none' || compression === 'gzip') expect(await valuesOf(written)).toEqual(counted(20))
    expect(new Set(written.map((b) => b.producerId)).size).toBe(1)
    expect(counters.get('split_batches')).toBe(6)
  })
}

test('a single record that is too large is rejected, and later records are delivered', async () => {
  const peer = await kafkaPeer()
  const { output, rejected, account } = await kafkaTo(peer)
  peer.refuse = ({ bytes }) => (bytes.length > 400 ? TOO_LARGE : 0)
  const large = linesChunk(['a', 'x'.repeat(500), 'b'], 'app.web')
  await deliver(output, [...numbered(1, 2), large, ...numbered(1, 2)])
  expect(await valuesOf(peer.written())).toEqual(['0', '1', 'a', 'b', '0', '1'])
  expect(rejected).toEqual([{ reason: 'logs/0: MESSAGE_TOO_LARGE', cause: 'peer', log: 'x'.repeat(500) }])
  expect(account.used).toBe(0)
})

test('the entry of a refused record is found in batches of one target, of many, and after splits', async () => {
  const isBad = (text: string): boolean => text.includes('bad')
  for (const options of [
    {},
    { message_key_field: 'log' },
    { compression: 'gzip', batch_max_bytes: '1024' },
  ]) {
    const peer = await kafkaPeer()
    peer.topics.set('logs', 5)
    const { output, rejected } = await kafkaTo(peer, { format: 'json', ...options })
    const recordsOf = (batch: Buffer): Buffer => {
      const records = batch.subarray(BATCH_HEADER_BYTES)
      return 'compression' in options ? gunzipSync(records) : records
    }
    peer.refuse = ({ bytes }) => (isBad(recordsOf(bytes).toString()) ? TOO_LARGE : 0)
    const lines = Array.from({ length: 300 }, (_, i) => `${i % 7 === 3 ? 'bad' : 'good'} ${i}`)
    await deliver(output, [linesChunk(lines.slice(0, 100)), linesChunk(lines.slice(100))])
    const bad = lines.filter(isBad)
    expect(rejected.map(({ log }) => log as string).sort()).toEqual([...bad].sort())
    const written = [0, 1, 2, 3, 4].flatMap((partition) => peer.written('logs', partition))
    expect((await valuesOf(written)).filter((value) => !isBad(value))).toHaveLength(300 - bad.length)
  }
})

test('a record is not given up while it cannot be kept', async () => {
  const peer = await kafkaPeer()
  const run = await kafkaTo(peer)
  const { output, rejected } = run
  run.full = new ShipperError('E_DEAD_LETTERS', 'full', { retryable: true })
  peer.refuse = () => TOO_LARGE
  const chunk = linesChunk(['x'])
  expect(await rejection(output.flush(chunk))).toBe(run.full)
  peer.refuse = () => 0
  await output.flush(chunk)
  expect(await valuesOf(peer.written())).toEqual(['x'])
  expect(rejected).toEqual([])
})

describe('a topic that a record has chosen and that is refused', () => {
  const options = { topic_key: 'log', dynamic_topic: 'on', topics: 'logs', allow_auto_create_topics: 'off' }

  test.each([
    ['does not exist', 3],
    ['has an invalid name', 17],
    ['may not be written', 29],
  ])('because it %s: its records are rejected once overdue, the others arrive', async (_, code) => {
    const peer = await kafkaPeer()
    for (const topic of ['a', 'b', ...(code === 3 ? [] : ['bad1', 'bad2'])]) peer.topics.set(topic, 1)
    peer.topicError = (topic) => (topic.startsWith('bad') ? code : 0)
    const run = await kafkaTo(peer, options)
    const chunk = linesChunk(['a', 'bad1', 'b', 'bad2', 'a'])
    const error = await rejection(run.output.flush(chunk))
    expect(error).toMatchObject({ code: 'E_KAFKA_TOPIC', retryable: true, scope: 'records' })
    expect(run.rejected).toEqual([])
    await turn()
    run.overdue = true
    await run.output.flush(chunk)
    expect(run.rejected.map(({ log, cause }) => [log, cause])).toEqual([
      ['bad1', 'records'],
      ['bad2', 'records'],
    ])
    expect(await valuesOf(peer.written('a'))).toEqual(['a', 'a'])
    expect(await valuesOf(peer.written('b'))).toEqual(['b'])
  })

  test('by the broker only when its batch arrives, as __consumer_offsets is', async () => {
    const peer = await kafkaPeer()
    peer.topics.set('__consumer_offsets', 1)
    peer.topics.set('a', 1)
    peer.refuse = ({ topic }) => (topic === '__consumer_offsets' ? 17 : 0)
    const run = await kafkaTo(peer, options)
    const chunk = linesChunk(['a', '__consumer_offsets', 'a'])
    expect(await rejection(run.output.flush(chunk))).toMatchObject({ scope: 'records' })
    await turn()
    run.overdue = true
    await run.output.flush(chunk)
    expect(run.rejected.map(({ log }) => log)).toEqual(['__consumer_offsets'])
    expect(await valuesOf(peer.written('a'))).toEqual(['a', 'a'])
    await run.output.flush(linesChunk(['a']))
    expect(await valuesOf(peer.written('a'))).toHaveLength(3)
  })

  test('is used again when it exists, and leaves nothing behind', async () => {
    const peer = await kafkaPeer()
    const run = await kafkaTo(peer, options)
    run.overdue = true
    const names = Array.from({ length: 250 }, (_, i) => `none${i}`)
    await run.output.flush(linesChunk(names))
    expect(run.rejected.map(({ log }) => log)).toEqual(names)
    peer.topics.set('none7', 1)
    await run.output.flush(linesChunk(['none7']))
    expect(await valuesOf(peer.written('none7'))).toEqual(['none7'])
    expect(run.account.used).toBe(0)
  })

  test('a topic that the configuration names is tried forever', async () => {
    const peer = await kafkaPeer()
    peer.topicError = () => 29
    const run = await kafkaTo(peer, options)
    run.overdue = true
    const chunk = chunkOf([{ message: 'x' }])
    expect(await rejection(run.output.flush(chunk))).toMatchObject({ scope: 'chunk' })
    expect(run.rejected).toEqual([])
  })
})

test('a missing topic is named in the error, blocks only its own records, and is used once created', async () => {
  const peer = await kafkaPeer()
  const { output } = await kafkaTo(peer, { topics: '$TAG', allow_auto_create_topics: 'off' })
  peer.topics.set('good', 1)
  const [bad, good] = [linesChunk(['1'], 'bad/tag'), linesChunk(['2'], 'good')]
  const failed = rejection(output.flush(bad))
  await output.flush(good)
  expect(await failed).toMatchObject({ code: 'E_KAFKA_TOPIC', retryable: true, scope: 'records' })
  expect((await failed).message).toBe('topic "bad_tag": UNKNOWN_TOPIC_OR_PARTITION')
  peer.topics.set('bad_tag', 1)
  await output.flush(bad)
  expect(await valuesOf(peer.written('bad_tag'))).toEqual(['1'])
})

test.each([
  ['the metadata', 'topic "logs": TOPIC_AUTHORIZATION_FAILED'],
  ['the batch', 'logs/0: TOPIC_AUTHORIZATION_FAILED'],
])(
  'a topic without write permission, according to %s, is named in the error and retried',
  async (where, message) => {
    const peer = await kafkaPeer()
    const { output } = await kafkaTo(peer)
    if (where === 'the metadata') peer.topicError = () => 29
    else peer.refuse = () => 29
    const chunk = linesChunk(['1'])
    const error = await rejection(output.flush(chunk))
    expect(error).toMatchObject({ code: 'E_KAFKA_TOPIC', retryable: true, scope: 'chunk', message })
    peer.topicError = peer.refuse = () => 0
    await deliver(output, [chunk])
    expect(await valuesOf(peer.written())).toEqual(['1'])
  },
)

test('a dropped chunk is not sent, unless it may already be written', async () => {
  const peer = await kafkaPeer()
  const { output, account } = await kafkaTo(peer, { max_in_flight: '1' })
  peer.response = 'cut'
  const chunks = numbered(2, 1)
  await Promise.all(chunks.map((chunk) => rejection(output.flush(chunk))))
  for (const chunk of chunks) output.forget?.(chunk)
  peer.response = 'send'
  await output.flush(linesChunk(['next']))
  expect(await valuesOf(peer.written())).toEqual(['0', 'next'])
  expect(account.used).toBe(0)
})

test('a broker that is too old is reported with the missing version', async () => {
  const peer = await kafkaPeer()
  const { output } = await kafkaTo(peer)
  peer.versions = [
    [0, 0, 3],
    [3, 0, 5],
    [22, 0, 1],
  ]
  expect(await rejection(output.flush(linesChunk(['1'])))).toMatchObject({
    code: 'E_PEER_PROTOCOL',
    message: `127.0.0.1:${peer.port}: needs Produce version 7, broker supports versions 0 to 3`,
  })
})

test('a wrong password is reported, and not retried at once', async () => {
  const peer = await kafkaPeer()
  peer.mechanisms = ['PLAIN']
  peer.authenticate = () => ({ error: 58, token: '' })
  const { output } = await kafkaTo(peer, {
    sasl_mechanism: 'plain',
    sasl_username: 'u',
    sasl_password: 'secret',
  })
  const chunk = linesChunk(['1'])
  for (let i = 0; i < 3; i++) {
    await turn()
    const error = await rejection(output.flush(chunk))
    expect(error).toMatchObject({ code: 'E_PEER_AUTH', retryable: true, scope: 'peer' })
    expect(error.message).not.toContain('secret')
  }
  expect(peer.connections).toBe(1)
})

test('a stop during delivery leaves no connection and no buffer in use', async () => {
  const peer = await kafkaPeer()
  const stop = new AbortController()
  const { output, account } = await kafkaTo(peer, {}, undefined, systemClock, stop.signal)
  peer.response = 'defer'
  const flushes = numbered(4, 5).map((chunk) => rejection(output.flush(chunk)))
  await until(() => peer.arrivals.length > 0)
  stop.abort()
  await within(Promise.all(flushes), 5000, 'the flushes to reject')
  await until(() => peer.sockets.size === 0)
  expect(account.used).toBe(0)
})

describe('a broker that refuses the time of records', () => {
  const INVALID_TIMESTAMP = 32
  const BASE_TIME_AT = 27
  const MAX_TIME_AT = 35
  const timesOf = (bytes: Buffer) =>
    [BASE_TIME_AT, MAX_TIME_AT].map((at) => Number(bytes.readBigInt64BE(at))) as [number, number]
  /** Refuses batches with a record outside of an hour around `nowMs`. */
  const hourAround =
    (nowMs: number) =>
    ({ bytes }: { bytes: Buffer }): number => {
      const [base, max] = timesOf(bytes)
      return Math.abs(base - nowMs) > 3_600_000 || Math.abs(max - nowMs) > 3_600_000 ? INVALID_TIMESTAMP : 0
    }
  const timedChunk = (records: object[], secondsOf: (i: number) => number): Chunk => {
    const chunk = chunkOf(records)
    let at = chunk.start
    for (let i = 0; i < records.length; i++) {
      writeEventTime(chunk.buf, at + 3, secondsOf(i), 0)
      at = skip(chunk.buf, at, chunk.end)
    }
    return chunk
  }
  const hours = (n: number): number => n * 3_600_000

  test.each(['none', 'gzip'])(
    'gets them with its own time and their order, and no record is given up (%s)',
    async (compression) => {
      const peer = await kafkaPeer()
      const nowMs = 1_795_896_080_000
      const { output, counters, rejected, log } = await kafkaTo(
        peer,
        { compression, format: 'json' },
        undefined,
        new ManualClock(nowMs),
      )
      peer.refuse = hourAround(nowMs)
      const ahead = timedChunk([{ n: 0 }, { n: 1 }, { n: 2 }], (i) => (nowMs + hours(9)) / 1000 + i)
      const behind = timedChunk([{ n: 3 }], () => (nowMs - hours(50)) / 1000)
      await deliver(output, [ahead, behind])
      const written = peer.written()
      expect(written.flatMap(({ bytes }) => timesOf(bytes))).toEqual([nowMs - 2000, nowMs, nowMs, nowMs])
      const values = (await valuesOf(written)).map((text) => JSON.parse(text))
      expect(values.map(({ n }) => n)).toEqual([0, 1, 2, 3])
      expect(Math.floor(values[0]['@timestamp'])).toBe((nowMs + hours(9)) / 1000)
      expect([counters.get('retimed_records'), rejected]).toEqual([4, []])
      expect(log.join()).toContain('refuses the times of records for "logs"')
    },
  )

  test.each(['none', 'gzip'])('gets records that lie too far apart one by one (%s)', async (compression) => {
    const peer = await kafkaPeer()
    const nowMs = 1_795_896_080_000
    const { output, rejected } = await kafkaTo(peer, { compression }, undefined, new ManualClock(nowMs))
    // What a broker refuses is seen of the header only: each record of a part has to be at the time of the header.
    peer.refuse = (batch) => (batch.count === 1 ? hourAround(nowMs)(batch) : INVALID_TIMESTAMP)
    const apart = timedChunk([{ log: 'a' }, { log: 'b' }, { log: 'c' }], (i) => nowMs / 1000 - i * 86_400)
    await deliver(output, [apart])
    const written = peer.written()
    expect(written.map(({ count }) => count)).toEqual([1, 1, 1])
    expect(written.map(({ bytes }) => timesOf(bytes)[1])).toEqual([nowMs, nowMs, nowMs])
    expect(rejected).toEqual([])
  })

  test('is taken at its word when it refuses the current time too', async () => {
    const peer = await kafkaPeer()
    const { output, rejected } = await kafkaTo(peer)
    peer.refuse = () => INVALID_TIMESTAMP
    await deliver(output, [linesChunk(['a'])])
    expect(rejected).toHaveLength(1)
  })
})
