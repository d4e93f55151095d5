import { expect, test } from 'bun:test'
import { encode } from '@msgpack/msgpack'
import { Chunk, headRoom, TAIL_ROOM } from '../../src/core/chunk.ts'
import { Places } from '../../src/core/places.ts'
import { putPlaces, takePlaces, withoutPlace } from '../../src/engine/places.ts'
import { LooseBuffers } from '../support/engine/chunk-of.ts'

const TIME = Buffer.from('d7000000000100000002', 'hex')
const plain = (record: object): Buffer => Buffer.concat([Buffer.from([0x92]), TIME, encode(record)])
const withMetadata = (metadata: object, record: object): Buffer =>
  Buffer.concat([Buffer.from([0x92, 0x92]), TIME, encode(metadata), encode(record)])

function chunkOfEntries(entries: Buffer[], buffers = new LooseBuffers(), hasMetadata = false): Chunk {
  const bytes = Buffer.concat(entries)
  const start = headRoom('app')
  const buf = buffers.force(start + bytes.length + TAIL_ROOM)
  bytes.copy(buf, start)
  const end = start + bytes.length
  const init = { tag: 'app', input: 'in.0', buf, start, end, count: entries.length, id: 'id', inputBytes: 1 }
  return new Chunk({ ...init, hasMetadata }, buffers)
}

function place(chunk: Chunk, rows: [string, number, number?, number?][]): Chunk {
  chunk.places = new Places()
  for (const [source, offset, ordinal, extent] of rows)
    chunk.places.add(chunk.places.sourceIndex(source), offset, ordinal, extent)
  return chunk
}

const rowsOf = ({ places }: Chunk): string[] =>
  Array.from({ length: places?.count ?? 0 }, (_, i) =>
    [places?.sourceText(i), places?.offset(i), places?.ordinal(i), places?.extent(i) || []].flat().join(' '),
  )

test('entries and places are the same after they were together, with any metadata', () => {
  const buffers = new LooseBuffers()
  const many = Object.fromEntries(Array.from({ length: 15 }, (_, i) => [`k${i}`, i]))
  const entries = [
    plain({ a: 1 }),
    withMetadata({}, { a: 2 }),
    withMetadata({ m: 'x' }, { a: 3 }),
    withMetadata(many, { a: 4 }),
    plain({}),
  ]
  const rows: [string, number, number, number?][] = [
    ['agent file one', 0, 0],
    ['agent file one', 2 ** 52, 0],
    ['s', 3, 4, 2 ** 30 - 1],
    ['agent file one', 5, 0],
    ['s', 3, 5],
  ]
  const chunk = place(chunkOfEntries(entries, buffers, true), rows)
  putPlaces(chunk, buffers)
  expect(chunk.places).toBeUndefined()
  takePlaces(chunk, 'lua.0')
  expect(chunk.entries().equals(Buffer.concat(entries))).toBe(true)
  expect(rowsOf(chunk)).toEqual(rows.map((row) => row.join(' ')))
  chunk.release()
  expect(buffers.out.size).toBe(0)
})

test('several records made of one get ordinals of the filter, also across what it has sent on before', () => {
  const buffers = new LooseBuffers()
  const one = place(chunkOfEntries([plain({ a: 1 }), plain({ a: 2 })], buffers), [
    ['s', 0],
    ['s', 9],
  ])
  putPlaces(one, buffers)
  const bytes = Buffer.from(one.entries())
  const first = bytes.subarray(0, bytes.length / 2)
  const second = bytes.subarray(bytes.length / 2)
  const sent: Places[] = []
  const part = chunkOfEntries([first, first], buffers)
  takePlaces(part, 'script.0', sent)
  const rest = chunkOfEntries([first, second], buffers)
  takePlaces(rest, 'script.0', sent)
  expect(rowsOf(part)).toEqual(['s 0 0', 's>script.0.0 0 1'])
  expect(rowsOf(rest)).toEqual(['s>script.0.0 0 2', 's 9 0'])
})

test('what one filter makes of one of several records is not what another one has made of the first', () => {
  const buffers = new LooseBuffers()
  const chunk = place(chunkOfEntries([plain({ a: 1 })], buffers), [['s', 0]])
  const doubled = (name: string): void => {
    putPlaces(chunk, buffers)
    const entries: Buffer[] = []
    const bytes = Buffer.from(chunk.entries())
    const size = bytes.length / chunk.count
    // Entries of equal size follow each other only at the first time.
    if (chunk.count === 1) entries.push(bytes.subarray(0, size), bytes.subarray(0, size))
    else entries.push(bytes, bytes)
    const all = Buffer.concat(entries)
    const start = headRoom('app')
    const buf = buffers.force(start + all.length + TAIL_ROOM)
    all.copy(buf, start)
    chunk.replace(buf, start, start + all.length, chunk.count * 2)
    takePlaces(chunk, name)
  }
  doubled('lua.0')
  doubled('lua.1')
  expect(new Set(rowsOf(chunk)).size).toBe(4)
})

test('a sender cannot choose the place of its records', () => {
  const forged = withMetadata({ '': '0.5.agent content', place: '0.5.agent content' }, { a: 1 })
  const chunk = chunkOfEntries([forged], new LooseBuffers(), true)
  takePlaces(chunk, 'lua.0')
  expect(chunk.places).toBeUndefined()
  expect(chunk.entries().equals(forged)).toBe(true)
})

test('a record that is given up is written without its place', () => {
  const buffers = new LooseBuffers()
  const chunk = place(chunkOfEntries([plain({ a: 1 })], buffers), [['s', 7]])
  putPlaces(chunk, buffers)
  const end = withoutPlace(chunk.buf, chunk.start, chunk.end)
  expect(chunk.buf.subarray(chunk.start, end).equals(plain({ a: 1 }))).toBe(true)
})
