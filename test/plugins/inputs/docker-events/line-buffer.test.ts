import { expect, test } from 'bun:test'
import { LineBuffer } from '../../../../src/plugins/inputs/docker-events/line-buffer.ts'
import { fc } from '../../../support/property.ts'

const MAX_BYTES = 20

function linesOf(pieces: Buffer[]): { lines: string[]; oversize: number } {
  const buffer = new LineBuffer(MAX_BYTES)
  const lines: string[] = []
  for (const piece of pieces) {
    buffer.push(piece)
    while (buffer.next()) lines.push(buffer.buf.toString('latin1', buffer.start, buffer.end))
  }
  return { lines, oversize: buffer.oversize }
}

test('lines are the same wherever the stream is split; those above the limit are left out', () => {
  const text = fc.string({ unit: fc.constantFrom('a', 'b', '\r', '\n', 'cdefghij'), maxLength: 60 })
  fc.assert(
    fc.property(text, fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 1 }), (stream, sizes) => {
      const bytes = Buffer.from(stream, 'latin1')
      const pieces: Buffer[] = []
      for (let at = 0, i = 0; at < bytes.length; i++) {
        const size = sizes[i % sizes.length] as number
        pieces.push(bytes.subarray(at, at + size))
        at += size
      }
      const complete = stream.split('\n').slice(0, -1)
      const kept = complete.filter((line) => line.length <= MAX_BYTES)
      const found = linesOf(pieces)
      expect(found.lines).toEqual(kept.map((line) => line.replace(/\r$/, '')).filter((line) => line !== ''))
      expect(found.oversize).toBe(complete.length - kept.length)
    }),
  )
})

test('of a line without an end only its size is kept', () => {
  const buffer = new LineBuffer(MAX_BYTES)
  for (let i = 0; i < 1000; i++) {
    buffer.push(Buffer.alloc(1000, 0x78))
    expect(buffer.next()).toBe(false)
  }
  expect(buffer.skippedBytes).toBe(1_000_000)
})
