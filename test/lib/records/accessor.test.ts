import { describe, expect, test } from 'bun:test'
import { decode, encode } from '@msgpack/msgpack'
import { skip } from '../../../src/core/msgpack/encode.ts'
import { checkAccessor, RecordAccessor } from '../../../src/lib/records/accessor.ts'
import { fc } from '../../support/property.ts'

type Value = string | number | boolean | null | Value[] | { [key: string]: Value }

const NAMES = ['a', 'b', 'app', 'a b', 'é', 'x.y', 'k'.repeat(40), 'x'.repeat(300)] as const
const NAME = fc.constantFrom(...NAMES)
const KEY = fc.constantFrom(...NAMES, "it's", '"', '[0]', '')
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

function quoted(key: string): string {
  return `['${key.replaceAll("'", "''")}']`
}

/** Returns the value that the accessor finds, or undefined. */
function find(text: string, record: unknown): unknown {
  const { buf, at, end } = framed(encode(record))
  const found = RecordAccessor.parse(text).find(buf, at, end)
  return found < 0 ? undefined : decode(buf.subarray(found, skip(buf, found, end)))
}

describe('RecordAccessor', () => {
  test('property: finds the same value as a lookup in the decoded record', () => {
    const paths = fc.tuple(NAME, fc.array(step, { maxLength: 3 }))
    fc.assert(
      fc.property(fc.dictionary(KEY, value), paths, (record, [first, rest]) => {
        const path = rest.map((s) => (typeof s === 'number' ? `[${s}]` : quoted(s))).join('')
        // Decoded, because MessagePack's integers have no negative zero.
        const expected = follow(decode(encode(record)) as Value, [first, ...rest])
        expect(find(`$${first}${path}`, record)).toEqual(expected)
      }),
      { numRuns: 1000 },
    )
  })

  test('property: reads nothing at the end or after it, whatever the bytes are', () => {
    const accessor = RecordAccessor.parse("$a['b'][0]")
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), fc.nat({ max: 40 }), (bytes, cut) => {
        const end = Math.min(cut, bytes.length)
        const [one, other] = [0x00, 0xff].map((fill) => {
          const buf = Buffer.from(bytes).fill(fill, end)
          return accessor.find(buf, 0, end)
        })
        expect(one).toBe(other as number)
        expect(one).toBeLessThan(Math.max(end, 1))
      }),
      { numRuns: 2000 },
    )
  })

  test('a text without a dollar sign is a single key, whatever it contains', () => {
    const record = { "a['b']": 1, a: { b: 2 }, 'a.b': 3 }
    expect(find("a['b']", record)).toBe(1)
    expect(find(`$a["b"]`, record)).toBe(2)
    expect(find('a.b', record)).toBe(3)
  })

  test('a dot belongs to the key: fluent-bit passes over what follows it', () => {
    expect(find('$a.b', { a: { b: 1 } })).toBeUndefined()
    expect(find('$a.b', { 'a.b': 2, a: 1 })).toBe(2)
  })

  test('what is under something that is no map or no list is missing: fluent-bit takes the thing itself', () => {
    for (const text of ["$a['b']", '$a[0]', "$a['']"]) expect(find(text, { a: 'z' })).toBeUndefined()
    const list = { l: ['p', ['q', { k: 'r' }]] }
    expect(['$l[0]', "$l[1][1]['k']", '$l[9]'].map((text) => find(text, list))).toEqual(['p', 'r', undefined])
    expect(find('$l[0]', { l: { 0: 'x' } })).toBeUndefined()
  })

  test('a quotation mark in a key is written twice', () => {
    const record = { a: { "b'c": 1, 'd"e': 2, '': 3 } }
    expect(["$a['b''c']", '$a["d""e"]', "$a['']", `$a["b'c"]`].map((text) => find(text, record))).toEqual([
      1, 2, 3, 1,
    ])
  })

  test('the last of equal keys counts', () => {
    const map = Buffer.from('82a16101a16102', 'hex')
    expect(map[RecordAccessor.parse('$a').find(map, 0, map.length)]).toBe(2)
  })

  test('finds a key among 10,000', () => {
    const record = Object.fromEntries(Array.from({ length: 10_000 }, (_, i) => [`key${i}`, i]))
    expect([find('$key9999', record), find('$key10000', record)]).toEqual([9999, undefined])
  })

  test('parseLoose takes a path without its dollar sign, and anything else as a key', () => {
    const { buf, at, end } = framed(encode({ a: { b: 1 }, 'a.b': 2, '[x': 3 }))
    const found = ["a['b']", "$a['b']", 'a.b', '[x'].map((text) =>
      RecordAccessor.parseLoose(text).find(buf, at, end),
    )
    expect(found.map((offset) => buf[offset])).toEqual([1, 1, 2, 3])
  })

  test.each([
    ['', 'it is empty'],
    ['$', 'there is no key after "$"'],
    ["$['a']", 'there is no key after "$"'],
    ["$['a']['b']", 'there is no key after "$"'],
    ['$a[', 'the bracket at character 3 is not closed'],
    ["$a['b", 'the quotation mark or bracket at character 3 is not closed'],
    ["$a['b'", 'the quotation mark or bracket at character 3 is not closed'],
    ['$a[b]', 'in the bracket at character 3 must be a number, or a key in quotation marks'],
    ['$a[]', 'in the bracket at character 3 must be a number, or a key in quotation marks'],
    ["$a['b']c", '"c" at character 8'],
    ['$a[-1]', 'the index at character 3 is negative'],
    ['$a[99999999999]', 'the index 99999999999 is too large'],
    ['$a$b', '"$" at character 3'],
    ['$a]', '"]" at character 3'],
  ])('"%s" is refused with what is wrong', (text, reason) => {
    expect(checkAccessor(text)?.reason).toBe(`"${text}" is not a record accessor: ${reason}`)
  })
})
