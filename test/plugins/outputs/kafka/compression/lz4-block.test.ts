import { expect, test } from 'bun:test'
import {
  lz4Compress,
  lz4Decompress,
  MAX_LZ4_BLOCK_BYTES,
  maxLz4Bytes,
} from '../../../../../src/plugins/outputs/kafka/compression/lz4-block.ts'
import { fc } from '../../../../support/property.ts'

/** Bytes with repetitions: a few pieces in random order. */
const bytes = fc
  .tuple(
    fc.array(fc.uint8Array({ maxLength: 40 }), { minLength: 1, maxLength: 6 }),
    fc.array(fc.nat(5), { maxLength: 300 }),
  )
  .map(([pieces, order]) => Buffer.concat(order.map((i) => pieces[i % pieces.length] as Uint8Array)))

test('compressed bytes decompress to the same, and stay within the predicted size', () => {
  fc.assert(
    fc.property(
      fc.oneof(bytes, fc.uint8Array({ maxLength: 600 }).map(Buffer.from)),
      fc.nat(9),
      (given, at) => {
        const src = Buffer.concat([Buffer.alloc(at, 7), given, Buffer.alloc(3, 9)])
        const out = Buffer.alloc(at + maxLz4Bytes(given.length))
        const end = lz4Compress(src, at, at + given.length, out, at)
        expect(end).toBeLessThanOrEqual(out.length)
        expect(restored(out.subarray(at, end), given.length).equals(given)).toBe(true)
      },
    ),
    { numRuns: 500 },
  )
})

test('the last match begins 12 bytes before the end, and the last five bytes are literals', () => {
  fc.assert(
    fc.property(bytes, (given) => {
      const out = Buffer.alloc(maxLz4Bytes(given.length))
      const end = lz4Compress(given, 0, given.length, out, 0)
      for (const match of matches(out.subarray(0, end))) {
        expect(match.start).toBeLessThanOrEqual(given.length - 12)
        expect(match.end).toBeLessThanOrEqual(given.length - 5)
      }
    }),
  )
})

test('a full block of one repeated byte and one without repetitions survive the round trip', () => {
  const equal = Buffer.alloc(MAX_LZ4_BLOCK_BYTES, 65)
  const noise = Buffer.alloc(MAX_LZ4_BLOCK_BYTES)
  for (let i = 0, x = 1; i < noise.length; i++) {
    x = (Math.imul(x, 1103515245) + 12345) >>> 0
    noise[i] = x >>> 16
  }
  for (const given of [equal, noise]) {
    const out = Buffer.alloc(maxLz4Bytes(given.length))
    const end = lz4Compress(given, 0, given.length, out, 0)
    expect(restored(out.subarray(0, end), given.length).equals(given)).toBe(true)
  }
})

test.each([
  ['truncated literals', '50616263'],
  ['a match before the beginning', '1061050050'],
  ['no last literals', '106101'],
])('%s: decompression throws', (_, hex) => {
  const block = Buffer.from(hex, 'hex')
  expect(() => lz4Decompress(block, 0, block.length, Buffer.alloc(100), 0)).toThrow(RangeError)
})

function restored(block: Buffer, length: number): Buffer {
  const out = Buffer.alloc(length)
  expect(lz4Decompress(block, 0, block.length, out, 0)).toBe(length)
  return out
}

/** Returns the ranges of the matches of a block in its decompressed bytes. */
function matches(block: Buffer): { start: number; end: number }[] {
  const found: { start: number; end: number }[] = []
  let at = 0
  let p = 0
  const length = (nibble: number): number => {
    let n = nibble
    if (nibble < 15) return n
    for (let byte = 255; byte === 255; ) {
      byte = block[p++] as number
      n += byte
    }
    return n
  }
  for (;;) {
    const token = block[p++] as number
    const literals = length(token >> 4)
    p += literals
    at += literals
    if (p >= block.length) return found
    p += 2
    const size = length(token & 15) + 4
    found.push({ start: at, end: at + size })
    at += size
  }
}
