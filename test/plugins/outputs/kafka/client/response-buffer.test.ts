import { expect, test } from 'bun:test'
import { ResponseBuffer } from '../../../../../src/plugins/outputs/kafka/client/response-buffer.ts'
import { fc } from '../../../../support/property.ts'

function framed(body: Buffer): Buffer {
  const size = Buffer.alloc(4)
  size.writeInt32BE(body.length)
  return Buffer.concat([size, body])
}

function taken(buffer: ResponseBuffer): Buffer[] {
  const bodies: Buffer[] = []
  for (let size = buffer.size; size !== undefined; size = buffer.size) {
    const body = buffer.take(size)
    if (body === undefined) break
    bodies.push(body)
  }
  return bodies
}

test('property: responses come out as they went in, however they are split', () => {
  const bodies = fc.array(fc.uint8Array({ maxLength: 9000 }), { maxLength: 8 })
  fc.assert(
    fc.property(bodies, fc.array(fc.integer({ min: 1, max: 4000 }), { minLength: 1 }), (sent, sizes) => {
      const stream = Buffer.concat(sent.map((body) => framed(Buffer.from(body))))
      const buffer = new ResponseBuffer()
      const got: Buffer[] = []
      for (let at = 0, i = 0; at < stream.length; i++) {
        const size = sizes[i % sizes.length] as number
        buffer.push(stream.subarray(at, at + size))
        got.push(...taken(buffer))
        at += size
      }
      expect(got).toEqual(sent.map((body) => Buffer.from(body)))
      expect(buffer.size).toBeUndefined()
    }),
  )
})

test('a large response in small pieces is copied a few times, and not once per piece', () => {
  const original = Buffer.prototype.copy
  let copied = 0
  Buffer.prototype.copy = function (this: Buffer, ...args: Parameters<Buffer['copy']>): number {
    const bytes = original.apply(this, args)
    copied += bytes
    return bytes
  }
  try {
    const body = framed(Buffer.alloc(4_000_000, 1))
    const buffer = new ResponseBuffer()
    for (let at = 0; at < body.length; at += 2000) buffer.push(body.subarray(at, at + 2000))
    expect(taken(buffer)).toHaveLength(1)
    expect(copied).toBeLessThan(4 * body.length)
  } finally {
    Buffer.prototype.copy = original
  }
})
