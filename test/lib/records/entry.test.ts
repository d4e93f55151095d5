import { describe, expect, test } from 'bun:test'
import { encode } from '@msgpack/msgpack'
import { Chunk } from '../../../src/core/chunk.ts'
import { ENTRY_HEAD, writeEntryHead } from '../../../src/core/msgpack/encode.ts'
import { Entry } from '../../../src/lib/records/entry.ts'
import { LooseBuffers } from '../../support/engine/chunk-of.ts'

function chunkOf(entries: Buffer): Chunk {
  const buf = Buffer.concat([Buffer.alloc(7), entries])
  const init = { tag: 'app', input: 'test.0', id: 'the-id', inputBytes: 0, count: 0 }
  return new Chunk({ ...init, buf, start: 7, end: buf.length }, new LooseBuffers())
}

function headOf(sec: number, nsec: number): Buffer {
  const head = Buffer.alloc(ENTRY_HEAD)
  writeEntryHead(head, 0, sec, nsec)
  return head
}

const HEAD = headOf(1000, 5e8)

function entryOf(record: object, head = HEAD): Buffer {
  return Buffer.concat([head, encode(record)])
}

describe('Entry', () => {
  test('visits each entry of a chunk with its time and map', () => {
    const old = Buffer.concat([Buffer.from([0x92]), encode(1700000000), encode({ c: 3 })])
    const chunk = chunkOf(Buffer.concat([entryOf({ a: 1 }), old, entryOf({}, headOf(2000, 7))]))
    const entry = new Entry()
    const seen: string[] = []
    for (let at = chunk.start; at < chunk.end; at = entry.end) {
      entry.read(chunk, at)
      seen.push(`${entry.time.seconds()} ${chunk.buf.toString('hex', entry.map, entry.end)}`)
    }
    expect(seen).toEqual(['1000.500000000 81a16101', '1700000000.000000000 81a16303', '2000.000000007 80'])
    expect(entry.end).toBe(chunk.end)
  })

  test('finds the last value of the requested key, or none', () => {
    const map = Buffer.concat([Buffer.from([0x83]), ...['k', 1, 'x', 'k', 'k', 2].map((v) => encode(v))])
    const chunk = chunkOf(Buffer.concat([HEAD, map]))
    const entry = new Entry()
    entry.read(chunk, chunk.start, Buffer.from('k'))
    expect(chunk.buf[entry.value]).toBe(2)
    expect(entry.end).toBe(chunk.end)
    entry.read(chunk, chunk.start, Buffer.from('none'))
    expect(entry.value).toBe(-1)
    entry.read(chunk, chunk.start)
    expect(entry.value).toBe(-1)
  })

  test('reports a malformed entry as E_INTERNAL with the id of the chunk', () => {
    const good = entryOf({ a: 'text' })
    const malformed = [
      good.subarray(0, 1),
      good.subarray(0, 6),
      good.subarray(0, 11),
      good.subarray(0, good.length - 1),
      Buffer.from([0x91, 0x80]),
      Buffer.concat([HEAD, Buffer.from([0xc0])]),
      Buffer.concat([Buffer.from([0x92]), encode(1), encode('no map')]),
    ]
    for (const bytes of malformed)
      for (const key of [undefined, Buffer.from('a')])
        expect(() => new Entry().read(chunkOf(bytes), 7, key)).toThrow(
          'chunk the-id contains a malformed entry',
        )
  })
})
