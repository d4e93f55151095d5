import { expect, test } from 'bun:test'
import { readVarint, varintSize, writeVarint } from '../../../src/protocol/kafka/varint.ts'
import { fc } from '../../support/property.ts'

test.each([
  [0, '00'],
  [-1, '01'],
  [1, '02'],
  [63, '7e'],
  [64, '8001'],
  [-65, '8101'],
  [300, 'd804'],
  [2147483647, 'feffffff0f'],
  [-2147483648, 'ffffffff0f'],
  [1_700_000_000_000, '80a0abfef962'],
])('%d is encoded as %s', (n, hex) => {
  const buf = Buffer.alloc(10)
  expect(buf.toString('hex', 0, writeVarint(buf, 0, n))).toBe(hex)
})

test('reads back the value it wrote, in the predicted size', () => {
  const safe = fc.integer({ min: -(2 ** 52), max: 2 ** 52 })
  fc.assert(
    fc.property(fc.oneof(safe, fc.integer(), fc.integer({ min: -300, max: 300 })), (n) => {
      const buf = Buffer.alloc(12, 0xff)
      expect(writeVarint(buf, 1, n)).toBe(1 + varintSize(n))
      expect(readVarint(buf, 1)).toBe(n)
    }),
  )
})
