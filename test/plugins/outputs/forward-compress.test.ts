import { expect, test } from 'bun:test'
import { randomBytes } from 'node:crypto'
import { gunzipSync, zstdDecompressSync } from 'node:zlib'
import { compress, discard } from '../../../src/plugins/outputs/forward/compress.ts'

const KINDS = [
  ['gzip', gunzipSync],
  ['zstd', zstdDecompressSync],
] as const
/** Some smaller than the buffers that a runtime pools, some that grow when they are compressed. */
const SIZES = [0, 1, 100, 1000, 5000, 100_000, 1_000_000]

for (const [how, unpack] of KINDS) {
  test(`${how}: bytes of any size come back the same, several at once, while earlier results are discarded`, async () => {
    const inputs = SIZES.flatMap((size) => [randomBytes(size), Buffer.alloc(size, 'a line of a log\n')])
    for (let round = 0; round < 5; round++) {
      await Promise.all(
        inputs.map(async (bytes) => {
          const packed = await compress(bytes, how)
          expect(unpack(packed).equals(bytes)).toBeTrue()
          discard(packed)
        }),
      )
    }
  })

  test(`${how}: the memory of a discarded result is free at once`, async () => {
    const packed = await compress(randomBytes(100_000), how)
    const memory = packed.buffer
    expect(memory.byteLength).toBeGreaterThan(100_000)
    discard(packed)
    expect(memory.byteLength).toBe(0)
  })
}

test('what is a part of memory that others use is not freed', () => {
  const memory = Buffer.from('others and mine')
  discard(memory.subarray(11))
  expect(memory.toString()).toBe('others and mine')
})
