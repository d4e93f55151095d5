import { expect, test } from 'bun:test'
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { Chunk } from '../../../../src/core/chunk.ts'
import type { ShipperError } from '../../../../src/core/error.ts'
import type { Output } from '../../../../src/core/plugin.ts'
import { systemClock } from '../../../../src/engine/clock.ts'
import { rejection } from '../../../contract/output.ts'
import { turn } from '../../../support/engine/chunks.ts'
import { type KafkaPeer, kafkaPeer } from '../../../support/kafka/peer.ts'
import { kafkaTo, linesChunk, valuesOf } from '../../../support/kafka/run.ts'
import { fc } from '../../../support/property.ts'
import { tmp } from '../../../support/tmp.ts'
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

test('a single record that is too large goes to the dead-letter file, and later records are delivered', async () => {
  const folder = tmp()
  const peer = await kafkaPeer()
  const { output, counters, log, account } = await kafkaTo(peer, {}, folder)
  peer.refuse = ({ bytes }) => (bytes.length > 400 ? TOO_LARGE : 0)
  const large = linesChunk(['a', 'x'.repeat(500), Buffer.from('b').toString()], 'app.web')
  await deliver(output, [...numbered(1, 2), large, ...numbered(1, 2)])
  expect(await valuesOf(peer.written())).toEqual(['0', '1', 'a', 'b', '0', '1'])
  const path = join(folder, 'dead-letters.kafka.0.jsonl')
  const letters = readFileSync(path, 'utf8').trimEnd().split('\n')
  expect(letters).toHaveLength(1)
  expect(JSON.parse(letters[0] as string)).toMatchObject({
    reason: 'logs/0: MESSAGE_TOO_LARGE',
    topic: 'logs',
    partition: 0,
    tag: 'app.web',
    input: 'test.0',
    time: '1970-01-01T00:16:41.500Z',
    value: 'x'.repeat(500),
  })
  expect(statSync(path).mode & 0o077).toBe(0)
  expect(counters.get('dead_letters')).toBe(1)
  expect(log.filter((line) => line.startsWith('error'))).toEqual([
    `error record rejected by Kafka and written to ${path}: logs/0: MESSAGE_TOO_LARGE`,
  ])
  expect(account.used).toBe(0)
})

test('beyond its limit the dead-letter file gets no more records, and lost ones are counted and logged', async () => {
  const path = join(tmp(), 'letters')
  const peer = await kafkaPeer()
  const { output, counters, log } = await kafkaTo(peer, {
    dead_letter_file: path,
    dead_letter_limit: '1000',
  })
  peer.refuse = ({ bytes }) => (bytes.length > 400 ? TOO_LARGE : 0)
  await deliver(output, [linesChunk(['x'.repeat(500), 'y'.repeat(500), 'z'])])
  expect(await valuesOf(peer.written())).toEqual(['z'])
  expect([counters.get('dead_letters'), counters.get('dead_letters_lost')]).toEqual([1, 1])
  expect(log.at(-1)).toContain('and lost because')
  expect(statSync(path).size).toBeLessThanOrEqual(1000)
})

test('a record is not dropped while the dead-letter file cannot be written', async () => {
  const peer = await kafkaPeer()
  const { output } = await kafkaTo(peer, { dead_letter_file: join(tmp(), 'no', 'folder') })
  peer.refuse = () => TOO_LARGE
  const chunk = linesChunk(['x'])
  expect(await rejection(output.flush(chunk))).toMatchObject({
    code: 'E_OUTPUT_WRITE',
    retryable: true,
    scope: 'chunk',
  })
  peer.refuse = () => 0
  await output.flush(chunk)
  expect(await valuesOf(peer.written())).toEqual(['x'])
})

test('a missing topic is named in the error, blocks only its own records, and is used once created', async () => {
  const peer = await kafkaPeer()
  const { output } = await kafkaTo(peer, { topics: '$TAG', allow_auto_create_topics: 'off' })
  peer.topics.set('good', 1)
  const [bad, good] = [linesChunk(['1'], 'bad/tag'), linesChunk(['2'], 'good')]
  const failed = rejection(output.flush(bad))
  await output.flush(good)
  expect(await failed).toMatchObject({ code: 'E_KAFKA_TOPIC', retryable: true, scope: 'chunk' })
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
