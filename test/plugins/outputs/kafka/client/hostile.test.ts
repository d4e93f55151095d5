import { expect, test } from 'bun:test'
import { WireWriter } from '../../../../../src/protocol/kafka/wire.ts'
import { rejection } from '../../../../contract/output.ts'
import { ManualClock } from '../../../../support/engine/manual-clock.ts'
import { type KafkaPeer, kafkaPeer } from '../../../../support/kafka/peer.ts'
import { kafkaTo, linesChunk, valuesOf } from '../../../../support/kafka/run.ts'
import { until } from '../../../../support/until.ts'

interface Answer {
  brokers?: { id?: number; host?: string; port?: number; count?: number }
  partitions?: number[]
}

/** Answers metadata requests with brokers and partition indexes of the test's choice. */
function metadataOf(peer: KafkaPeer, { brokers = {}, partitions = [0] }: Answer): void {
  const { id = 1, host = '127.0.0.1', port = peer.port, count = 1 } = brokers
  peer.metadata = (names) => {
    const w = new WireWriter().int32(0).int32(count)
    for (let i = 0; i < count; i++)
      w.int32(id + i)
        .string(host)
        .int32(port)
        .string(undefined)
    w.string('cluster').int32(1).int32(names.length)
    for (const name of names) {
      w.int16(0).string(name).int8(0).int32(partitions.length)
      for (const index of partitions) w.int16(0).int32(index).int32(1).int32(0).int32(0)
    }
    return w
  }
}

const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i)

const HOSTILE: [string, Answer, string][] = [
  [
    'a partition index of 2^31-1',
    { partitions: [2 ** 31 - 1] },
    'partition 2147483647 among the 1 of "logs"',
  ],
  ['a negative partition index', { partitions: [0, -1] }, 'partition -1 among the 2 of "logs"'],
  ['a hole among the partitions', { partitions: [0, 2] }, 'partition 2 among the 2 of "logs"'],
  ['a partition twice', { partitions: [0, 0] }, 'partition 0 among the 2 of "logs"'],
  ['more partitions than a cluster has', { partitions: range(20_001) }, '20001 partitions of "logs"'],
  ['more brokers than a cluster has', { brokers: { count: 10_001 } }, '10001 brokers'],
  [
    'a broker with an impossible port',
    { brokers: { port: 70_000 } },
    'broker 1 with the address "127.0.0.1" and port 70000',
  ],
  ['a broker without an address', { brokers: { host: '' } }, 'broker 1 with the address ""'],
  ['a broker with a negative id', { brokers: { id: -5 } }, 'broker -5'],
]

test.each(HOSTILE)(
  '%s ends the connection, and a healthy broker is used afterwards',
  async (_, answer, message) => {
    const peer = await kafkaPeer()
    metadataOf(peer, answer)
    const { output, account } = await kafkaTo(peer)
    const chunk = linesChunk(['a'])
    const error = await rejection(output.flush(chunk))
    expect(error).toMatchObject({ code: 'E_PEER_PROTOCOL', retryable: true, scope: 'peer' })
    expect((error as Error).message).toContain(`invalid Metadata response: ${message}`)
    peer.metadata = undefined
    await until(() =>
      output.flush(chunk).then(
        () => true,
        () => false,
      ),
    )
    expect(await valuesOf(peer.written())).toEqual(['a'])
    expect(account.used).toBe(0)
  },
)

test('a truncated metadata response ends the connection', async () => {
  const peer = await kafkaPeer()
  peer.metadata = () => new WireWriter().int32(0).int32(2 ** 31 - 1)
  const { output } = await kafkaTo(peer)
  const error = await rejection(output.flush(linesChunk(['a'])))
  expect(error).toMatchObject({ code: 'E_PEER_PROTOCOL', scope: 'peer' })
})

test('a topic with 20,000 partitions is used', async () => {
  const peer = await kafkaPeer()
  metadataOf(peer, { partitions: range(20_000) })
  const { output } = await kafkaTo(peer, { partitioner: 'sticky' })
  await output.flush(linesChunk(['a']))
  expect(await valuesOf(peer.written())).toEqual(['a'])
})

test('topics of 20,000 partitions each are used up to 30,000 together', async () => {
  const peer = await kafkaPeer()
  metadataOf(peer, { partitions: range(20_000) })
  const { output } = await kafkaTo(peer, { partitioner: 'sticky', topics: '$TAG' })
  peer.topics.set('first', 1).set('second', 1)
  await output.flush(linesChunk(['a'], 'first'))
  expect(await rejection(output.flush(linesChunk(['b'], 'second')))).toMatchObject({
    code: 'E_PEER_PROTOCOL',
    message: expect.stringContaining('20000 partitions of "second"'),
  })
  metadataOf(peer, { partitions: range(10_000) })
  const flushed = () =>
    output.flush(linesChunk(['b'], 'second')).then(
      () => true,
      () => false,
    )
  await until(flushed)
})

test('topics that are not used any more are forgotten, and the next batch for one is not taken for a repetition', async () => {
  const peer = await kafkaPeer()
  const clock = new ManualClock(Date.now())
  const { output } = await kafkaTo(peer, { topics: '$TAG' }, undefined, clock)
  const flush = (tag: string): Promise<void> => {
    peer.topics.set(tag, 1)
    return output.flush(linesChunk(['x'], tag))
  }
  await flush('first')
  for (let i = 0; i < 999; i++) await flush(`topic-${i}`)
  clock.advance(301_000)
  await flush('one-too-many')
  await flush('first')
  expect(peer.written('first')).toHaveLength(2)
  expect(new Set(peer.written('first').map(({ producerId }) => producerId)).size).toBe(2)
})

test.each([1n, 2n ** 62n])(
  'a SASL session of %d ms neither reconnects for each request nor overflows a timer',
  async (sessionMs) => {
    const peer = await kafkaPeer()
    peer.mechanisms = ['PLAIN']
    peer.sessionMs = sessionMs
    const { output } = await kafkaTo(
      peer,
      { sasl_mechanism: 'PLAIN', sasl_username: 'u', sasl_password: 'p' },
      undefined,
      new ManualClock(Date.now()),
    )
    for (let i = 0; i < 20; i++) await output.flush(linesChunk([`${i}`]))
    // One for metadata and producer ids, one to the leader.
    expect(peer.connections).toBe(2)
  },
)

test('a broker that asks for more SCRAM iterations than a core does in a second is refused', async () => {
  const peer = await kafkaPeer()
  peer.mechanisms = ['SCRAM-SHA-256']
  peer.authenticate = (token) => ({ error: 0, token: `r=${/r=(.*)/.exec(token)?.[1]}x,s=c2FsdA==,i=1000001` })
  const sasl = { sasl_mechanism: 'SCRAM-SHA-256', sasl_username: 'u', sasl_password: 'p' }
  const { output } = await kafkaTo(peer, sasl)
  expect(await rejection(output.flush(linesChunk(['a'])))).toMatchObject({
    code: 'E_PEER_AUTH',
    message: expect.stringContaining('1000001 SCRAM iterations'),
  })
})
