import { describe, expect, test } from 'bun:test'
import { decode, encode } from '@msgpack/msgpack'
import { skip } from '../../../src/core/msgpack/encode.ts'
import {
  arrayBody,
  arrayItems,
  entryMap,
  findKey,
  mapBody,
  mapPairs,
  RecordAccessor,
  spanOf,
  textEquals,
} from '../../../src/core/msgpack/record.ts'
import { chunkOf } from '../../support/engine/chunk-of.ts'
import { fc } from '../../support/property.ts'

type Value = string | number | boolean | null | Value[] | { [key: string]: Value }

const KEY = fc.constantFrom('a', 'b', 'app', 'a b', 'é', 'k'.repeat(40), 'x'.repeat(300))
const scalar = fc.oneof(fc.string(), fc.integer(), fc.double(), fc.boolean(), fc.constant(null))
/** Nested values are small: a few large ones would take most of the time. */
const { value } = fc.letrec<{ value: Value }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3 },
    scalar,
    fc.array(scalar, { maxLength: 20 }),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(KEY, tie('value'), { maxKeys: 4 }),
  ),
}))
const step = fc.oneof(KEY, fc.nat({ max: 4 }))

/** Surrounds the bytes with others, so that reading too far is noticed. */
function framed(bytes: Uint8Array): { buf: Buffer; at: number; end: number } {
  const buf = Buffer.concat([Buffer.alloc(3, 0x81), bytes, Buffer.alloc(9, 0xa1)])
  return { buf, at: 3, end: 3 + bytes.length }
}

function follow(from: Value, steps: (string | number)[]): Value | undefined {
  let at: Value | undefined = from
  for (const name of steps) {
    if (typeof at !== 'object' || at === null || Array.isArray(at) !== (typeof name === 'number'))
      return undefined
    at = Object.hasOwn(at, name) ? (at as Record<string | number, Value>)[name] : undefined
    if (at === undefined) return undefined
  }
  return at
}

describe('RecordAccessor', () => {
  test('property: finds the same value as a lookup in the decoded record', () => {
    const paths = fc.tuple(KEY, fc.array(step, { maxLength: 3 }))
    fc.assert(
      fc.property(fc.dictionary(KEY, value), paths, (record, [first, rest]) => {
        const { buf, at, end } = framed(encode(record))
        const text = `$${first}${rest.map((s) => (typeof s === 'number' ? `[${s}]` : `['${s}']`)).join('')}`
        const found = RecordAccessor.parse(text)?.find(buf, at, end) as number
        // Decoded, because MessagePack's integers have no negative zero.
        const expected = follow(decode(encode(record)) as Value, [first, ...rest])
        if (expected === undefined) expect(found).toBe(-1)
        else expect(decode(buf.subarray(found, skip(buf, found, end)))).toEqual(expected)
      }),
      { numRuns: 1000 },
    )
  })

  test('a text without a dollar sign is a single key, whatever it contains', () => {
    const { buf, at, end } = framed(encode({ "a['b']": 1, a: { b: 2 } }))
    expect(buf[RecordAccessor.parse("a['b']")?.find(buf, at, end) as number]).toBe(1)
    expect(buf[RecordAccessor.parse(`$a["b"]`)?.find(buf, at, end) as number]).toBe(2)
  })

  test('rejects an invalid accessor', () => {
    for (const text of ['', '$', "$['a']", '$a[', "$a['b", '$a[b]', "$a['b']c", '$a[-1]']) {
      expect(RecordAccessor.parse(text)).toBeUndefined()
    }
  })
})

describe('findKey', () => {
  test('returns the last of equal keys', () => {
    const map = Buffer.from('83a16101a16202a16103', 'hex')
    expect(map[findKey(map, 0, map.length, Buffer.from('a'))]).toBe(3)
  })

  test('finds keys with every head, in maps with every head', () => {
    for (const pairs of [1, 15, 16, 70_000]) {
      const entries = Array.from(
        { length: pairs },
        (_, i) => [`${i}`.padStart(i === 0 ? 400 : 1, '0'), i] as const,
      )
      const bytes = Buffer.from(encode(Object.fromEntries(entries)))
      expect(mapPairs(bytes, 0)).toBe(pairs)
      const key = Buffer.from('0'.repeat(400))
      expect(bytes[findKey(bytes, 0, bytes.length, key)]).toBe(0)
      expect(mapBody(bytes, 0)).toBe(pairs < 16 ? 1 : pairs < 65_536 ? 3 : 5)
    }
  })

  test('a truncated map has no keys after the cut', () => {
    const bytes = Buffer.from(encode({ a: 'x'.repeat(50), b: 1 }))
    for (let end = 1; end < bytes.length; end++) expect(findKey(bytes, 0, end, Buffer.from('b'))).toBe(-1)
  })
})

describe('access to values', () => {
  test('spanOf returns the bytes of str and bin with every head, and undefined for other types', () => {
    for (const length of [0, 31, 32, 255, 256, 65_535, 65_536]) {
      for (const text of ['s'.repeat(length), Buffer.alloc(length, 0x73)]) {
        const bytes = Buffer.from(encode(text))
        const span = spanOf(bytes, 0)
        expect(span).toEqual({ start: bytes.length - length, end: bytes.length })
      }
    }
    for (const other of [1, null, true, 1.5, [], {}])
      expect(spanOf(Buffer.from(encode(other)), 0)).toBeUndefined()
  })

  test('textEquals compares the complete text', () => {
    const bytes = Buffer.from(encode('abc'))
    expect(['abc', 'ab', 'abcd', 'abd'].map((t) => textEquals(bytes, 0, Buffer.from(t)))).toEqual([
      true,
      false,
      false,
      false,
    ])
  })

  test('arrays with every head are read', () => {
    for (const n of [0, 15, 16, 65_536]) {
      const bytes = Buffer.from(encode(Array.from({ length: n }, () => 1)))
      expect([arrayItems(bytes, 0), bytes.length - arrayBody(bytes, 0)]).toEqual([n, n])
    }
    expect(arrayItems(Buffer.from(encode({})), 0)).toBe(-1)
  })

  test('entryMap finds the map after both formats of time, and returns -1 for anything else', () => {
    const { buf, start, end } = chunkOf([{ a: 1 }])
    expect(decode(buf.subarray(entryMap(buf, start, end), end))).toEqual({ a: 1 })
    const old = Buffer.from(encode([1_700_000_000, { b: 2 }]))
    expect(decode(old.subarray(entryMap(old, 0, old.length)))).toEqual({ b: 2 })
    for (const other of [[1], [1, 2], [1, {}, 3], { a: 1 }, 1]) {
      const bytes = Buffer.from(encode(other))
      expect(entryMap(bytes, 0, bytes.length)).toBe(-1)
    }
  })
})
