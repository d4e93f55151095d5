import { expect, test } from 'bun:test'
import { DecodeError, decode, ExtData, encode } from '@msgpack/msgpack'
import { readTime } from '../../../src/protocol/forward/event-time.ts'
import { MessageReader } from '../../../src/protocol/forward/message-reader.ts'
import { encodeAck } from '../../../src/protocol/forward/option.ts'
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
    else if (step === 'entry') message.records.push(map < 0 ? 'none' : timed(buf, reader.time, map, end))
    else if (step === 'compressed') message.compressed.push(buf.toString('latin1', start, end))
    else if (step === 'end')
      message.chunk = reader.chunk && (decode(encodeAck(reader.chunk)) as { ack: unknown }).ack
  }
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

test('names the limit that was exceeded, and what is not a message', () => {
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

test('distinguishes an invalid entry from its neighbors', () => {
  const entries = [[5, { a: 1 }], 'no entry', [5], [5, [1]], [eventTime(6, 0), { b: 1 }], ['x', {}], [-1, {}]]
  const expected = [[5, 0, { a: 1 }], 'none', 'none', 'none', [6, 0, { b: 1 }], 'none', 'marker']
  expect(readAll([bytesOf(['t', entries])]).messages[0]?.records).toEqual(expected)
  const packed = Buffer.concat(entries.map(bytesOf))
  expect(readAll([bytesOf(['t', packed])]).messages[0]?.records).toEqual(expected)
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
