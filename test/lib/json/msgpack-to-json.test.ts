import { expect, test } from 'bun:test'
import { isUtf8 } from 'node:buffer'
import { encode } from '@msgpack/msgpack'
import { JsonText, TextTooLarge } from '../../../src/lib/json/msgpack-to-json.ts'
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

test("fluent-bit's form has texts as they are, but for what controls a terminal and is no end of a line", () => {
  const text = new JsonText()
  text.arrows = true
  text.escapesControls = true
  const special = 'a"b\\c\n\r\t\x01\x1b\x7f\x85\u202eé and more of it'
  const controls = '\\u0001\\u001b\\u007f\\u0085\\u202eé and more of it'
  expect(written(packed(special), text)).toBe(`"a"b\\c\n\r\t${controls}"`)
  expect(written(packed({ '"\n': 1 }), text)).toBe('{""\n"=>1}')
  expect(written(packed(Buffer.from('a"b\\c\n\x7f')), text)).toBe(String.raw`"a\"b\c\x0a\x7f"`)
  text.escapesLineEnds = true
  expect(written(packed(special), text)).toBe(`"a"b\\c\\n\\r\\t${controls}"`)
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

test('a whole float keeps its point and -0.0 its sign, in float32 and float64', () => {
  const floats = [
    'cb3ff0000000000000',
    'cb8000000000000000',
    'ca40400000',
    'ca80000000',
    'cb4340000000000000',
  ]
  const text = new JsonText()
  for (const hex of floats) {
    text.value(Buffer.from(hex, 'hex'), 0)
    text.byte(0x20)
  }
  expect(text.bytes().toString()).toBe('1.0 -0.0 3.0 -0.0 9007199254740992.0 ')
  expect(textOf(1e300)).toBe('1e+300')
  expect(textOf(-1.5)).toBe('-1.5')
})

/** Returns a map of these pairs, whose keys and values are MessagePack. */
function mapOf(...pairs: [Buffer, Buffer][]): Buffer {
  const head = Buffer.from([0xdf, 0, 0, 0, 0])
  head.writeUInt32BE(pairs.length, 1)
  return Buffer.concat([head, ...pairs.flat()])
}

const packed = (value: unknown): Buffer => Buffer.from(encode(value))

function written(map: Buffer, text = new JsonText()): string {
  text.reset()
  expect(text.value(map, 0)).toBe(map.length)
  return text.bytes().toString()
}

test('of pairs with the same key the last one is written, at its place', () => {
  const nested = mapOf([packed('x'), packed(1)], [packed('y'), packed([])], [packed('x'), packed('"2"')])
  const map = mapOf(
    [packed('a'), packed(1)],
    [packed('n'), nested],
    [packed('b'), nested],
    [packed('a'), nested],
    [packed('b'), packed(2)],
    [packed('a'), packed(null)],
  )
  const inner = '{"y":[],"x":"\\"2\\""}'
  expect(written(map)).toBe(`{"n":${inner},"b":2,"a":null}`)
})

test('keys are the same when their texts are: bin, other heads, digits, bytes that are not UTF-8', () => {
  const map = mapOf(
    [packed('a'), packed(1)],
    [packed(Buffer.from('a')), packed(2)],
    [Buffer.from('d90161', 'hex'), packed(3)],
    [packed(7), packed(1)],
    [packed('7'), packed(2)],
    [Buffer.from('a1ff', 'hex'), packed(1)],
    [Buffer.from('a1fe', 'hex'), packed(2)],
    [packed(''), packed(1)],
    [packed(''), packed(2)],
  )
  expect(written(map)).toBe('{"a":3,"7":2,"\ufffd":2,"":2}')
})

test("fluent-bit's form shows a key as often as the map has it", () => {
  const text = new JsonText()
  text.arrows = true
  expect(written(mapOf([packed('a'), packed(1)], [packed('a'), packed(2)]), text)).toBe('{"a"=>1, "a"=>2}')
})

test('property: no map of the text has a key twice, and values are those of JSON.parse', () => {
  const text = new JsonText()
  const key = fc.constantFrom('a', 'b', 'kubernetes_name', 'kubernetes_host', 'é', '"', '\\', 'a"', '\n', '')
  const { value } = fc.letrec<{ value: [Buffer, string] }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 4 },
      fc.integer().map((n): [Buffer, string] => [packed(n), String(n)]),
      fc
        .array(fc.tuple(key, tie('value')), { maxLength: 40 })
        .map((pairs): [Buffer, string] => [
          mapOf(...pairs.map(([name, [bytes]]): [Buffer, Buffer] => [packed(name), bytes])),
          `{${pairs.map(([name, [, json]]) => `${JSON.stringify(name)}:${json}`).join()}}`,
        ]),
    ),
  }))
  fc.assert(
    fc.property(value, ([bytes, json]) => {
      const out = written(bytes, text)
      expect(JSON.parse(out)).toEqual(JSON.parse(json))
      // A text without repeated keys is as long as that of the value that it is read as.
      expect(out.length).toBe(JSON.stringify(JSON.parse(out)).length)
    }),
    { numRuns: 300 },
  )
})

/** Returns keys that the table of keys takes for one: it looks at eight characters and the length. */
const alike = (i: number): string => `same${String(i).padStart(8, '0')}midd${String(i).padStart(8, '0')}last`

test('keys that the table of keys cannot tell apart are all written', () => {
  const n = 10_000
  const map = mapOf(
    ...Array.from({ length: n }, (_, i): [Buffer, Buffer] => [packed(alike(i % (n - 9))), packed(i)]),
  )
  const value = JSON.parse(written(map)) as Record<string, number>
  expect(Object.keys(value).length).toBe(n - 9)
  expect(value[alike(3)]).toBe(n - 6)
})

test('a key that a map has ten thousand times is written once', () => {
  const map = mapOf(...Array.from({ length: 10_000 }, (_, i): [Buffer, Buffer] => [packed('k'), packed(i)]))
  expect(written(map)).toBe('{"k":9999}')
})

test('a map of more pairs than a table has is written once per key, too', () => {
  const n = 70_000
  const map = mapOf(
    ...Array.from({ length: n }, (_, i): [Buffer, Buffer] => [packed(`k${i % (n / 2)}`), packed(i)]),
  )
  const value = JSON.parse(written(map)) as Record<string, number>
  expect(Object.keys(value).length).toBe(n / 2)
  expect(value.k1).toBe(n / 2 + 1)
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

test('a text that may not be larger takes no memory for what is', () => {
  for (const value of [{ a: 'x'.repeat(5_000_000) }, { a: Array.from({ length: 500_000 }, (_, i) => i) }]) {
    const text = new JsonText()
    text.maxBytes = 100_000
    const packed = Buffer.from(encode(value))
    expect(() => text.value(packed, 0)).toThrow(TextTooLarge)
    expect(() => text.plain(packed, 0)).toThrow(TextTooLarge)
    expect(text.buf.length).toBeLessThanOrEqual(262_144)
  }
})

test('what follows a value that was cut off is written as if that had not been there', () => {
  const text = new JsonText()
  const large = Buffer.from(encode({ a: { b: 1, c: { d: 2, e: 'x'.repeat(1000) } } }))
  // The same key twice: which pairs a map has is kept while it is written.
  const twice = Buffer.from('82' + 'a16101' + 'a16102', 'hex')
  text.value(twice, 0)
  const { at } = text
  text.maxBytes = 500
  expect(() => text.value(large, 0)).toThrow(TextTooLarge)
  text.cut(at)
  text.value(twice, 0)
  expect(text.bytes().toString()).toBe('{"a":2}{"a":2}')
})
