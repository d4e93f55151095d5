import { expect, test } from 'bun:test'
import { DecodeError, decode, ExtData, encode } from '@msgpack/msgpack'
import { readTime } from '../../../src/protocol/forward/event-time.ts'
import { MessageReader } from '../../../src/protocol/forward/message-reader.ts'
import { writeAck } from '../../../src/protocol/forward/option.ts'
import { Malformed } from '../../../src/protocol/forward/value-scanner.ts'
import { fc } from '../../support/property.ts'

interface Read {
  tag: string
  records: unknown[]
  /** Compressed payloads, as received. */
  compressed: string[]
  chunk: unknown
}

/** Reads pieces with a reader whose buffers are overwritten when they are released. */
function readAll(pieces: Buffer[], maxBytes = 100_000): { messages: Read[]; held: number; within: boolean } {
  let held = 0
  const messages: Read[] = []
  const reader = new MessageReader({
    maxBytes,
    take: (bytes) => {
      held += bytes
      return Buffer.alloc(bytes, 0xc1)
    },
    give: (buf) => {
      held -= buf.length
      buf.fill(0xc1)
    },
  })
  for (const piece of pieces) {
    const own = Buffer.from(piece)
    expect(reader.push(own)).toBe(true)
    own.fill(0xc1)
    steps(reader, messages)
  }
  return { messages, held, within: reader.isInsideMessage }
}

function steps(reader: MessageReader, messages: Read[]): void {
  for (let step = reader.next(); step !== 'more'; step = reader.next()) {
    const { buf, start, end, map } = reader
    if (step === 'begin') messages.push({ tag: reader.tag, records: [], compressed: [], chunk: undefined })
    const message = messages.at(-1) as Read
    if (step === 'entries') message.records.push(...runOf(buf, start, end, reader.count))
    else if (step === 'entry') message.records.push(timed(buf, reader.time, map, end))
    else if (step === 'compressed') message.compressed.push(buf.toString('latin1', start, end))
    else if (step === 'end') message.chunk = acknowledged(reader)
  }
}

function acknowledged({ buf, chunk, chunkEnd }: MessageReader): unknown {
  if (chunk < 0) return undefined
  const out = Buffer.alloc(2000)
  return (decode(out.subarray(0, writeAck(out, 0, buf, chunk, chunkEnd))) as { ack: unknown }).ack
}

function runOf(buf: Buffer, start: number, end: number, count: number): unknown[] {
  const head = count < 65_536 ? Buffer.from([0xdc, count >> 8, count & 255]) : Buffer.alloc(0)
  const entries = decode(Buffer.concat([head, buf.subarray(start, end)])) as [ExtData, unknown][]
  return entries.map(([time, map]) => {
    const bytes = Buffer.from(time.data as Uint8Array)
    return [bytes.readUInt32BE(0), bytes.readUInt32BE(4), map]
  })
}

function timed(buf: Buffer, at: number, map: number, end: number): unknown {
  const time = { sec: 0, nsec: 0 }
  const kind = readTime(buf, at, time)
  return kind === 'time' ? [time.sec, time.nsec, decode(buf.subarray(map, end))] : kind
}

function eventTime(sec: number, nsec: number): ExtData {
  const data = Buffer.alloc(8)
  data.writeUInt32BE(sec, 0)
  data.writeUInt32BE(nsec, 4)
  return new ExtData(0, data)
}

const bytesOf = (value: unknown): Buffer => Buffer.from(encode(value) as Uint8Array)

