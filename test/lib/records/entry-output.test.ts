import { expect, test } from 'bun:test'
import { headRoom, TAIL_ROOM } from '../../../src/core/chunk.ts'
import { EntryOutput } from '../../../src/lib/records/entry-output.ts'
import { chunkOf, LooseBuffers, recordsOf } from '../../support/engine/chunk-of.ts'

test('entries that outgrow the expected size keep what was written before, and head and tail room', () => {
  const buffers = new LooseBuffers()
  const chunk = chunkOf([{ a: 'x'.repeat(300) }], 'some.tag', buffers)
  const out = new EntryOutput(buffers)
  out.begin(chunk, 0)
  for (let i = 0; i < 100; i++) out.copy(chunk.buf, chunk.start, chunk.end)
  out.finish(chunk, 100)
  expect(recordsOf(chunk)).toEqual(Array.from({ length: 100 }, () => ({ a: 'x'.repeat(300) })))
  expect(chunk.start).toBe(headRoom('some.tag'))
  expect(chunk.buf.length - chunk.end).toBeGreaterThanOrEqual(TAIL_ROOM)
  expect([...buffers.out]).toEqual([chunk.buf])
})

test('abandoned entries leave the chunk as it was, and no buffer', () => {
  const buffers = new LooseBuffers()
  const chunk = chunkOf([{ a: 1 }], 'some.tag', buffers)
  const out = new EntryOutput(buffers)
  out.begin(chunk, 0)
  out.copy(chunk.buf, chunk.start, chunk.end)
  out.abandon()
  out.abandon()
  expect(recordsOf(chunk)).toEqual([{ a: 1 }])
  expect([...buffers.out]).toEqual([chunk.buf])
})
