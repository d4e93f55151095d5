import { expect, test } from 'bun:test'
import { isUtf8 } from 'node:buffer'
import { encode } from '@msgpack/msgpack'
import { JsonText } from '../../../src/lib/json/msgpack-to-json.ts'
import { fc } from '../../support/property.ts'

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

test('control characters, quotes and backslashes are escaped, everything else is kept', () => {
  expect(textOf('a"b\\c\n\t\x01é')).toBe('"a\\"b\\\\c\\n\\t\\u0001é"')
})

test('property: with escapesControls no character controls a terminal, and the value is the same', () => {
  const special = fc.constantFrom(
    '\x7f',
    '\x80',
    '\x9f',
    '\u2027',
    '\u2028',
    '\u202f',
    '\u2066',
    'é',
    '\xa0',
    'a',
  )
  const string = fc.oneof(fc.string({ unit: 'binary' }), fc.string({ unit: special }))
  fc.assert(
    fc.property(fc.dictionary(string, string), (value) => {
      const text = new JsonText()
      text.escapesControls = true
      text.value(Buffer.from(encode(value)), 0)
      const json = text.bytes().toString()
      expect(json).not.toMatch(/[\p{Cc}\u2028-\u202e\u2066-\u2069]/u)
      expect(Object.entries(JSON.parse(json))).toEqual(
        Object.entries(value).map(([k, v]) => [k.toWellFormed(), v.toWellFormed()]),
      )
    }),
    { numRuns: 500 },
  )
})

test('integers keep all digits, NaN and ext become null, bin becomes a string', () => {
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

test('property: bytes that are not UTF-8 are replaced as by TextDecoder', () => {
  const bytes = fc.array(
    fc.constantFrom(0x41, 0x22, 0x80, 0xbf, 0xc2, 0xc3, 0xe0, 0xa0, 0xed, 0x9f, 0xf0, 0x90, 0xf4, 0x8f, 0xff),
  )
  fc.assert(
    fc.property(bytes, (list) => {
      const raw = Buffer.from(list)
      const text = new JsonText()
      text.string(raw, 0, raw.length)
      expect(
        JSON.parse(
          text
            .bytes()
            .toString('latin1')
            .replace(/[\x80-\xff]+/g, (s) => Buffer.from(s, 'latin1').toString()),
        ),
      ).toBe(raw.toString())
      expect(isUtf8(text.bytes())).toBe(true)
    }),
    { numRuns: 2000 },
  )
})

test('keys that are not strings become the text of their JSON', () => {
  const text = new JsonText()
  const map = Buffer.from('84' + '07a161' + 'c0a162' + 'cb3ff8000000000000a163' + '9101a164', 'hex')
  expect(text.value(map, 0)).toBe(map.length)
  expect(text.bytes().toString()).toBe('{"7":"a","null":"b","1.5":"c","[1]":"d"}')
})

test('maps as keys of maps as keys ... do not double the text at each level', () => {
  const text = new JsonText()
  const nested = Buffer.from(`${'81'.repeat(90)}c0${'01'.repeat(90)}`, 'hex')
  expect(text.value(nested, 0)).toBe(nested.length)
  expect(text.bytes().toString()).toBe('{"{\\"null\\":1}":1}')
})
