import { encode } from '@msgpack/msgpack'
import { Chunk, headRoom, TAIL_ROOM } from '../../../src/core/chunk.ts'
import { encodeStr, writeEntryHead, writeStrHead } from '../../../src/core/msgpack/encode.ts'
import { textHead } from '../../../src/core/msgpack/record.ts'
import type { LooseBuffers } from '../../support/engine/chunk-of.ts'
import { fc } from '../../support/property.ts'
import { mapOfPairs, type RawPair } from '../../support/records/raw-record.ts'

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex')

/** Time of the first record; each further one is a second later, so that a head tells which record it is. */
const FIRST_SECOND = 1_700_000_000

/** Texts that the configurations of the table look for, convert, parse or redact. */
const TEXTS = [
  ...[
    '',
    'x',
    'yes',
    'true',
    '12',
    '-7',
    '0x1f',
    '1.5',
    '192.0.2.1',
    'listed',
    'drop',
    'move',
    'copy',
    'fail',
    'keep',
    'never',
    'error',
    'start of it',
    'Exception: x',
    '    at java.Foo(A.java:1)',
  ],
  ...['{"p":1,"log":"q","p":2}', '{"a":{"b":[1,null]}}', '{"', 'k=v k=w', 'joe@example.com', 'ÄÖ€ 😀'],
  ...['4111 1111 1111 1111', 'x'.repeat(31), 'y'.repeat(32), 'z'.repeat(300), 'w'.repeat(70_000)],
].map(encodeStr)

/** Values whose bytes another encoder would not write, or that a decoder would not keep. */
export const VALUES: readonly Buffer[] = [
  ...TEXTS,
  ...[0, 5, -3, 70_000, 1.5, 3.75e20, true, false, null, [1, 'a', null], [], {}].map((value) =>
    Buffer.from(encode(value)),
  ),
  ...[
    { a: 1, b: { a: 2, c: ['x'] } },
    { log: 'nested', text: 'x', untouched: [[[{}]]] },
  ].map((value) => Buffer.from(encode(value))),
  hex('a2fffe'), // invalid UTF-8
  hex('a3e282 41'), // cut off within a sequence
  hex('a3eda080'), // a surrogate
  hex('cfffffffffffffffff'), // 2^64-1
  hex('cf8000000000000000'),
  hex('d38000000000000000'), // -2^63
  hex('d37fffffffffffffff'),
  hex('cf0020000000000001'), // 2^53+1
  hex('ca3fc00000'), // float32
  hex('ca7fc00000'), // NaN as a float32
  hex('cb8000000000000000'), // -0
  hex('cb7ff0000000000000'), // Infinity
  hex('cb7ff8000000000001'), // NaN with a payload
  hex('d40502'), // ext: fixext 1 to 16, ext 8, 16 and 32
  hex('d5ff0102'),
  hex('d6ff5f5e1000'),
  hex('d70065000000 3b9ac9ff'), // an EventTime
  hex('d8070102030405060708090a0b0c0d0e0f10'),
  hex('c7030a010203'),
  hex('c8000300010203'),
  hex('c9000000000c'),
  hex('c403000102'), // bin
  hex('c50001ff'),
  hex('c600000000'),
  hex('82a16101a16102'), // maps that have a key twice
  hex('83a3746f70a1 61a16283a16101a16102a0c0a3746f70c0'),
  hex('8307a178c4016101c001'), // keys that are no texts
  hex('d90178'), // longer heads than necessary
  hex('da000178'),
  hex('db0000000178'),
  hex('cc01'),
  hex('cd0001'),
  hex('ce00000001'),
  hex('cf0000000000000001'),
  hex('d1ffff'),
  hex('d3ffffffffffffffff'),
  hex('dc0001a161'),
  hex('dd00000001a161'),
  hex('de0001a161a0'),
  hex('df00000001a16101'),
  Buffer.concat([hex('91'.repeat(200)), hex('c0')]), // nested deeply
  Buffer.concat([hex('81a161'.repeat(200)), hex('c0')]),
]

