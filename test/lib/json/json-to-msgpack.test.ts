import { describe, expect, spyOn, test } from 'bun:test'
import { decode } from '@msgpack/msgpack'
import { encodeStr, skip } from '../../../src/core/msgpack/encode.ts'
import { UniqueKeys } from '../../../src/core/msgpack/unique-keys.ts'
import { JsonTranscoder, jsonBound } from '../../../src/lib/json/json-to-msgpack.ts'
import { fc } from '../../support/property.ts'

const transcoder = new JsonTranscoder()
const NONE = Symbol('refused')

/**
 * Transcodes and decodes a value, which must be the entire text; checks that no byte after the bound is
 * written.
 */
function transcode(json: string | Buffer): unknown {
  const text = Buffer.from(json)
  const src = Buffer.concat([Buffer.from('"'), text, Buffer.from('"')])
  const bound = jsonBound(text.length)
  const out = Buffer.alloc(bound + 20, 0xaa)
  const end = transcoder.transcode(src, 1, src.length - 1, out, 4)
  expect([...out.subarray(0, 4), ...out.subarray(4 + bound)].every((byte) => byte === 0xaa)).toBe(true)
  if (end < 0) return NONE
  expect(skip(out, 4, end)).toBe(end)
  for (let p = transcoder.end; p < src.length - 1; p++) {
    if (!' \t\n\r'.includes(String.fromCharCode(src[p] as number))) return NONE
  }
  return decode(out.subarray(4, end), { useBigInt64: true })
}

/** Decodes integers beyond 53 bits as bigint. */
function same(a: unknown, b: unknown): boolean {
  return Bun.deepEquals(numbers(a), numbers(b), true)
}

function numbers(value: unknown): unknown {
  if (typeof value === 'bigint') return Number(value)
  if (Array.isArray(value)) return value.map(numbers)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, numbers(inner)]))
}

const key = fc.string().filter((text) => text !== '__proto__')
const json = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 5 },
    fc.string({ unit: 'binary' }),
    fc.string({ unit: 'grapheme', maxLength: 400 }),
    fc.integer(),
    fc.maxSafeInteger(),
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.boolean(),
    fc.constant(null),
    fc.array(tie('value'), { maxLength: 40 }),
    fc.dictionary(key, tie('value'), { maxKeys: 40 }),
  ),
})).value

describe('JSON to MessagePack', () => {
  test('any value survives the round trip, compact or with blanks', () => {
    fc.assert(
      fc.property(json, fc.constantFrom(0, 2), (value, indent) => {
        expect(same(transcode(JSON.stringify(value, null, indent)), JSON.parse(JSON.stringify(value)))).toBe(
          true,
        )
      }),
      { numRuns: 300 },
    )
  })

  test('accepts exactly what JSON.parse accepts when a byte of a text is changed', () => {
    const change = fc.record({
      at: fc.nat(400),
      by: fc.constantFrom(...' "\\{}[],:0123456789.eE+-tfnu/x\t\n\u0001'),
      cut: fc.nat(1),
    })
    fc.assert(
      fc.property(json, fc.array(change, { maxLength: 3 }), (value, changes) => {
        let text = JSON.stringify(value)
        for (const { at, by, cut } of changes) {
          const i = at % (text.length + 1)
          text = text.slice(0, i) + by + text.slice(i + cut)
        }
        agree(text)
      }),
      { numRuns: 2000 },
    )
  })

  test('accepts exactly the short texts of JSON characters that JSON.parse accepts', () => {
    const signs = fc.constantFrom(
      ...'"\\{}[],:01.e-u',
      'true',
      'null',
      '"a"',
      '\\u00e9',
      '\\ud83d',
      '\\ude00',
      ' ',
    )
    fc.assert(
      fc.property(fc.array(signs, { maxLength: 12 }), (parts) => agree(parts.join(''))),
      { numRuns: 5000 },
    )
  })

  test('any bytes are accepted or refused without writing after the bound', () => {
    const bytes = fc.uint8Array({ maxLength: 200 })
    fc.assert(fc.property(bytes, fc.constantFrom('', '{"', '["'), (b, head) => void raw(head, b)))
  })

  test('the densest forms stay within the bound', () => {
    for (const part of ['1e1,', '[],', '"",', '{},', '65536,', '0,', '{"":1e1},']) {
      for (const n of [1, 15, 16, 1000, 70_000]) {
        const text = `[${part.repeat(n).slice(0, -1)}]`
        expect(transcode(text)).toEqual(JSON.parse(text))
      }
    }
  })
})

