import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { crc32c } from '../../src/lib/crc32c.ts'

/** RFC 3720, appendix B.4. */
test.each([
  [Buffer.alloc(32), 0x8a9136aa],
  [Buffer.alloc(32, 0xff), 0x62a8ab43],
  [Buffer.from(Array.from({ length: 32 }, (_, i) => i)), 0x46dd794e],
  [Buffer.from(Array.from({ length: 32 }, (_, i) => 31 - i)), 0x113fdb5c],
  [Buffer.from('123456789'), 0xe3069283],
  [Buffer.alloc(0), 0],
])('has the published values', (bytes, sum) => {
  expect(crc32c(bytes, 0, bytes.length)).toBe(sum)
})

test('is that of one bit after another, wherever the bytes stand', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), fc.nat(20), (bytes, start) => {
      const at = Math.min(start, bytes.length)
      expect(crc32c(bytes, at, bytes.length)).toBe(bitByBit(bytes.subarray(at)))
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