/** Entries that are no records: they can have no pairs. */
export const MALFORMED: readonly Buffer[] = [
  ...[
    'c0',
    '05',
    'a3666f6f',
    '90',
    '80',
    '81a16101',
    '91d70065000000 00000001',
    '93 d70065000000 00000001 80 c0',
  ],
  ...[
    '92d70065000000 00000001 a3666f6f',
    '92d70065000000 00000001 c0',
    '92d70065000000 00000001 91 81a16101',
  ],
  ...['9191 81a16101', '92 92d7006500000000000001 80 c0', '92 c0 c0', 'dc0000', 'd40502', 'c403000102', 'c3'],
].map(hex)

const METADATA = ['80', '81a16b01', '82a16b01a16b02', '81a16ba2fffe', 'df00000001a16b01'].map(hex)

export type HeadKind = 'time' | 'metadata' | 'seconds' | 'float'
const HEAD_KINDS: readonly HeadKind[] = ['time', 'time', 'time', 'metadata', 'metadata', 'seconds', 'float']

/** An entry of a hostile chunk. `pairs` is undefined for one that is no record. */
export interface HostileEntry {
  pairs?: RawPair[]
  kind?: HeadKind
  bytes?: Buffer
}

/** Returns the head of a record: array, time and metadata. */
function headOf(kind: HeadKind, number: number): Buffer {
  const head = Buffer.alloc(11)
  writeEntryHead(head, 0, FIRST_SECOND + number, 5)
  if (kind === 'time') return head
  if (kind === 'metadata')
    return Buffer.concat([hex('92'), head, METADATA[number % METADATA.length] as Buffer])
  const time = Buffer.alloc(kind === 'seconds' ? 5 : 9)
  time[0] = kind === 'seconds' ? 0xce : 0xcb
  if (kind === 'seconds') time.writeUInt32BE(FIRST_SECOND + number, 1)
  else time.writeDoubleBE(FIRST_SECOND + number + 0.5, 1)
  return Buffer.concat([hex('92'), time])
}

export const idText = (number: number): string => `<id:${String(number).padStart(5, '0')}>`

/** Returns a pair with a key whose head is of the given form: 0 the shortest, or 1, 2 and 4 bytes of length. */
export function rawPair(key: string, value: Buffer, lengthBytes: 0 | 1 | 2 | 4 = 0): RawPair {
  const bytes = Buffer.from(key)
  if (lengthBytes === 0) return { key: bytes.toString('latin1'), keyBytes: encodeStr(key), value }
  const head = Buffer.alloc(lengthBytes + 1)
  head[0] = lengthBytes === 1 ? 0xd9 : lengthBytes === 2 ? 0xda : 0xdb
  head.writeUIntBE(bytes.length, 1, lengthBytes)
  return { key: bytes.toString('latin1'), keyBytes: Buffer.concat([head, bytes]), value }
}

const ODD_KEYS = [
  '07',
  'c0',
  'a2fffe',
  'c40161',
  '9101',
  '81a16101',
  'd40502',
  'ca3fc00000',
  'ceffffffff',
].map(hex)

/** Returns a pair whose key is no text, or one that is not UTF-8. */
function oddPair(number: number, value: Buffer): RawPair {
  const keyBytes = ODD_KEYS[number % ODD_KEYS.length] as Buffer
  return { key: `odd ${keyBytes.toString('hex')}`, keyBytes, value }
}

/** Returns the pairs with the id at the end of the last text under `log`: where records are joined, it says which are in it. */
function withMark(pairs: readonly RawPair[], id: Buffer): RawPair[] {
  const last = pairs.findLastIndex(({ key }) => key === 'log')
  return pairs.map((pair, i) => {
    const head = i === last ? textHead(pair.value, 0) : -1
    if (head < 0) return pair
    const text = Buffer.concat([pair.value.subarray(head), id.subarray(1)])
    const long = Buffer.alloc(5)
    return { ...pair, value: Buffer.concat([long.subarray(0, writeStrHead(long, 0, text.length)), text]) }
  })
}

