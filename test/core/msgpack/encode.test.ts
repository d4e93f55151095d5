import { describe, expect, test } from 'bun:test'
import { Decoder, decode, Encoder, ExtData } from '@msgpack/msgpack'
import {
  ENTRY_HEAD,
  encodeStr,
  skip,
  strHeadSize,
  writeArrayHead,
  writeBinHead,
  writeEntryHead,
  writeMapHead,
  writeNumber,
  writeStr,
  writeStrHead,
} from '../../../src/core/msgpack/encode.ts'
import { fc } from '../../support/property.ts'

const encoder = new Encoder({ useBigInt64: true })
const encode = (value: unknown): Buffer => Buffer.from(encoder.encode(value))
// When bigints are enabled, that encoder writes a number of more than 32 bits as a float.
const numbers = new Encoder()
// Values at which a longer format begins, and their neighbors.
const LENGTHS = [0, 1, 15, 16, 17, 31, 32, 33, 255, 256, 257, 65535, 65536, 65537]

function written(write: (buf: Buffer, at: number) => number): Buffer {
  const buf = Buffer.alloc(300_000, 0xc1)
  const end = write(buf, 3)
  expect(buf.subarray(end, end + 16)).toEqual(Buffer.alloc(16, 0xc1))
  return buf.subarray(3, end)
}

describe('writing', () => {
  test('heads equal those of another encoder, at every length limit', () => {
    for (const n of LENGTHS) {
      const text = 'x'.repeat(n)
      expect(written((b, at) => writeStr(b, at, text))).toEqual(encode(text))
      expect(encodeStr(text)).toEqual(encode(text))
      expect(written((b, at) => writeStrHead(b, at, n)).length).toBe(strHeadSize(n))
      expect(written((b, at) => writeBinHead(b, at, n))).toEqual(
        encode(Buffer.alloc(n)).subarray(0, -n || undefined),
      )
      const array = encode(new Array(n).fill(0))
      expect(written((b, at) => writeArrayHead(b, at, n))).toEqual(array.subarray(0, array.length - n))
      const map = encode(Object.fromEntries(Array.from({ length: n }, (_, i) => [`k${i}`, 0])))
      const head = written((b, at) => writeMapHead(b, at, n))
      expect(head).toEqual(map.subarray(0, head.length))
    }
  })

  test('strings are UTF-8', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 90 }), (text) => {
        expect(decode(written((b, at) => writeStr(b, at, text)))).toBe(text)
      }),
    )
  })

  test('numbers have the smallest lossless format', () => {
    const bounds = [0, 7, 8, 15, 16, 31, 32, 52, 53].flatMap((bits) => {
      const n = 2 ** bits
      return [n - 1, n, n + 1, -n, -n - 1, -n + 1]
    })
    const check = (n: number): void => {
      const bytes = written((b, at) => writeNumber(b, at, n))
      expect(decode(bytes)).toBe(n)
      // The other encoder does not use the shorter format.
      if (Number.isSafeInteger(n) && !Object.is(n, -0)) expect(bytes).toEqual(Buffer.from(numbers.encode(n)))
      else expect(bytes.length).toBe(9)
    }
    for (const n of [...bounds, -32, -33, -128, -129, 127, 128, -0, 0.1, Number.MAX_VALUE]) check(n)
    fc.assert(fc.property(fc.oneof(fc.maxSafeInteger(), fc.double({ noNaN: true })), check))
  })

  test('an entry head is an array of two with seconds and nanoseconds in eight bytes', () => {
    const times = fc.tuple(fc.nat(2 ** 32 - 1), fc.nat(999_999_999))
    fc.assert(
      fc.property(times, ([sec, nsec]) => {
        const bytes = written((b, at) => writeMapHead(b, writeEntryHead(b, at, sec, nsec), 0))
        expect(bytes.length).toBe(ENTRY_HEAD + 1)
        const [time, body] = new Decoder().decode(bytes) as [ExtData, unknown]
        expect(body).toEqual({})
        expect(time.type).toBe(0)
        const data = Buffer.from(time.data as Uint8Array)
        expect([data.readUInt32BE(0), data.readUInt32BE(4), data.length]).toEqual([sec, nsec, 8])
      }),
    )
  })
})

