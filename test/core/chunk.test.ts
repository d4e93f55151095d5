import { expect, test } from 'bun:test'
import type { BufferSource } from '../../src/core/buffer-source.ts'
import { Chunk, headRoom, TAIL_ROOM } from '../../src/core/chunk.ts'
import { writeArrayHead, writeBinHead, writeStr } from '../../src/core/msgpack/encode.ts'

function source(): BufferSource & { given: Buffer[] } {
  const given: Buffer[] = []
  const make = (n: number): Buffer => Buffer.alloc(n)
  return { given, take: make, force: make, takeLongLived: make, give: (b) => void given.push(b) }
}

function chunkOf(buf: Buffer, from: BufferSource): Chunk {
  return new Chunk(
    { tag: 't', input: 'tail.0', buf, start: 2, end: 6, count: 2, id: 'id', inputBytes: 9 },
    from,
  )
}

test('the frame space is granted to the first caller only', () => {
  const chunk = chunkOf(Buffer.alloc(8), source())
  expect([chunk.claimFrameSpace(), chunk.claimFrameSpace(), chunk.claimFrameSpace()]).toEqual([
    true,
    false,
    false,
  ])
})

test('entries() is a view of the bytes between head and tail room', () => {
  const buf = Buffer.from('hhabcdtt')
  const chunk = chunkOf(buf, source())
  expect(chunk.entries().toString()).toBe('abcd')
  expect(chunk.size).toBe(4)
  expect(chunk.entries().buffer).toBe(buf.buffer)
})

test('replace gives the old buffer back at once, release the new one', () => {
  const from = source()
  const [old, next] = [Buffer.alloc(8), Buffer.from('--xyz--')]
  const chunk = chunkOf(old, from)
  chunk.replace(next, 2, 5, 1)
  expect(from.given).toEqual([old])
  expect([chunk.entries().toString(), chunk.count, chunk.size]).toEqual(['xyz', 1, 3])
  chunk.release()
  expect(from.given.length).toBe(2)
  expect(from.given[1]).toBe(next)
})

test('replacing within the same buffer gives no buffer back', () => {
  const from = source()
  const buf = Buffer.alloc(8)
  const chunk = chunkOf(buf, from)
  chunk.replace(buf, 2, 3, 1)
  expect([from.given.length, chunk.end, chunk.count]).toEqual([0, 3, 1])
})

test('a released chunk has no entries, but their count', () => {
  const from = source()
  const chunk = chunkOf(Buffer.alloc(8), from)
  chunk.release()
  expect([from.given.length, chunk.size, chunk.count, chunk.buf.length]).toEqual([1, 0, 2, 0])
})

test('head and tail room fit the frame of any tag', () => {
  const frame = Buffer.alloc(200_000)
  for (const tag of ['', 'kube.x', 'ä'.repeat(40), 'x'.repeat(300), 'y'.repeat(70_000)]) {
    const head = writeBinHead(frame, writeStr(frame, writeArrayHead(frame, 0, 4), tag), 2_000_000)
    expect(head).toBeLessThanOrEqual(headRoom(tag))
  }
  expect(TAIL_ROOM).toBeGreaterThanOrEqual(80)
})

test('copies and what takes the buffer over say as the chunk does whether records may have metadata', () => {
  for (const hasMetadata of [true, false]) {
    const chunk = chunkOf(Buffer.alloc(8), source())
    chunk.hasMetadata = hasMetadata
    const made = [chunk.emptyCopy('a', 4), chunk.copy('b'), chunk.move('c')]
    expect(made.map((one) => one.hasMetadata)).toEqual([hasMetadata, hasMetadata, hasMetadata])
  }
})