/** Creates a chunk of these entries. `first`: number of the first record, by which it is known. */
export function hostileChunk(
  entries: readonly HostileEntry[],
  buffers: LooseBuffers,
  tag: string,
  { first = 0, marksLog = false }: { first?: number; marksLog?: boolean } = {},
): Chunk {
  const all = entries.map(({ pairs, kind = 'time', bytes = Buffer.alloc(0) }, i) => {
    if (pairs === undefined) return bytes
    const id = encodeStr(idText(first + i))
    const marked = marksLog ? withMark(pairs, id) : pairs
    return Buffer.concat([headOf(kind, first + i), mapOfPairs([rawPair('id', id), ...marked])])
  })
  const body = Buffer.concat(all)
  const start = headRoom(tag)
  const buf = buffers.force(start + body.length + TAIL_ROOM)
  // What a filter reads beyond its chunk shall be no MessagePack.
  buf.fill(0xc1)
  body.copy(buf, start)
  const init = { tag, input: 'test.0', buf, start, end: start + body.length, count: entries.length }
  return new Chunk({ ...init, id: `chunk-${first}`, inputBytes: body.length, hasMetadata: true }, buffers)
}

/** Keys that the configurations of the table name, and others. */
const KEYS = [
  ...[
    'log',
    'text',
    'num',
    'ip',
    'nested',
    'a',
    'b',
    'c',
    'k8s_pod',
    'k8s_node',
    'k8s_',
    'level',
    'move',
    'drop',
  ],
  ...['LOG', 'untouched', '', 'x'.repeat(40), 'lo', 'log2', 'stream', 'kubernetes', '__proto__', '7'],
]

const keyText = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom(...KEYS) },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 40 }) },
)
const value = fc.constantFrom(...VALUES.filter(({ length }) => length < 1000))
const nested = fc
  .array(fc.tuple(keyText, value), { maxLength: 5 })
  .map((pairs) => mapOfPairs(pairs.map(([key, each]) => rawPair(key, each))))
const list = fc
  .array(value, { maxLength: 4 })
  .map((items) => Buffer.concat([Buffer.of(0x90 | items.length), ...items]))

const pair = fc
  .tuple(
    keyText,
    fc.constantFrom<0 | 1 | 2 | 4>(0, 0, 0, 0, 0, 0, 1, 2, 4),
    fc.oneof(
      { weight: 6, arbitrary: value },
      { weight: 1, arbitrary: nested },
      { weight: 1, arbitrary: list },
    ),
    fc.nat(60),
  )
  .map(([key, form, each, odd]) =>
    odd < ODD_KEYS.length ? oddPair(odd, each) : rawPair(key, each, form === 1 && key.length > 60 ? 2 : form),
  )

const record = fc.record({
  pairs: fc.array(pair, { maxLength: 20 }),
  kind: fc.constantFrom(...HEAD_KINDS),
})

/** Records and entries that are none. */
export const hostileEntries: fc.Arbitrary<HostileEntry[]> = fc.array(
  fc.oneof(
    { weight: 8, arbitrary: record as fc.Arbitrary<HostileEntry> },
    { weight: 1, arbitrary: fc.constantFrom(...MALFORMED).map((bytes): HostileEntry => ({ bytes })) },
  ),
  { minLength: 1, maxLength: 10 },
)

/** Each value under `key`, alone and after another value of this key, with an entry that is no record after each record. */
export function everyValueUnder(key: string): HostileEntry[] {
  return VALUES.flatMap((each, i): HostileEntry[] => {
    const kind = HEAD_KINDS[i % HEAD_KINDS.length] as HeadKind
    const form = ([0, 1, 2, 4] as const)[i % 4] as 0 | 1 | 2 | 4
    const untouched = rawPair('untouched', each, form)
    const last = rawPair(key, each)
    const once = { kind, pairs: [rawPair('log', encodeStr('one')), untouched, last] }
    const other = VALUES[(i + 7) % VALUES.length] as Buffer
    const twice = { kind, pairs: [rawPair(key, other), oddPair(i, each), untouched, last, untouched] }
    return [once, { bytes: MALFORMED[i % MALFORMED.length] as Buffer }, twice]
  })
}

/** A record of `count` keys, some of them twice. */
export function largeRecord(count: number): HostileEntry {
  const pairs = Array.from({ length: count }, (_, i) => {
    const key =
      i % 100 === 0 ? (KEYS[(i / 100) % KEYS.length] as string) : `${['p', 'k8s_', 'm'][i % 3]}${i % 7000}`
    return rawPair(key, VALUES[i % 20] as Buffer)
  })
  return { pairs, kind: 'metadata' }
}
