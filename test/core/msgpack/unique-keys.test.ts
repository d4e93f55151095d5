import { expect, test } from 'bun:test'
import { decode } from '@msgpack/msgpack'
import { mapBody, mapPairs } from '../../../src/core/msgpack/record.ts'
import { UniqueKeys } from '../../../src/core/msgpack/unique-keys.ts'
import { JsonTranscoder, jsonBound } from '../../../src/lib/json/json-to-msgpack.ts'
import { cpuMs } from '../../support/cpu.ts'
import { fc } from '../../support/property.ts'

/** `{"a":1,"a":2}` as text: pairs in order, with keys that may be repeated. */
type Json = string | { pairs: [string, Json][] }

const key = fc.oneof(
  fc.constantFrom('', 'a', 'b', 'ab', 'abc', 'abd', 'kubernetes', 'é'),
  fc.string({ minLength: 30, maxLength: 40 }),
)
const { value } = fc.letrec<{ value: Json }>((tie) => ({
  value: fc.oneof(
    { weight: 3, arbitrary: fc.integer().map(String) },
    {
      weight: 2,
      arbitrary: fc.array(fc.tuple(key, tie('value')), { maxLength: 20 }).map((pairs) => ({ pairs })),
    },
  ),
}))

function textOf(json: Json): string {
  if (typeof json === 'string') return json
  return `{${json.pairs.map(([k, v]) => `${JSON.stringify(k)}:${textOf(v)}`).join(',')}}`
}

function transcoded(text: string): { value: unknown; keys: string[]; pairs: number } {
  const src = Buffer.from(text)
  const out = Buffer.alloc(jsonBound(src.length))
  const keys = new UniqueKeys()
  const json = new JsonTranscoder(undefined, keys)
  const end = json.transcode(src, 0, src.length, out, 0)
  expect(end).toBeGreaterThan(0)
  const shift = mapBody(out, 0) - 1
  const names = Array.from(keys.offsets.subarray(0, keys.count), (at) =>
    String(decode(out.subarray(at + shift, skipTo(out, at + shift)))),
  )
  return { value: decode(out.subarray(0, end)), keys: names, pairs: mapPairs(out, 0) }
}

function skipTo(buf: Buffer, at: number): number {
  const type = buf[at] as number
  return type === 0xd9 ? at + 2 + (buf[at + 1] as number) : at + 1 + (type & 31)
}

test('property: the last of duplicate keys remains at any depth, as in JSON.parse', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(key, value), { maxLength: 24 }), (pairs) => {
      const text = textOf({ pairs })
      const expected = JSON.parse(text) as Record<string, unknown>
      const { value, keys, pairs: count } = transcoded(text)
      expect(value).toEqual(expected)
      expect([...keys].sort()).toEqual(Object.keys(expected).sort())
      expect(count).toBe(Object.keys(expected).length)
    }),
    { numRuns: 500 },
  )
})

test('a map of thousands of keys takes little time', () => {
  const pairs = Array.from({ length: 20_000 }, (_, i): [string, Json] => [`key${i % 15_000}`, String(i)])
  const began = cpuMs()
  const { value } = transcoded(textOf({ pairs }))
  expect(cpuMs() - began).toBeLessThan(5000)
  expect(Object.keys(value as object)).toHaveLength(15_000)
  expect((value as Record<string, number>).key0).toBe(15_000)
})

test('keys that share what is hashed first take no longer than others', () => {
  // The hash of a short key looks at its length and three of its bytes.
  const cost = (keys: string[]): number => {
    const text = `{${[...keys, ...keys].map((name, i) => `"${name}":${i}`).join(',')}}`
    const began = cpuMs()
    const { pairs } = transcoded(text)
    expect(pairs).toBe(keys.length)
    return cpuMs() - began
  }
  const same = Array.from(
    { length: 30_000 },
    (_, i) => `aaaaaaaa${i.toString(36).padStart(6, '0')}aaaaaaaaaaaaaaaa`,
  )
  const other = Array.from({ length: 30_000 }, (_, i) => `${i.toString(36).padStart(6, '0')}${i}bbbbbbbb`)
  cost(other)
  expect(cost(same)).toBeLessThan(5 * cost(other) + 200)
})
