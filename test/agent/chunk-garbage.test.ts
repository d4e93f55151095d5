import { expect, test } from 'bun:test'
import { ChunkGarbage } from '../../src/agent/chunk-garbage.ts'

/** Counts chunks, with a collector that finds this many bytes in use; returns the number of chunks before each collection. */
async function collections(bytes: number, chunks: number): Promise<number[]> {
  const counts: number[] = []
  let count = 0
  const garbage = new ChunkGarbage(async () => ({
    collect: () => {
      counts.push(count)
      return bytes
    },
    collectYoung() {},
  }))
  for (; count < chunks; count++) {
    garbage.count()
    // The collector is loaded when it is needed first.
    if (count === 4095) await Promise.resolve()
  }
  return counts.map((at, i) => at - (counts[i - 1] ?? 4095))
}

test('garbage is collected after 4096 chunks', async () => {
  expect(await collections(1_000_000, 5 * 4096)).toEqual([4096, 4096, 4096, 4096])
})

test('the more is in use, the later it is collected: after a quarter of it', async () => {
  const [first, ...others] = await collections(100 * 2 ** 20 * 2, 150_000)
  expect([first, others]).toEqual([4096, Array.from({ length: 5 }, () => 25_600)])
})

test('without a collector chunks are only counted', async () => {
  let loads = 0
  const garbage = new ChunkGarbage(async () => {
    loads++
    return undefined
  })
  for (let i = 0; i < 20_000; i++) {
    garbage.count()
    await Promise.resolve()
  }
  expect(loads).toBe(1)
})

test('what filters leave is collected after 8 MB, without what is in use', async () => {
  const calls: string[] = []
  const collector = { collect: () => calls.push('all'), collectYoung: () => void calls.push('young') }
  const garbage = new ChunkGarbage(async () => collector)
  const MB = 2 ** 20
  garbage.add(8 * MB)
  await Promise.resolve()
  for (let i = 1; i <= 24; i++) garbage.add(MB)
  expect(calls).toEqual(['young', 'young', 'young'])
  garbage.add(8 * MB - 1)
  expect(calls).toHaveLength(3)
})

test('young garbage of 1024 chunks is collected, and the size of the process is looked at after each', async () => {
  const calls: string[] = []
  const collector = { collect: () => 0, collectYoung: () => void calls.push('young') }
  const garbage = new ChunkGarbage(
    async () => collector,
    () => calls.push('look'),
  )
  garbage.add(2 ** 23)
  await Promise.resolve()
  calls.length = 0
  for (let i = 0; i < 1023; i++) garbage.count()
  expect(calls).toEqual(Array.from({ length: 1023 }, () => 'look'))
  calls.length = 0
  garbage.count()
  expect(calls).toEqual(['young', 'look'])
})
