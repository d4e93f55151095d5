import { describe, expect, test } from 'bun:test'
import { decode, decodeMulti, encode } from '@msgpack/msgpack'
import {
  AckReader,
  encodeFrameOptions,
  entriesWithIntegerTime,
  entriesWithoutMetadata,
  frameHeadSize,
  writeFrameHead,
} from '../../../src/protocol/forward/frame.ts'
import { entriesChunk } from '../../support/forward/output-run.ts'
import { fc } from '../../support/property.ts'

const REASON =
  /^(expected a map|a response |the peer requires a shared key|the peer speaks|the peer is an HTTP server)/
const NO_OPTIONS = { chunk: undefined, size: undefined, compressed: undefined, extra: [] }

describe('frames', () => {
  test('an independent decoder reads head, entries and options of any tag as one message', () => {
    const tags = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.constantFrom('t'.repeat(31), 't'.repeat(32), 'é'.repeat(128)),
    )
    fc.assert(
      fc.property(tags, fc.uint8Array({ maxLength: 300 }), fc.boolean(), (tag, bytes, withOptions) => {
        const size = frameHeadSize(Buffer.byteLength(tag))
        const buf = Buffer.alloc(size + 7 + bytes.length, 0xff)
        const start = writeFrameHead(buf, size + 7, tag, bytes.length, withOptions)
        buf.set(bytes, size + 7)
        const options = encodeFrameOptions({ ...NO_OPTIONS, chunk: 'id', size: 3 }) as Buffer
        const frame = Buffer.concat([buf.subarray(start), withOptions ? options : Buffer.alloc(0)])
        expect(start).toBe(7)
        const expected = [
          Buffer.from(tag).toString(),
          bytes,
          ...(withOptions ? [{ chunk: 'id', size: 3 }] : []),
        ]
        expect(decode(frame)).toEqual(expected)
      }),
    )
  })

  test('options are in the order chunk, size, compressed, extra; without options there is no map', () => {
    const all = { chunk: 'i', size: 70_000, compressed: 'gzip', extra: [['k', 'é']] } as const
    const got = decode(encodeFrameOptions(all) as Buffer) as object
    expect(Object.entries(got)).toEqual([
      ['chunk', 'i'],
      ['size', 70_000],
      ['compressed', 'gzip'],
      ['k', 'é'],
    ])
    expect(encodeFrameOptions(NO_OPTIONS)).toBeUndefined()
  })
})

describe('AckReader', () => {
  const response = fc.record({ ack: fc.string({ maxLength: 60 }) })
  const noisy = fc.tuple(response, fc.dictionary(fc.string({ maxLength: 8 }), fc.jsonValue(), { maxKeys: 4 }))

  test('returns the ids in order however the stream is split', () => {
    fc.assert(
      fc.property(fc.array(noisy, { maxLength: 12 }), fc.array(fc.nat(40)), (all, cuts) => {
        const maps = all.map(([r, more]) => ({ ...more, ...r }))
        const stream = Buffer.concat(maps.map((m) => Buffer.from(encode(m))))
        const reader = new AckReader()
        const ids: string[] = []
        let at = 0
        for (let i = 0; at < stream.length; i++) {
          const next = at + (cuts[i] ?? stream.length)
          const piece = Buffer.from(stream.subarray(at, next))
          ids.push(...reader.push(piece))
          // The socket may reuse its buffer.
          piece.fill(0)
          at = next
        }
        expect(ids).toEqual(maps.map((m) => m.ack))
      }),
    )
  })

  test('returns ids or throws an Error for any bytes, and never keeps more than its limit', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 64 }), { maxLength: 8 }), (pieces) => {
        const reader = new AckReader()
        try {
          for (const piece of pieces)
            for (const id of reader.push(Buffer.from(piece))) expect(id).toBeString()
        } catch (error) {
          expect((error as Error).message).toMatch(REASON)
        }
      }),
    )
  })

  test('an id may be a bin', () => {
    expect(new AckReader().push(Buffer.from(encode({ ack: Buffer.from('x') })))).toEqual(['x'])
  })

  test('rejects a map without "ack", an ack that is not text, and a response that is too long', () => {
    const push = (value: unknown) => () => new AckReader().push(Buffer.from(encode(value)))
    expect(push({ nack: 'x' })).toThrow('without "ack"')
    expect(push({ a: { ack: 'x' } })).toThrow('without "ack"')
    expect(push({ ack: 7 })).toThrow('without "ack"')
    expect(push('ack')).toThrow('expected a map')
    expect(push(['HELO', {}])).toThrow('shared key')
    expect(() => new AckReader().push(Buffer.from('150303000202', 'hex'))).toThrow('the peer speaks TLS')
    expect(push({ ack: 'x'.repeat(5000) })).toThrow('more than 4096 bytes')
    // A map of four billion pairs that never ends.
    const reader = new AckReader()
    expect(reader.push(Buffer.from([0xdf, 0xff, 0xff, 0xff, 0xff]))).toEqual([])
    expect(() => reader.push(Buffer.alloc(5000))).toThrow('more than 4096 bytes')
  })
})

test('entriesWithIntegerTime keeps records and seconds, and rejects bytes that are not entries', () => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: 'binary', maxLength: 50 }), { maxLength: 20 }), (texts) => {
      const chunk = entriesChunk('c', texts)
      const out = Buffer.alloc(chunk.size + 3, 0xff)
      const end = entriesWithIntegerTime(chunk.buf, chunk.start, chunk.end, out, 3)
      expect(end).toBe(3 + chunk.size - 5 * texts.length)
      const clean = texts.map((t, i) => [1_700_000_000 + i, { log: Buffer.from(t).toString() }])
      expect([...decodeMulti(out.subarray(3, end))]).toEqual(clean)
    }),
  )
  const other = Buffer.from(encode([1, { a: 1 }]))
  expect(entriesWithIntegerTime(other, 0, other.length, Buffer.alloc(64), 0)).toBe(-1)
})

describe('entries with metadata', () => {
  // [[EventTime, {"k": "v"}], {"a": 1}], and the same without metadata.
  const WITH = '9292d7006553f1000000002a81a16ba17681a16101'
  const WITHOUT = '92d7006553f1000000002a81a16101'
  const rewritten = (rewrite: typeof entriesWithoutMetadata, hex: string): string => {
    const src = Buffer.from(hex, 'hex')
    const out = Buffer.alloc(src.length)
    const end = rewrite(src, 0, src.length, out, 0)
    return end < 0 ? 'none' : out.toString('hex', 0, end)
  }

  test('lose it, and others stay as they are', () => {
    expect(rewritten(entriesWithoutMetadata, WITH + WITHOUT + WITH)).toBe(WITHOUT.repeat(3))
    expect(rewritten(entriesWithoutMetadata, 'c0')).toBe('none')
  })

  test('lose it together with the fraction of their time', () => {
    expect(rewritten(entriesWithIntegerTime, WITH + WITHOUT)).toBe('92ce6553f10081a16101'.repeat(2))
  })
})
