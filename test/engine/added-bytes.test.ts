import { expect, test } from 'bun:test'
import { AddedBytes } from '../../src/engine/added-bytes.ts'

test('a chunk of the shortest records fits into the filtered size, whatever came before', () => {
  for (const bytes of [2_000, 20_000, 150_000])
    for (const [size, count] of [
      [0, 0],
      [1_000_000, 10],
      [16_000, 1000],
    ] as const) {
      const added = new AddedBytes(1_000_000)
      added.record(size, count)
      const records = added.chunkBytes(bytes) / 15
      expect(records * bytes).toBeLessThan(17_000_000)
    }
})

test('what filters add does not count where it is little for the records that there were', () => {
  const added = new AddedBytes(1_000_000)
  added.record(150_000, 1000)
  expect(added.chunkBytes(500)).toBe(Number.POSITIVE_INFINITY)
  expect(added.chunkBytes(1500)).toBeLessThan(100_000)
})