const value: fc.Arbitrary<unknown> = fc.letrec((tie) => ({
  any: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.constantFrom(null, true, false),
    fc.integer(),
    fc.double(),
    fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
    fc.string({ maxLength: 300 }),
    fc.uint8Array({ maxLength: 300 }),
    fc.tuple(fc.nat(127), fc.uint8Array({ maxLength: 40 })).map(([type, data]) => new ExtData(type, data)),
    fc.array(tie('any'), { maxLength: 20 }),
    fc.dictionary(fc.string({ maxLength: 40 }), tie('any'), { maxKeys: 20 }),
  ),
})).any

/** Heads in hex, and the number of bytes (or one-byte values) that belong to each. */
const FORMS: [string, number][] = [
  ['c0', 0],
  ['c2', 0],
  ['c3', 0],
  ...['ca', 'ce', 'd2'].map((t): [string, number] => [t, 4]),
  ...['cb', 'cf', 'd3'].map((t): [string, number] => [t, 8]),
  ...['cc', 'd0'].map((t): [string, number] => [t, 1]),
  ...['cd', 'd1'].map((t): [string, number] => [t, 2]),
  ['d4', 2],
  ['d5', 3],
  ['d6', 5],
  ['d7', 9],
  ['d8', 17],
  ['c403', 3],
  ['c50003', 3],
  ['c600000003', 3],
  ['c70300', 3],
  ['c8000300', 3],
  ['c90000000300', 3],
  ['d903', 3],
  ['da0003', 3],
  ['db00000003', 3],
  ['dc0003', 3],
  ['dd00000003', 3],
  ['de0003', 6],
  ['df00000003', 6],
  ['a3', 3],
  ['93', 3],
  ['83', 6],
  ['7f', 0],
  ['e0', 0],
]

describe('skip', () => {
  test('returns the end of a value written by another encoder, whatever follows', () => {
    fc.assert(
      fc.property(value, fc.uint8Array({ maxLength: 8 }), (v, after) => {
        const bytes = encode(v)
        const buf = Buffer.concat([Buffer.from([0xc1, 0xc1]), bytes, after])
        expect(skip(buf, 2, buf.length)).toBe(2 + bytes.length)
      }),
      { numRuns: 500 },
    )
  })

  test('returns -1 for a value truncated at any byte, even if its bytes continue after the end', () => {
    fc.assert(
      fc.property(value, (v) => {
        const bytes = encode(v)
        for (let end = 0; end < bytes.length; end += Math.max(1, Math.floor(bytes.length / 50)))
          expect(skip(bytes, 0, end)).toBe(-1)
        expect(skip(bytes, 0, bytes.length - 1)).toBe(-1)
      }),
    )
  })

  test('skips every format by the lengths of the specification', () => {
    for (const [head, after] of FORMS) {
      const bytes = Buffer.concat([Buffer.from(head, 'hex'), Buffer.alloc(after)])
      expect([head, skip(bytes, 0, bytes.length)]).toEqual([head, bytes.length])
      for (let end = 0; end < bytes.length; end++) {
        expect([head, skip(bytes, 0, end)]).toEqual([head, -1])
        expect([head, skip(bytes.subarray(0, end), 0, end)]).toEqual([head, -1])
      }
    }
  })

  test('never reads past the end or returns an offset after it, for any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), fc.nat(60), (bytes, at) => {
        const end = skip(Buffer.from(bytes), Math.min(at, bytes.length), bytes.length)
        expect(end === -1 || (end > at && end <= bytes.length)).toBe(true)
      }),
      { numRuns: 3000 },
    )
  })

  test('rejects the unused type byte at any depth', () => {
    expect(skip(Buffer.from('c10000000000', 'hex'), 0, 6)).toBe(-1)
    expect(skip(Buffer.from('9201c10000000000', 'hex'), 0, 8)).toBe(-1)
  })

  test('skips a million nested arrays', () => {
    const deep = Buffer.alloc(1_000_001, 0x91)
    deep[1_000_000] = 0xc0
    expect(skip(deep, 0, deep.length)).toBe(deep.length)
    expect(skip(deep, 0, deep.length - 1)).toBe(-1)
  })

  test('returns -1 for a length of four billion', () => {
    for (const head of ['dfffffffff', 'ddffffffff', 'dbffffffff', 'c9ffffffff'])
      expect(skip(Buffer.from(head, 'hex'), 0, 5)).toBe(-1)
  })
})
