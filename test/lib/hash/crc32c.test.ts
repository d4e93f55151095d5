import { expect, test } from 'bun:test'
import { crc32c, updateByTable } from '../../../src/lib/hash/crc32c.ts'
import { fc } from '../../support/property.ts'

/** Values of RFC 3720, appendix B.4. */
test.each([
  [Buffer.alloc(32), 0x8a9136aa],
  [Buffer.alloc(32, 0xff), 0x62a8ab43],
  [Buffer.from(Array.from({ length: 32 }, (_, i) => i)), 0x46dd794e],
  [Buffer.from(Array.from({ length: 32 }, (_, i) => 31 - i)), 0x113fdb5c],
  [Buffer.from('123456789'), 0xe3069283],
  [Buffer.alloc(0), 0],
])('crc32c returns the published values', (bytes, sum) => {
  expect(crc32c(bytes, 0, bytes.length)).toBe(sum)
})

test('equals the bit-by-bit algorithm at any offset', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), fc.nat(20), (bytes, start) => {
      const at = Math.min(start, bytes.length)
      expect(crc32c(Buffer.from(bytes), at, bytes.length)).toBe(bitByBit(bytes.subarray(at)))
    }),
  )
})

// 61,440 bytes are folded per call, and at least 3,360 are left for the last step.
const near = fc
  .constantFrom(8192, 61_440, 64_800, 122_880, 126_240)
  .chain((n) => fc.integer({ min: n - 20, max: n + 20 }))

test('is the same with folding and with tables alone', () => {
  const bytes = Buffer.alloc(200_000)
  let x = 1
  for (let i = 0; i < bytes.length; i++) {
    x = (Math.imul(x, 1_103_515_245) + 12_345) | 0
    bytes[i] = x >>> 16
  }
  fc.assert(
    fc.property(fc.oneof(near, fc.integer({ min: 0, max: 190_000 })), fc.nat(1000), (size, start) => {
      const end = start + size
      expect(crc32c(bytes, start, end)).toBe((updateByTable(-1, bytes, start, end) ^ -1) >>> 0)
    }),
  )
})

function bitByBit(bytes: Uint8Array): number {
  let crc = -1
  for (const byte of bytes) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0x82f63b78 : 0)
  }
  return ~crc >>> 0
}
