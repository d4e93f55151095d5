import { encode } from '@msgpack/msgpack'
import { Chunk } from '../../../src/core/chunk.ts'
import { writeEntryHead } from '../../../src/core/msgpack/encode.ts'
import { LooseBuffers } from '../engine/chunk-of.ts'
import { fc } from '../property.ts'

export interface GivenEntry {
  sec: number
  nsec: number
  /** The map as MessagePack. */
  map: Uint8Array
  /** Metadata as MessagePack; the entry has none without. */
  metadata?: Uint8Array | undefined
}

/** Returns a chunk that claims `count` records: with few, encoders do not use WebAssembly. */
export function chunkOfEntries(given: readonly GivenEntry[], count: number, tag = 'app'): Chunk {
  const size = given.reduce((n, { map, metadata }) => n + 12 + map.length + (metadata?.length ?? 0), 0)
  const buf = Buffer.alloc(size + 100)
  let at = 20
  for (const { sec, nsec, map, metadata } of given) {
    if (metadata !== undefined) buf[at++] = 0x92
    at = writeEntryHead(buf, at, sec, nsec)
    if (metadata !== undefined) {
      buf.set(metadata, at)
      at += metadata.length
    }
    buf.set(map, at)
    at += map.length
  }
  const hasMetadata = given.some(({ metadata }) => metadata !== undefined)
  const init = { tag, input: 'test.0', id: 'id', inputBytes: size, hasMetadata }
  return new Chunk({ ...init, buf, start: 20, end: at, count }, new LooseBuffers())
}

const WORDS = ['plain', 'q"', '\\', '\n\t\r\b\f', '\u0001\u001f', 'é€😀', '\u007f', '漢字', ' ', 'a.b']
const words = fc.array(fc.constantFrom(...WORDS), { maxLength: 40 }).map((list) => list.join(''))
const text = fc.oneof(words, fc.string({ unit: 'binary', maxLength: 50 }), fc.uint8Array({ maxLength: 60 }))
const number = fc.oneof(
  fc.integer(),
  fc.maxSafeInteger(),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n - 1n }),
  fc.double(),
  fc.integer({ min: -99_999, max: 99_999 }).map((n) => n / 1000),
)
const KEYS = ['a', 'log', 'ключ', '"', 'a.b', 'a_b', 'долго'.repeat(9), '@timestamp', 'message', 'tag', 'n']
export const { value } = fc.letrec((tie) => ({
  value: fc.oneof(
    { withCrossShrink: true, depthSize: 'small' },
    text,
    number,
    fc.constantFrom(null, true, false, -0, 1e21, 1e-7, 0.1 + 0.2, 'x'.repeat(17_000)),
    fc.array(tie('value'), { maxLength: 20 }),
    fc.dictionary(fc.constantFrom(...KEYS), tie('value')),
  ),
}))
export const record = fc.dictionary(fc.constantFrom(...KEYS), value)
/** Maps with a duplicate key, keys that are not text, long heads, ext, float32, and bytes that are not UTF-8. */
const unusualMap = fc.constantFrom(
  '82a36c6f67a161a36c6f67a162',
  '81a36c6f6783a16101a36c6f6780a16102',
  '82a001a002',
  '81d90a4074696d657374616d7001',
  '82d90a4074696d657374616d7001a3746167c0',
  '82aa4074696d657374616d7001aa4074696d657374616d7002',
  '81012a',
  '81cb3ff8000000000000c3',
  '81c0a161',
  '8181a1610102',
  '81a36c6f67c403616263',
  '81a36c6f67c70305616263',
  '81a36c6f67d40100',
  '81a36c6f67ca3fc00000',
  '81a36c6f67a2c328',
  '81a2c32801',
  'df00000001a16101',
  '81a161dd00000001c0',
  `81a161${'91'.repeat(40)}c0`,
  `81a161${'81a161'.repeat(20)}c0`,
  '80',
)
export const map: fc.Arbitrary<Uint8Array> = fc.oneof(
  { weight: 9, arbitrary: record.map((each) => encode(each, { useBigInt64: true })) },
  { weight: 1, arbitrary: unusualMap.map((hex) => Buffer.from(hex, 'hex')) },
)
export const times = {
  sec: fc.oneof(fc.integer({ min: 1_700_000_000, max: 1_700_000_002 }), fc.nat({ max: 2 ** 32 - 1 })),
  nsec: fc.oneof(fc.nat({ max: 999_999_999 }), fc.constantFrom(0, 2 ** 32 - 1)),
}
/** Entries of chunks, as inputs and filters may have left them. */
export const entries: fc.Arbitrary<GivenEntry[]> = fc.array(
  fc.record({
    ...times,
    map,
    metadata: fc.oneof(
      { weight: 4, arbitrary: fc.constant(undefined) },
      { weight: 1, arbitrary: record.map((each) => encode(each, { useBigInt64: true })) },
    ),
  }),
  { minLength: 1, maxLength: 12 },
)
