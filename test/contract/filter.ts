import { expect, test } from 'bun:test'
import { encode } from '@msgpack/msgpack'
import { headRoom, TAIL_ROOM } from '../../src/core/chunk.ts'
import { skip, writeMapHead } from '../../src/core/msgpack/encode.ts'
import type { Filter, FilterContext } from '../../src/core/plugin.ts'
import { chunkOf, LooseBuffers } from '../support/engine/chunk-of.ts'
import { LaterList } from '../support/later.ts'
import { fc } from '../support/property.ts'

export type Body = Record<string, unknown>

/** A filter and its expected result: the record that each record becomes, or undefined when it is dropped. */
export interface FilterCase {
  name: string
  create(ctx: FilterContext): Filter
  expected(record: Body): Body | undefined
  /** Pairs appended to those of `expected`, even if the record has such a key: maps may have duplicate keys. */
  added?: Body
}

const value = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.uint8Array({ maxLength: 300 }),
  fc.integer(),
  fc.double(),
  fc.boolean(),
  fc.constant(null),
  fc.array(fc.string(), { maxLength: 20 }),
  fc.dictionary(fc.constantFrom('a', 'b'), fc.string()),
)
const key = fc.oneof(fc.constantFrom('mark', 'keep', 'log'), fc.string({ minLength: 1, maxLength: 40 }))
const record = fc.dictionary(
  key.filter((k) => k !== '__proto__'),
  value,
  { maxKeys: 20 },
)

/** Length of array head and EventTime in hex digits. */
const TIME_DIGITS = 22

/** Returns the bytes of each entry of a chunk as hex, without decoding them. */
function entriesOf(buf: Buffer, start: number, end: number): string[] {
  const entries: string[] = []
  for (let at = start; at < end; ) {
    const next = skip(buf, at, end)
    expect(next).toBeGreaterThan(at)
    entries.push(buf.toString('hex', at, next))
    at = next
  }
  return entries
}

/** Returns the expected entries as hex; each record keeps its original time. */
function expectedEntries(records: Body[], { expected, added = {} }: FilterCase): string[] {
  const before = chunkOf(records)
  const entries = entriesOf(before.buf, before.start, before.end)
  return records.flatMap((body, i) => {
    const after = expected(body)
    if (after === undefined) return []
    const pairs = [...Object.entries(after), ...Object.entries(added)]
    const head = Buffer.alloc(5)
    const map = [
      head.subarray(0, writeMapHead(head, 0, pairs.length)),
      ...pairs.flat().map((item) => encode(item)),
    ]
    return [entries[i]?.slice(0, TIME_DIGITS) + Buffer.concat(map).toString('hex')]
  })
}

/** Tests what the engine requires of every filter. */
export function filterContract(filterCase: FilterCase): void {
  test(`${filterCase.name}: leaves other bytes unchanged, keeps count, head and tail room right, and returns its buffers`, () => {
    fc.assert(
      fc.property(fc.array(record, { minLength: 1, maxLength: 12 }), (records) => {
        const buffers = new LooseBuffers()
        const chunk = chunkOf(records, 'some.tag', buffers)
        const filter = filterCase.create({ buffers } as unknown as FilterContext)
        filter.apply(chunk, new LaterList(buffers))
        const entries = entriesOf(chunk.buf, chunk.start, chunk.end)
        expect(entries).toEqual(expectedEntries(records, filterCase))
        expect(chunk.count).toBe(entries.length)
        expect(chunk.start).toBeGreaterThanOrEqual(headRoom('some.tag'))
        expect(chunk.buf.length - chunk.end).toBeGreaterThanOrEqual(TAIL_ROOM)
        expect([...buffers.out]).toEqual([chunk.buf])
        chunk.release()
        expect(buffers.out.size).toBe(0)
      }),
      { numRuns: 200 },
    )
  })

  test(`${filterCase.name}: filters each chunk independently`, () => {
    const records = [{ mark: 'x', keep: 'y' }, { log: 'z' }, { mark: 'odd' }]
    const buffers = new LooseBuffers()
    const filter = filterCase.create({ buffers } as unknown as FilterContext)
    for (const part of [records, records.slice(1), records]) {
      const chunk = chunkOf(part, 'some.tag', buffers)
      filter.apply(chunk, new LaterList(buffers))
      expect(entriesOf(chunk.buf, chunk.start, chunk.end)).toEqual(expectedEntries(part, filterCase))
    }
  })
}
