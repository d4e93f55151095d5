import { expect, test } from 'bun:test'
import { encode } from '@msgpack/msgpack'
import { countEntries, type Frame, FrameReader } from '../../bench/frames.ts'
import { fc } from '../support/property.ts'

const entries = (count: number): Buffer =>
  Buffer.concat(Array.from({ length: count }, (_, i) => encode([i, { log: `line ${i}`.repeat(i + 1) }])))

function framesOf(bytes: Buffer, cuts: number[], keep: boolean): Frame[] {
  const frames: Frame[] = []
  const reader = new FrameReader(keep, (frame) => frames.push(frame))
  let from = 0
  for (const cut of [...cuts.map((n) => n % bytes.length).sort((a, b) => a - b), bytes.length]) {
    reader.feed(bytes.subarray(from, cut))
    from = cut
  }
  expect(reader.idle).toBe(true)
  return frames
}

test('splits a stream into the same frames wherever the reads are cut', () => {
  const message = fc.record({
    count: fc.integer({ min: 0, max: 40 }),
    ack: fc.boolean(),
    options: fc.boolean(),
  })
  const cuts = fc.array(fc.nat(), { maxLength: 12 })
  fc.assert(
    fc.property(fc.array(message, { minLength: 1, maxLength: 5 }), cuts, (messages, at) => {
      const bytes = Buffer.concat(
        messages.map(({ count, ack, options }, i) => {
          const map = { ...(ack ? { chunk: `id ${i}` } : {}), size: count }
          return encode(['app', entries(count), ...(options ? [map] : [])])
        }),
      )
      const frames = framesOf(bytes, at, true)
      expect(frames.map(({ size }) => size)).toEqual(
        messages.map(({ count, options }) => (options ? count : -1)),
      )
      expect(frames.map(({ payload }) => countEntries(payload ?? Buffer.alloc(0)))).toEqual(
        messages.map(({ count }) => count),
      )
      expect(frames.map(({ chunk }) => chunk !== undefined)).toEqual(
        messages.map(({ ack, options }) => ack && options),
      )
    }),
  )
})

test('reads a message in Forward mode', () => {
  const [frame] = framesOf(Buffer.from(encode(['app', [[1, { log: 'a' }]], { size: 1 }])), [9], false)
  expect(frame?.size).toBe(1)
})

test('rejects bytes that are not a message', () => {
  const reader = new FrameReader(false, () => {})
  expect(() => reader.feed(Buffer.from('GET / HTTP/1.1\r\n'))).toThrow('not a message')
})

test('detects a payload that ends within an entry', () => {
  expect(countEntries(entries(3))).toBe(3)
  expect(countEntries(entries(3).subarray(0, -1))).toBe(-1)
})
