import { expect, test } from 'bun:test'
import { freeReceived } from '../../../src/lib/http/free-received.ts'

const SIZE = 65_536

test('what ends with the bytes that were received is freed with them', () => {
  const whole = Buffer.allocUnsafeSlow(SIZE)
  const afterHeader = Buffer.allocUnsafeSlow(SIZE)
  freeReceived(whole)
  freeReceived(afterHeader.subarray(200))
  expect([whole.buffer.byteLength, afterHeader.buffer.byteLength]).toEqual([0, 0])
})

test('what is followed by bytes that may still be read, or is small, stays', () => {
  const received = Buffer.alloc(SIZE, 'a')
  freeReceived(received.subarray(0, SIZE - 2))
  const small = Buffer.allocUnsafeSlow(1000)
  freeReceived(small)
  expect([received.buffer.byteLength, small.buffer.byteLength]).toEqual([SIZE, 1000])
  expect(received.toString('latin1', SIZE - 2)).toBe('aa')
})
