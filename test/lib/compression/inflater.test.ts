import { describe, expect, test } from 'bun:test'
import { randomBytes } from 'node:crypto'
import { constants, createZstdCompress, gzipSync, zstdCompressSync } from 'node:zlib'
import { type Compression, Inflaters } from '../../../src/lib/compression/inflater.ts'
import { Malformed } from '../../../src/protocol/forward/value-scanner.ts'

const MAX_BYTES = 1_000_000
const PIECE = 1000
const inflaters = new Inflaters(MAX_BYTES)

async function inflate(payload: Buffer, how: Compression): Promise<Buffer> {
  const inflater = await inflaters.begin(payload, how, inflaters.bytesFor(payload, how))
  const out = Buffer.alloc(MAX_BYTES + PIECE)
  let at = 0
  try {
    while (!inflater.isAtEnd) at += inflater.read(out, at, at + PIECE)
  } finally {
    inflater.close()
  }
  return out.subarray(0, at)
}

/** Compresses without knowing the size of the content. */
function streamed(data: Buffer, windowLog: number): Promise<Buffer> {
  const stream = createZstdCompress({ params: { [constants.ZSTD_c_windowLog]: windowLog } })
  const parts: Buffer[] = []
  return new Promise((resolve) => {
    stream.on('data', (part: Buffer) => parts.push(part)).on('end', () => resolve(Buffer.concat(parts)))
    stream.write(data.subarray(0, 1))
    stream.flush(() => stream.end(data.subarray(1)))
  })
}

const compress = { gzip: gzipSync, zstd: zstdCompressSync }
const KINDS = ['gzip', 'zstd'] as const

describe.each(KINDS)('a payload in %s', (how) => {
  test('is inflated whatever its size and number of parts', async () => {
    for (const size of [0, 1, 255, 256, PIECE, 3 * PIECE, 65_791, 65_792, 400_000]) {
      const data = Buffer.concat([randomBytes(size >> 1), Buffer.alloc(size - (size >> 1), 'abc')])
      expect(data.equals(await inflate(compress[how](data), how))).toBe(true)
      const two = Buffer.concat([compress[how](data), compress[how](data)])
      expect(Buffer.concat([data, data]).equals(await inflate(two, how))).toBe(true)
    }
  })

  test('that is cut anywhere is malformed', async () => {
    const whole = compress[how](Buffer.concat([randomBytes(200_000), Buffer.alloc(200_000)]))
    for (const end of [4, 5, 8, 17, 18, 1000, 131_100, 200_000, whole.length - 4, whole.length - 1])
      await expect(inflate(whole.subarray(0, end), how)).rejects.toThrow(Malformed)
  })

  test('that says that it is too large is refused before its first byte', () => {
    expect(() => inflaters.bytesFor(compress[how](Buffer.alloc(MAX_BYTES + 1)), how)).toThrow(
      `a ${how} payload of more than ${MAX_BYTES} bytes when decompressed`,
    )
    expect(inflaters.bytesFor(compress[how](Buffer.alloc(MAX_BYTES)), how)).toBeGreaterThan(0)
  })

  test('that does not say that it is too large ends at the limit', async () => {
    const part = compress[how](Buffer.alloc(600_000))
    const whole = how === 'gzip' ? Buffer.concat([part, part]) : await streamed(Buffer.alloc(1_200_000), 17)
    await expect(inflate(whole, how)).rejects.toThrow('when decompressed')
  })
})

test('a zstd payload in several frames, some to skip, needs memory for the largest window', async () => {
  const [data, skip] = [Buffer.alloc(100_000, 'xy'), Buffer.from('5e2a4d1803000000aabbcc', 'hex')]
  const [small, large] = [zstdCompressSync(data), await streamed(data, 23)]
  const frames = Buffer.concat([skip, small, skip, large, skip, small])
  expect(inflaters.bytesFor(frames, 'zstd') - inflaters.bytesFor(small, 'zstd')).toBe(2 ** 23 - 100_000)
  expect((await inflate(frames, 'zstd')).length).toBe(300_000)
})

test('a zstd payload with a window over 8 MiB is refused', async () => {
  const frame = await streamed(Buffer.alloc(100_000), 24)
  expect(() => inflaters.bytesFor(frame, 'zstd')).toThrow('a window of 16777216 bytes, the limit is 8388608')
})
