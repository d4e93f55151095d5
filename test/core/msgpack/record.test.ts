import { describe, expect, test } from 'bun:test'
import { decode, encode } from '@msgpack/msgpack'
import {
  arrayBody,
  arrayItems,
  entryMap,
  findKey,
  mapBody,
  mapPairs,
  spanOf,
  textEquals,
} from '../../../src/core/msgpack/record.ts'
import { chunkOf } from '../../support/engine/chunk-of.ts'

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
