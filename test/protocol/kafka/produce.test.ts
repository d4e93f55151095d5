import { expect, test } from 'bun:test'
import {
  frameProduce,
  joinSmallParts,
  type ProduceBatch,
  readProduce,
  reservedBytes,
} from '../../../src/protocol/kafka/produce.ts'
import { WireReader, WireWriter } from '../../../src/protocol/kafka/wire.ts'

const HEADER = { correlationId: 77, clientId: 'agent', acks: -1, timeoutMs: 30_000 }

function produceBatch(topic: string, partition: number, text: string): ProduceBatch {
  const start = reservedBytes(HEADER.clientId, topic)
  const buf = Buffer.alloc(start + text.length)
  buf.write(text, start)
  return { topic, partition, buf, start, end: buf.length }
}

test('batches of several topics and partitions form one request', () => {
  const batches = [
    produceBatch('töne', 0, 'one'),
    produceBatch('töne', 4, 'second'),
    produceBatch('b', 1, 'third'),
  ]
  const parts = frameProduce(batches, HEADER)
  expect(parts.map((part, i) => part.buffer === batches[i]?.buf.buffer)).toEqual([true, true, true])
  const request = Buffer.concat(parts)
  const r = new WireReader(request)
  expect(r.int32()).toBe(request.length - 4)
  expect([r.int16(), r.int16(), r.int32(), r.string()]).toEqual([0, 7, 77, 'agent'])
  expect([r.string(), r.int16(), r.int32()]).toEqual([undefined, -1, 30_000])
  const topics = r.array(() => [r.string(), r.array(() => [r.int32(), r.data().toString()])])
  expect(topics).toEqual([
    [
      'töne',
      [
        [0, 'one'],
        [4, 'second'],
      ],
    ],
    ['b', [[1, 'third']]],
  ])
})

test('the reserved bytes before a batch fit the header that may be written there', () => {
  const one = produceBatch('topic', 3, 'x')
  expect(frameProduce([one], HEADER)[0]?.length).toBe(one.buf.length)
})

test('a response has an error code for each partition, and a truncated one throws', () => {
  const w = new WireWriter().int32(2)
  for (const [topic, error] of [
    ['a', 0],
    ['b', 45],
  ] as const) {
    w.string(topic).int32(1).int32(9).int16(error)
    for (let i = 0; i < 6; i++) w.int32(-1)
  }
  const body = w.int32(12).bytes()
  expect(readProduce(body)).toEqual({
    responses: [
      { topic: 'a', partition: 9, error: 0 },
      { topic: 'b', partition: 9, error: 45 },
    ],
    throttleMs: 12,
  })
  expect(() => readProduce(body.subarray(0, body.length - 1))).toThrow(RangeError)
})

test('small parts of a request are joined, and large ones stay where they are', () => {
  const parts = Array.from({ length: 1000 }, (_, i) => Buffer.alloc(i % 500 === 250 ? 40_000 : 100, i))
  const joined = joinSmallParts(parts)
  expect(joined.length).toBeLessThan(12)
  expect(Buffer.concat(joined).equals(Buffer.concat(parts))).toBe(true)
  expect(joined).toContain(parts[250] as Buffer)
  expect(joinSmallParts([])).toEqual([])
})
