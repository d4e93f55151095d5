import { expect, test } from 'bun:test'
import { encode } from '@msgpack/msgpack'
import fc from 'fast-check'
import { JsonText } from '../../src/lib/json-text.ts'

function textOf(value: unknown): string {
  const bytes = Buffer.from(encode(value))
  const text = new JsonText()
  expect(text.value(bytes, 0)).toBe(bytes.length)
  return text.bytes().toString()
}

test('property: the text is JSON of the same value', () => {
  const json = fc.jsonValue({ maxDepth: 4 }).filter((v) => !JSON.stringify(v).includes('__proto__'))
  fc.assert(
    fc.property(json, (value) => {
      expect(JSON.parse(textOf(value))).toEqual(JSON.parse(JSON.stringify(value)))
    }),
    { numRuns: 500 },
  )
})

test('control characters, quotes and backslashes are escaped, everything else stays', () => {
  expect(textOf('a"b\\c\n\t\x01é')).toBe('"a\\"b\\\\c\\n\\t\\u0001é"')
})

test('what JSON lacks: integers keep all digits, NaN and ext are null, bin is text', () => {
  const text = new JsonText()
  text.value(Buffer.from('cfffffffffffffffff', 'hex'), 0)
  text.value(Buffer.from('d38000000000000000', 'hex'), 0)
  expect(text.bytes().toString()).toBe('18446744073709551615-9223372036854775808')
  expect(textOf(Number.NaN)).toBe('null')
  expect(textOf(Buffer.from('bin'))).toBe('"bin"')
  const ext = new JsonText()
  expect(ext.value(Buffer.from('d7000000000000000000', 'hex'), 0)).toBe(10)
  expect(ext.bytes().toString()).toBe('null')
})
