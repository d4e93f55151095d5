import { expect, test } from 'bun:test'
import { decode, encode } from '@msgpack/msgpack'
import { Chunk, headRoom, TAIL_ROOM } from '../../../src/core/chunk.ts'
import { ENTRY_HEAD, encodeStr, skip, writeEntryHead } from '../../../src/core/msgpack/encode.ts'
import { FixedPairs } from '../../../src/lib/records/added-pairs.ts'
import { EntryOutput } from '../../../src/lib/records/entry-output.ts'
import { chunkOf, LooseBuffers, metadataOf, recordsOf, withMetadata } from '../../support/engine/chunk-of.ts'
import { fc } from '../../support/property.ts'
import { repeatedKeys } from '../../support/repeated-keys.ts'

/** Returns a chunk of entries with these bodies, which are MessagePack of any form. */
function chunkOfBodies(bodies: Buffer[], buffers: LooseBuffers): Chunk {
  const size = bodies.reduce((sum, body) => sum + body.length + ENTRY_HEAD, 0)
  const start = headRoom('t')
  const buf = buffers.force(start + size + TAIL_ROOM)
  let end = start
  for (const body of bodies) {
    end = writeEntryHead(buf, end, 1, 2)
    end += body.copy(buf, end)
  }
  return new Chunk(
    { tag: 't', input: 'i', buf, start, end, count: bodies.length, id: 'id', inputBytes: 0 },
    buffers,
  )
}

function bodiesOf(chunk: Chunk): Buffer[] {
  const bodies: Buffer[] = []
  for (let at = chunk.start; at < chunk.end; ) {
    const next = skip(chunk.buf, at, chunk.end)
    bodies.push(Buffer.from(chunk.buf.subarray(at + ENTRY_HEAD, next)))
    at = next
  }
  return bodies
}

type Pair = [key: Buffer, value: Buffer]

const key = fc.oneof(fc.constantFrom('az', 'id', 'bz', 'ad', 'x'.repeat(40)), fc.string({ maxLength: 8 }))
/** A key as MessagePack, in the shortest form or a longer one. */
const encodedKey = fc.tuple(key, fc.constantFrom('short', 'str16', 'bin')).map(([text, form]) => {
  const bytes = Buffer.from(text)
  if (form === 'short') return encodeStr(text)
  return Buffer.concat([
    form === 'bin' ? Buffer.of(0xc4, bytes.length) : Buffer.of(0xda, 0, bytes.length),
    bytes,
  ])
})
const value = fc.constantFrom(
  Buffer.of(0xc0),
  Buffer.from('cf8000000000000001', 'hex'),
  Buffer.from('ca3f800000', 'hex'),
  Buffer.from('d4050a', 'hex'),
  Buffer.from('a2fffe', 'hex'),
  Buffer.from('c402ffff', 'hex'),
  Buffer.from('82a2617a01a2617a02', 'hex'),
)

function mapOf(pairs: readonly Pair[], isLong: boolean): Buffer {
  const head = isLong || pairs.length > 15 ? Buffer.of(0xde, 0, pairs.length) : Buffer.of(0x80 | pairs.length)
  return Buffer.concat([head, ...pairs.flat()])
}

const ADDED = new Map([
  ['az', encodeStr('eu-1a')],
  ['x'.repeat(40), Buffer.of(1)],
])

const textOf = (encoded: Buffer): string => Buffer.from(decode(encoded) as never).toString()

test('the added pairs come last and replace those with equal keys of any form; the bytes of all others stay', () => {
  const record = fc.tuple(fc.array(fc.tuple(encodedKey, value), { maxLength: 20 }), fc.boolean())
  fc.assert(
    fc.property(fc.array(record, { maxLength: 5 }), (records) => {
      const buffers = new LooseBuffers()
      const chunk = chunkOfBodies(
        records.map(([pairs, isLong]) => mapOf(pairs, isLong)),
        buffers,
      )
      new FixedPairs(ADDED).addToAll(chunk, new EntryOutput(buffers))
      const expected = records.map(([pairs]) => {
        const kept = pairs.filter(([each]) => !ADDED.has(textOf(each)))
        const added = [...ADDED].map(([each, bytes]): Pair => [encodeStr(each), bytes])
        return mapOf([...kept, ...added], false).toString('hex')
      })
      expect(bodiesOf(chunk).map((body) => body.toString('hex'))).toEqual(expected)
      expect(chunk.count).toBe(records.length)
      chunk.release()
      expect(buffers.out.size).toBe(0)
    }),
  )
})

test('an entry that is no record stays, and so does metadata', () => {
  const buffers = new LooseBuffers()
  const bodies = [Buffer.of(0xa1, 0x78), Buffer.from(encode({ a: 1 }))]
  const chunk = chunkOfBodies(bodies, buffers)
  const pairs = new FixedPairs(new Map([['b', Buffer.of(2)]]))
  pairs.addToAll(chunk, new EntryOutput(buffers))
  expect(bodiesOf(chunk)).toEqual([bodies[0] as Buffer, Buffer.from(encode({ a: 1, b: 2 }))])
  const described = withMetadata([{ b: 1 }], { m: 1 }, 'app', buffers)
  pairs.addToAll(described, new EntryOutput(buffers))
  expect(recordsOf(described)).toEqual([{ b: 2 }])
  expect(metadataOf(described)).toEqual([{ m: 1 }])
})

test('a chunk without records, and one for which there are no pairs, keeps its buffer', () => {
  const buffers = new LooseBuffers()
  const out = new EntryOutput(buffers)
  const empty = chunkOf([], 'app', buffers)
  const { buf } = empty
  new FixedPairs(ADDED).addToAll(empty, out)
  expect(empty.buf).toBe(buf)
  const chunk = chunkOf([{ a: 1 }], 'app', buffers)
  const before = chunk.buf
  new FixedPairs(new Map()).addToAll(chunk, out)
  expect(chunk.buf).toBe(before)
})

test('records of 10,000 keys, each of which is there many times', () => {
  const buffers = new LooseBuffers()
  const pairs = Array.from(
    { length: 10_000 },
    (_, i): Pair => [encodeStr(i % 2 ? 'az' : `k${i}`), Buffer.of(1)],
  )
  const head = Buffer.of(0xde, 10_000 >> 8, 10_000 & 255)
  const chunk = chunkOfBodies([Buffer.concat([head, ...pairs.flat()])], buffers)
  new FixedPairs(ADDED).addToAll(chunk, new EntryOutput(buffers))
  expect(Object.keys(recordsOf(chunk)[0] ?? {})).toHaveLength(5002)
  expect(repeatedKeys(chunk.buf, chunk.start, chunk.end)).toEqual([])
})