/** A time, as it is sent and as it is read. */
const time = fc.oneof(
  fc
    .tuple(fc.nat(2 ** 31), fc.nat(999_999_999))
    .map(([s, n]) => ({ sent: eventTime(s, n) as unknown, read: [s, n] })),
  fc.integer({ min: 1, max: 2 ** 31 }).map((s) => ({ sent: s as unknown, read: [s, 0] })),
  fc.integer({ min: 1, max: 2 ** 31 }).map((s) => ({ sent: (s + 0.5) as unknown, read: [s, 500_000_000] })),
  fc.nat(2 ** 31).map((s) => ({ sent: [eventTime(s, 3), { meta: 1 }] as unknown, read: [s, 3] })),
)
const record = fc.dictionary(
  fc.string({ maxLength: 6 }),
  fc.oneof(fc.string({ maxLength: 300 }), fc.nat(), fc.constant({ deep: [1, null] })),
  { maxKeys: 3 },
)
const entry = fc.tuple(time, record)
const chunk = fc.oneof(fc.constant(undefined), fc.string({ minLength: 1, maxLength: 40 }))
const mode = fc.constantFrom('message', 'forward', 'packed', 'packed as text', 'compressed')

type Entry = [{ sent: unknown; read: number[] }, Record<string, unknown>]

function messageOf(
  form: string,
  tag: string,
  all: Entry[],
  id: string | undefined,
): { bytes: Buffer; read: Read } {
  const option = id === undefined ? [] : [{ size: all.length, chunk: id }]
  const entries = all.map(([t, r]) => [t.sent, r])
  const records = all.map(([t, r]) => [...t.read, r])
  const read: Read = { tag, records, compressed: [], chunk: id }
  if (form === 'forward') return { bytes: bytesOf([tag, entries, ...option]), read }
  if (form === 'message') {
    const [first = [5, {}]] = entries
    const expected = records.length === 0 ? [[5, 0, {}]] : records.slice(0, 1)
    return { bytes: bytesOf([tag, ...first, ...option]), read: { ...read, records: expected } }
  }
  const packed = Buffer.concat(entries.map(bytesOf))
  if (form === 'packed') return { bytes: bytesOf([tag, packed, ...option]), read }
  if (form === 'compressed') {
    const payload = Buffer.concat([Buffer.from('1f8b0800', 'hex'), packed])
    const same = { ...read, records: [], compressed: [payload.toString('latin1')] }
    return { bytes: bytesOf([tag, payload, ...option]), read: same }
  }
  const head = Buffer.alloc(5)
  head[0] = 0xdb
  head.writeUInt32BE(packed.length, 1)
  const parts = [Buffer.from([0x92 + option.length]), bytesOf(tag), head, packed, ...option.map(bytesOf)]
  return { bytes: Buffer.concat(parts), read }
}

test('reads every message mode however the stream is split, and keeps no buffer in the end', () => {
  const message = fc.tuple(mode, fc.string({ maxLength: 40 }), fc.array(entry, { maxLength: 40 }), chunk)
  fc.assert(
    fc.property(
      fc.array(message, { maxLength: 6 }),
      fc.array(fc.nat(700)),
      fc.boolean(),
      (all, cuts, beats) => {
        const made = all.map(([form, tag, entries, id]) => messageOf(form, tag, entries as Entry[], id))
        const beat = Buffer.from(beats ? [0xc0] : [])
        const stream = Buffer.concat(made.flatMap(({ bytes }) => [beat, bytes]))
        const pieces: Buffer[] = []
        let at = 0
        for (const cut of cuts) {
          pieces.push(stream.subarray(at, at + cut))
          at = Math.min(stream.length, at + cut)
        }
        const got = readAll([...pieces, stream.subarray(at)])
        expect(got.messages).toEqual(made.map(({ read }) => read))
        expect(got.held).toBe(0)
        expect(got.within).toBe(false)
      },
    ),
    { numRuns: 300 },
  )
})

test('returns steps or throws Malformed for any bytes, and keeps no more than one value and one piece', () => {
  const start = fc.constantFrom(
    [],
    [0x92],
    [0x93, 0xa1, 0x74],
    [0x93, 0xa1, 0x74, 0xc4, 40],
    [0x92, 0xa1, 0x74, 0x92],
  )
  const piece = fc.uint8Array({ maxLength: 60 })
  fc.assert(
    fc.property(start, fc.array(piece, { maxLength: 8 }), (head, pieces) => {
      try {
        const { held } = readAll([Buffer.from(head), ...pieces.map((p) => Buffer.from(p))], 200)
        expect(held).toBeLessThanOrEqual(16_384)
      } catch (error) {
        // A map as a key is MessagePack, which the test's own decoder does not read.
        if (!(error instanceof DecodeError)) expect(error).toBeInstanceOf(Malformed)
      }
    }),
    { numRuns: 3000 },
  )
})