/**
 * Checks that JSON.parse and the transcoder agree. A lone surrogate becomes U+FFFD, and Infinity is refused.
 */
function agree(text: string): void {
  let expected: unknown = NONE
  try {
    expected = JSON.parse(text, (_, value) => {
      if (value === Number.POSITIVE_INFINITY || value === Number.NEGATIVE_INFINITY)
        throw new Error('infinite')
      return value
    })
  } catch {}
  const found = transcode(text)
  const wellFormed = JSON.parse(expected === NONE ? '0' : JSON.stringify(expected), (_, v) =>
    typeof v === 'string' ? v.toWellFormed() : v,
  )
  if (expected === NONE) expect(found).toBe(NONE)
  else expect(same(zeros(wellFormedKeys(found)), zeros(wellFormedKeys(wellFormed)))).toBe(true)
}

/** Replaces what JSON.stringify lacks (-0) and does not revive keys. */
function zeros(value: unknown): unknown {
  if (Object.is(value, -0)) return 0
  if (Array.isArray(value)) return value.map(zeros)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, zeros(inner)]))
}

function wellFormedKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(wellFormedKeys)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => [name.toWellFormed(), wellFormedKeys(inner)]),
  )
}

function raw(head: string, bytes: Uint8Array): void {
  const src = Buffer.concat([Buffer.from(head), bytes])
  const bound = jsonBound(src.length)
  const out = Buffer.alloc(bound + 8, 0xaa)
  transcoder.transcode(src, 0, src.length, out, 0)
  expect(out.subarray(bound).every((byte) => byte === 0xaa)).toBe(true)
}

test.each(['-0', '1e1', '0.1', '[]', '{}', '""', '{"":-0}', `[${Array(16).fill('-0')}]`])(
  'a list of %s stays within its bound',
  (item) => {
    const value = transcode(`[${Array(10_000).fill(item)}]`)
    expect(value).toHaveLength(10_000)
  },
)

describe('numbers', () => {
  test('integers are exact up to 64 bits', () => {
    for (const text of [
      '9007199254740993',
      '18446744073709551615',
      '-9223372036854775808',
      '-9007199254740993',
    ]) {
      expect(transcode(text)).toBe(BigInt(text))
    }
    expect(transcode('18446744073709551616')).toBe(2 ** 64)
    expect(transcode('-9223372036854775809')).toBe(-(2 ** 63))
    // No integer has a sign of zero: as a float it would be written as -0.0.
    expect(Object.is(transcode('-0'), 0)).toBe(true)
    expect(Object.is(transcode('-0.0'), -0)).toBe(true)
  })

  test('every float is rounded to the nearest', () => {
    fc.assert(
      fc.property(
        fc.double({ noNaN: true, noDefaultInfinity: true }),
        fc.integer({ min: 1, max: 20 }),
        (x, digits) => {
          for (const text of [String(x), x.toExponential(), x.toPrecision(digits)]) {
            if (Number.isFinite(Number(text))) expect(Number(transcode(text))).toBe(JSON.parse(text))
          }
        },
      ),
    )
  })

  test('a point or an exponent makes a float64, whatever the value', () => {
    const out = Buffer.alloc(20)
    expect(transcoder.transcode(Buffer.from('1.0'), 0, 3, out, 0)).toBe(9)
    expect(out[0]).toBe(0xcb)
  })

  test('integers of up to 19 digits are exact, in the shortest format', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 10n ** 14n, max: 10n ** 19n - 1n }), (value) => {
        for (const near of [value, 2n ** 53n - 1n + (value % 5n), 2n ** 63n - 2n + (value % 5n)]) {
          const found = transcode(String(near))
          expect(BigInt(found as bigint)).toBe(near)
        }
      }),
    )
    const out = Buffer.alloc(20)
    expect(transcoder.transcode(Buffer.from('0000'), 0, 4, out, 0)).toBe(-1)
    expect(transcoder.transcode(Buffer.from('9007199254740992 '), 0, 17, out, 0)).toBe(9)
    expect(out.toString('hex', 0, 9)).toBe('cf0020000000000000')
  })

  test('what is JSON and is refused has a reason', () => {
    const many = (count: number) => `{${Array.from({ length: count }, (_, n) => `"${n}":0`).join(',')}}`
    const reason = (text: string): string | undefined => {
      transcode(text)
      return transcoder.excess
    }
    expect(transcode(many(65_536))).not.toBe(NONE)
    expect(reason(many(65_537))).toBe('more than 65536 keys in a map')
    expect(reason('[1e400]')).toBe('a number beyond the range of float64')
    expect(reason('['.repeat(257))).toBe('more than 256 levels')
    for (const text of ['{', '{"a":1}', '[01]']) expect(reason(text)).toBeUndefined()
  })

  test('numbers beyond float64 are refused', () => {
    for (const text of ['1e400', '-1e400', '9'.repeat(400)]) expect(transcode(text)).toBe(NONE)
    expect(transcode('1e-400')).toBe(0)
  })
})

