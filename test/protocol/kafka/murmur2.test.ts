import { expect, test } from 'bun:test'
import { murmur2, partitionOf } from '../../../src/protocol/kafka/murmur2.ts'

/** Test vectors of UtilsTest in Apache Kafka's Java client. */
test.each([
  ['21', -973932308],
  ['foobar', -790332482],
  ['a-little-bit-long-string', -985981536],
  ['a-little-bit-longer-string', -1486304829],
  ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971],
  ['abc', 479470107],
])('hashes %s like the Java client, at any offset', (text, hash) => {
  const bytes = Buffer.from(`x${text}y`)
  expect(murmur2(bytes, 1, bytes.length - 1)).toBe(hash)
  expect(partitionOf(bytes, 1, bytes.length - 1, 7)).toBe((hash & 0x7fffffff) % 7)
})