test('reports the exceeded limit, and input that is not a message', () => {
  const reading =
    (...values: Buffer[]) =>
    () =>
      readAll(values, 1000)
  expect(reading(Buffer.from('GET / HTTP/1.1\r\n'))).toThrow('an HTTP request')
  expect(reading(Buffer.from('["tag",1,{}]'))).toThrow('JSON')
  expect(reading(Buffer.from([0x16, 3, 1, 2, 0]))).toThrow('TLS')
  expect(reading(Buffer.from('oh'))).toThrow('the byte 0x6f where a message begins')
  expect(reading(bytesOf(['t', 'x'.repeat(1001)]).subarray(0, 8))).toThrow('a payload of 1001 bytes')
  expect(reading(bytesOf(['t'.repeat(1025), 5, {}]))).toThrow('more than 1000 bytes')
  expect(() => readAll([bytesOf(['t'.repeat(1025), 5, {}])])).toThrow('a tag of more than 1024 bytes')
  expect(reading(bytesOf([7, 5, {}]))).toThrow('the byte 0x7 where a tag begins')
  expect(reading(bytesOf(['t', 5]))).toThrow('a message of 2 parts')
  expect(reading(bytesOf(['t', [], {}, {}]))).toThrow('a message of 4 parts')
  expect(reading(bytesOf(['t', [], 5]))).toThrow('options that are not a map')
  expect(reading(bytesOf(['t', bytesOf([5, { a: 'cut' }]).subarray(0, 5)]))).toThrow('ends within an entry')
  expect(() => readAll([bytesOf(['t', [], { x: 'y'.repeat(70_000) }])])).toThrow('options of more than')
  expect(() => readAll([bytesOf(['t', [], { chunk: 'y'.repeat(2000) }])])).toThrow('a chunk id of 2003 bytes')
})

test('an entry without a time and a record ends the stream, in every mode', () => {
  for (const invalid of ['no entry', [5], [5, [1]], [5, 'text'], {}, 7, [{}, 5]]) {
    const entries = [[5, { a: 1 }], invalid]
    for (const payload of [entries, Buffer.concat(entries.map(bytesOf))])
      expect(() => readAll([bytesOf(['t', payload])])).toThrow('an entry that is not [time, record]')
  }
  expect(() => readAll([bytesOf(['t', 5, 'text'])])).toThrow('an entry that is not [time, record]')
})

test('an entry with more than time and record is read without the rest', () => {
  const entries = [[5, { a: 1 }, 'more', [2]]]
  for (const payload of [entries, Buffer.concat(entries.map(bytesOf))])
    expect(readAll([bytesOf(['t', payload])]).messages[0]?.records).toEqual([[5, 0, { a: 1 }]])
})

const ext = (type: number, hex: string): ExtData => new ExtData(type, Buffer.from(hex, 'hex'))

