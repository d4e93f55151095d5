import { encode } from '@msgpack/msgpack'
import { Chunk, headRoom, TAIL_ROOM } from '../../../src/core/chunk.ts'
import { encodeStr, skip, writeEntryHead, writeMapHead } from '../../../src/core/msgpack/encode.ts'
import { mapBody, mapPairs, spanOf } from '../../../src/core/msgpack/record.ts'
import type { LooseBuffers } from '../engine/chunk-of.ts'
import { fc } from '../property.ts'

/** A pair of a record as bytes. */
export interface RawPair {
  /** Text of the key as latin1; undefined for a key that is no text. */
  key: string | undefined
  keyBytes: Buffer
  value: Buffer
}

const hex = (text: string): Buffer => Buffer.from(text, 'hex')

/** Values that must keep their bytes: the last ones have longer heads than necessary. */
const VALUES = [
  ...['', 'x', 'yes', 'true', '12', '-7', '0x1f', '1.5', 'hello world', 'x'.repeat(40), 'y'.repeat(300)].map(
    encodeStr,
  ),
  ...[0, 5, -3, 70_000, 1.5, 3.75e20, true, false, null, { a: 1, b: { a: 2 } }, [1, 'a', null], {}].map(
    (value) => Buffer.from(encode(value)),
  ),
  hex('a2fffe'), // invalid UTF-8
  hex('cfffffffffffffffff'), // 2^64-1
  hex('d38000000000000000'), // -2^63
  hex('ca3fc00000'), // float32
  hex('cb8000000000000000'), // -0
  hex('d40502'), // fixext 1
  hex('c7030a010203'), // ext 8
  hex('c403000102'), // bin
  hex('82a16101a16102'), // a map that has a key twice
  hex('d90178'),
  hex('cd0001'),
  hex('df00000001a16101'),
]

const text = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom('a', 'b', 'c', 'ab', 'ac', 'm', 'log', 'p_a', 'p_b', 'LOG', '') },
  { weight: 1, arbitrary: fc.string({ minLength: 1, maxLength: 40 }) },
)

/** Keys: texts, some with a longer head than necessary, and now and then a number. */
const key = fc.oneof(
  { weight: 12, arbitrary: text.map(encodeStr) },
  {
    weight: 1,
    arbitrary: text.map((t) =>
      Buffer.concat([hex('da'), Buffer.from([0, Buffer.byteLength(t)]), Buffer.from(t)]),
    ),
  },
  { weight: 1, arbitrary: fc.constant(hex('07')) },
)

const value = fc.constantFrom(...VALUES)
const nested = fc
  .array(fc.tuple(key, value), { maxLength: 5 })
  .map((pairs) => mapOf(pairs.flat(), pairs.length))

/** A map as bytes, also one with keys that occur twice. */
export const rawRecord = fc
  .array(fc.tuple(key, fc.oneof({ weight: 5, arbitrary: value }, { weight: 1, arbitrary: nested })), {
    maxLength: 20,
  })
  .map((pairs) => mapOf(pairs.flat(), pairs.length))

function mapOf(parts: readonly Buffer[], pairs: number): Buffer {
  const head = Buffer.alloc(5)
  return Buffer.concat([head.subarray(0, writeMapHead(head, 0, pairs)), ...parts])
}

/** Takes a map apart. */
export function pairsOf(map: Buffer): RawPair[] {
  const pairs: RawPair[] = []
  let at = mapBody(map, 0)
  for (let left = mapPairs(map, 0); left > 0; left--) {
    const start = skip(map, at, map.length)
    const end = skip(map, start, map.length)
    const span = spanOf(map, at)
    const name = span && map.toString('latin1', span.start, span.end)
    pairs.push({ key: name, keyBytes: map.subarray(at, start), value: map.subarray(start, end) })
    at = end
  }
  return pairs
}

/** Returns a pair with a key of its own, in the shortest form. */
export function pairOf(key: string, value: Buffer): RawPair {
  return { key, keyBytes: encodeStr(Buffer.from(key, 'latin1').toString()), value }
}

/** Puts a map together. */
export function mapOfPairs(pairs: readonly RawPair[]): Buffer {
  return mapOf(
    pairs.flatMap(({ keyBytes, value }) => [keyBytes, value]),
    pairs.length,
  )
}

/** Returns the pairs without those that have a key of a later pair. */
export function lastOfEach(pairs: readonly RawPair[]): RawPair[] {
  return pairs.filter(
    ({ key }, i) => key === undefined || !pairs.slice(i + 1).some((later) => later.key === key),
  )
}

/** Creates a chunk of maps; every third entry has metadata. */
export function rawChunk(maps: readonly Buffer[], buffers: LooseBuffers, tag = 'app'): Chunk {
  const entries = maps.map((map, i) => {
    const head = Buffer.alloc(11)
    writeEntryHead(head, 0, 1000 + i, 5)
    const metadata = hex('81a16b01')
    return i % 3 === 2 ? Buffer.concat([hex('92'), head, metadata, map]) : Buffer.concat([head, map])
  })
  const size = entries.reduce((sum, { length }) => sum + length, 0)
  const start = headRoom(tag)
  const buf = buffers.force(start + size + TAIL_ROOM)
  Buffer.concat(entries).copy(buf, start)
  const init = { tag, input: 'test.0', buf, start, end: start + size, count: maps.length, id: 'id' }
  return new Chunk({ ...init, inputBytes: size, hasMetadata: true }, buffers)
}

/** Returns the maps of a chunk, and what is before each of them as hex. */
export function rawMaps(chunk: Chunk): { map: Buffer; head: string }[] {
  const maps: { map: Buffer; head: string }[] = []
  for (let at = chunk.start; at < chunk.end; ) {
    const end = skip(chunk.buf, at, chunk.end)
    const map = skip(chunk.buf, at + 1, chunk.end)
    if (end < 0 || map < 0) throw new Error('an entry is not complete')
    maps.push({ map: Buffer.from(chunk.buf.subarray(map, end)), head: chunk.buf.toString('hex', at, map) })
    at = end
  }
  return maps
}
