import { expect, test } from 'bun:test'
import { randomBytes } from 'node:crypto'
import { gunzipSync, zstdDecompressSync } from 'node:zlib'
import { Budget } from '../../../src/engine/budget.ts'
import { Compressor } from '../../../src/lib/compression/stream-compressor.ts'

const KINDS = [
  ['gzip', gunzipSync],
  ['zstd', zstdDecompressSync],
] as const
/** Some smaller than the buffers that a runtime pools, some that grow when they are compressed. */
const SIZES = [0, 1, 100, 1000, 5000, 100_000, 1_000_000]

for (const [how, unpack] of KINDS) {
  test(`${how}: bytes of any size are restored, several at once, and every buffer is given back`, async () => {
    const { budget, buffers } = budgetOf16Mb()
    const compressor = new Compressor(how)
    const inputs = SIZES.flatMap((size) => [randomBytes(size), Buffer.alloc(size, 'a line of a log\n')])
    for (let round = 0; round < 5; round++) {
      await Promise.all(
        inputs.map(async (bytes) => {
          const { buf, size } = await compressor.compress(bytes, buffers)
          expect(unpack(buf.subarray(0, size)).equals(bytes)).toBeTrue()
          buffers.give(buf)
        }),
      )
    }
    expect(budget.used).toBe(0)
  })

  test(`${how}: memory allocated for one result is used for the next`, async () => {
    const { buffers } = budgetOf16Mb()
    const compressor = new Compressor(how)
    const bytes = randomBytes(700_000)
    const external = async (times: number) => {
      for (let i = 0; i < times; i++) {
        const { buf } = await compressor.compress(bytes, buffers)
        buffers.give(buf)
      }
      return process.memoryUsage().rss
    }
    const before = await external(10)
    expect((await external(60)) - before).toBeLessThan(10_000_000)
  })
}

for (const [how, unpack] of KINDS) {
  test(`${how}: pieces become one result`, async () => {
    const { budget, buffers } = budgetOf16Mb()
    const compressor = new Compressor(how)
    const pieces = [randomBytes(70_000), Buffer.alloc(0), Buffer.from('b'), Buffer.alloc(200_000, 'a line\n')]
    for (let round = 0; round < 3; round++) {
      const { buf, size } = await compressor.compress(pieces, buffers)
      expect(unpack(buf.subarray(0, size)).equals(Buffer.concat(pieces))).toBeTrue()
      buffers.give(buf)
    }
    expect(budget.used).toBe(0)
  })
}

function budgetOf16Mb() {
  const budget = new Budget(16_000_000, 1_000_000)
  return { budget, buffers: budget.account(16_000_000) }
}