const TIMES: [string, unknown, unknown][] = [
  ['milliseconds', 1_795_896_080_123, ['repaired', 1_795_896_080, 123_000_000]],
  ['microseconds', 1_795_896_080_123_456, ['repaired', 1_795_896_080, 123_456_000]],
  ['nanoseconds', 1_795_896_080_123_456_000n, ['repaired', 1_795_896_080, 123_456_000]],
  ['milliseconds as a float', 1_795_896_080_123.5, ['repaired', 1_795_896_080, 123_500_000]],
  ['the last second', 0xfffffffd, ['time', 0xfffffffd, 0]],
  ['a second too late for EventTime', 0xffffffff, ['unknown']],
  ['a number between seconds and milliseconds', 9_999_999_999, ['unknown']],
  ['a negative number', -5, ['unknown']],
  ['a negative float', -1.5, ['unknown']],
  ['NaN', Number.NaN, ['unknown']],
  ['infinity', Number.POSITIVE_INFINITY, ['unknown']],
  ['the largest integer', 2n ** 64n - 1n, ['unknown']],
  ['a truth value', true, ['unknown']],
  ['a map', { t: 5 }, ['unknown']],
  ['an unknown extension', ext(7, '0000000500000000'), ['unknown']],
  ['a Timestamp of 32 bits', ext(-1, '6b0b1f50'), ['time', 0x6b0b1f50, 0]],
  ['a Timestamp of 64 bits', ext(-1, '00000014 6b0b1f50'.replace(' ', '')), ['time', 0x6b0b1f50, 5]],
  ['a Timestamp of 96 bits', ext(-1, '0000000500000000 6b0b1f50'.replace(' ', '')), ['time', 0x6b0b1f50, 5]],
  ['a Timestamp before 1970', ext(-1, '00000005ffffffffffffffff'), ['unknown']],
  ['a Timestamp after 2106', ext(-1, '000000050000000200000000'), ['unknown']],
  ['nanoseconds beyond a second', ext(0, '00000005ffffffff'), ['repaired', 5, 999_999_999]],
  ['nanoseconds of exactly a second', ext(0, '000000053b9aca00'), ['repaired', 5, 999_999_999]],
  ['the last nanosecond', ext(0, '000000053b9ac9ff'), ['time', 5, 999_999_999]],
  ['a mark of fluent-bit', ext(0, 'ffffffff00000000'), ['marker']],
  ['a mark in the form with metadata', [-1, {}], ['marker']],
  ['nested times', [[[5]]], ['unknown']],
]

test.each(TIMES)('reads %s as a time', (_, sent, expected) => {
  const buf = Buffer.from(encode(sent, { useBigInt64: true }) as Uint8Array)
  const time = { sec: -1, nsec: -1 }
  const kind = readTime(buf, 0, time)
  const [, sec, nsec] = expected as [string, number, number]
  expect([kind, ...(sec === undefined ? [] : [time.sec])] as unknown).toEqual(
    (expected as unknown[]).slice(0, 2),
  )
  // A number in nanoseconds is a multiple of 256.
  if (nsec !== undefined) expect(Math.abs(time.nsec - nsec)).toBeLessThan(typeof sent === 'bigint' ? 256 : 1)
})

test('an entry is passed on unread only if its nanoseconds and seconds are valid', () => {
  const entries = [
    [ext(0, '00000005ffffffff'), { a: 1 }],
    [ext(0, 'ffffffff00000000'), {}],
    [ext(0, '000000053b9ac9ff'), { a: 2 }],
  ]
  expect(readAll([bytesOf(['t', entries])]).messages[0]?.records).toEqual([
    'repaired',
    'marker',
    [5, 999_999_999, { a: 2 }],
  ])
})

test('reports a time that is left to the receiver; options may be nil, an id may be a bin', () => {
  expect(readAll([bytesOf(['t', null, {}, null])]).messages).toEqual([
    { tag: 't', records: ['now'], compressed: [], chunk: undefined },
  ])
  const id = Buffer.from([0, 255])
  expect(readAll([bytesOf(['t', [], { chunk: id }])]).messages[0]?.chunk).toEqual(new Uint8Array(id))
})

test('accepts nothing while no buffer is available, and continues when one is', () => {
  let hasMemory = false
  const reader = new MessageReader({
    maxBytes: 100,
    take: (n) => (hasMemory ? Buffer.alloc(n) : undefined),
    give: () => {},
  })
  const bytes = bytesOf(['t', 5, { a: 1 }])
  expect(reader.push(bytes)).toBe(false)
  expect(reader.next()).toBe('more')
  hasMemory = true
  expect(reader.push(bytes)).toBe(true)
  const read: Read[] = []
  steps(reader, read)
  expect(read[0]?.records).toEqual([[5, 0, { a: 1 }]])
})