describe('special cases', () => {
  test('a lone surrogate is U+FFFD, a pair is one character', () => {
    expect(transcode('"\\ud83d\\ude00 \\ud83d x \\ude00"')).toBe('😀 \ufffd x \ufffd')
  })

  test('bytes that are not UTF-8 are kept', () => {
    const out = Buffer.alloc(40)
    const src = Buffer.from([0x22, 0xff, 0xfe, 0x22])
    expect(transcoder.transcode(src, 0, 4, out, 0)).toBe(3)
    expect([...out.subarray(0, 3)]).toEqual([0xa2, 0xff, 0xfe])
  })

  test('256 levels are accepted and 257 refused', () => {
    expect(transcode(`${'['.repeat(256)}${']'.repeat(256)}`)).not.toBe(NONE)
    expect(transcode(`${'['.repeat(257)}${']'.repeat(257)}`)).toBe(NONE)
    expect(transcode('{"a":'.repeat(100_000))).toBe(NONE)
  })

  test('the extra pairs are counted in the outermost head only', () => {
    const two = new JsonTranscoder()
    two.extraPairs = 2
    const src = Buffer.from('{"a":{"b":1}}')
    const out = Buffer.alloc(60)
    two.transcode(src, 0, src.length, out, 0)
    expect([out[0], out[3]]).toEqual([0x83, 0x81])
    expect(two.pairs).toBe(1)
  })

  test('the keys of earlier values take no memory, whether these were complete or not', () => {
    const push = spyOn(UniqueKeys.prototype, 'push')
    const many = new JsonTranscoder()
    const out = Buffer.alloc(60)
    for (const text of ['{"a":1,"b":2}', '{"a":{"b":']) {
      const src = Buffer.from(text)
      for (let i = 0; i < 1000; i++) many.transcode(src, 0, src.length, out, 0)
    }
    const [keys] = push.mock.contexts as unknown as UniqueKeys[]
    push.mockRestore()
    expect([keys?.count, keys?.offsets.length]).toEqual([2, 256])
  })

  test('the watched pair is the last at the top level, even after a long head', () => {
    for (const n of [1, 20]) {
      const watching = new JsonTranscoder(encodeStr('time'))
      const many = Array.from({ length: n }, (_, i) => `"k${i}":{"time":0}`).join(',')
      const src = Buffer.from(`{${many},"time":2,"k0":3,"time":[7,8],"z":1}`)
      const out = Buffer.alloc(jsonBound(src.length))
      watching.transcode(src, 0, src.length, out, 0)
      expect(out.subarray(watching.pairAt, watching.pairEnd).toString('latin1')).toBe('\xa4time\x92\x07\x08')
      expect(watching.valueAt).toBe(watching.pairAt + 5)
    }
  })
})
