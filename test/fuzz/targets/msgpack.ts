import { isUtf8 } from 'node:buffer'
import { isDeepStrictEqual } from 'node:util'
import { Decoder, encode } from '@msgpack/msgpack'
import { skip } from '../../../src/core/msgpack/encode.ts'
import { JsonTranscoder, jsonBound, skipBlanks } from '../../../src/lib/json/json-to-msgpack.ts'
import { JsonText } from '../../../src/lib/json/msgpack-to-json.ts'
import { Malformed, ValueScanner } from '../../../src/protocol/forward/value-scanner.ts'
import { pieces } from '../random.ts'
import { kindOf, must, size, type Target } from '../target.ts'

const MAX_BYTES = 20_000
const decoder = new Decoder({ useBigInt64: true, mapKeyConverter: textOnly, maxArrayLength: 10_000 })
/** Characters that change what a terminal shows, and that JSON allows as they are. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const CONTROLS = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/

/** Keys that are not text have no common form in JSON. */
function textOnly(key: unknown): string {
  if (typeof key !== 'string') throw new Error('a key that is not text')
  return key
}

/** Returns the end of the value at the start as the scanner of received bytes finds it. */
function scanned(input: Buffer): number | string {
  const scanner = new ValueScanner(MAX_BYTES)
  let received = 0
  try {
    for (const piece of pieces(input)) {
      received += piece.length
      const end = scanner.scan(input, 0, received)
      if (end >= 0) return end
    }
    return -1
  } catch (error) {
    if (!(error instanceof Malformed)) throw error
    return kindOf(error)
  }
}

/** Returns the value as another library reads it; undefined when it refuses the bytes. */
function decoded(bytes: Buffer): { value: unknown } | undefined {
  try {
    return { value: decoder.decode(bytes) }
  } catch {
    return undefined
  }
}

/** Returns the value that JSON has for one of MessagePack; throws for keys that are not text. */
function asJson(value: unknown): unknown {
  if (typeof value === 'bigint') return Number(value)
  if (typeof value === 'number') return Number.isFinite(value) ? value : null
  if (value === null || typeof value !== 'object') return value
  if (value instanceof Uint8Array) return Buffer.from(value).toString()
  if (Array.isArray(value)) return value.map(asJson)
  if (Object.getPrototypeOf(value) !== Object.prototype) return null
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, asJson(each)]))
}

const text = new JsonText()
const safe = new JsonText()
safe.escapesControls = true

function jsonOf(to: JsonText, bytes: Buffer): string {
  to.reset()
  must(to.value(bytes, 0) === bytes.length, 'the conversion to JSON ends elsewhere')
  return to.bytes().toString()
}

const bytes = (value: unknown): Buffer => Buffer.from(encode(value, { useBigInt64: true }))

export const msgpack: Target = {
  name: 'msgpack',
  maxBytes: 5000,
  dictionary: [
    '\x81',
    '\x91',
    '\xde\xff\xff',
    '\xdc\xff\xff',
    '\xdf\x7f\xff\xff\xff',
    '\xca\x7f\xc0\0\0',
    '\xcb\xff\xf0\0\0\0\0\0\0',
    '\xcf\xff\xff\xff\xff\xff\xff\xff\xff',
    '\xd3\x80\0\0\0\0\0\0\0',
    '\xc7\x01\x05x',
    '\xa9__proto__',
    '\xa3\xed\xa0\x80',
    '\xa2\xc2\x9b',
    '\xa3\xe2\x80\xae',
  ],
  seeds: () => [
    bytes({ log: 'x', n: [1, -1, 1.5, 2n ** 63n, true, null], deep: { a: { b: [] } } }),
    bytes({ bin: Buffer.from([1, 255, 128]), time: new Date(0), 'k"': 'é€😀\u009b\u202e' }),
    bytes([Number.NaN, Number.POSITIVE_INFINITY, -0, 0.1, 1e300, 1e-7]),
    Buffer.from(`${'91'.repeat(99)}c0`, 'hex'),
    Buffer.from(`${'91'.repeat(101)}c0`, 'hex'),
    Buffer.from('83c0a161c30182a16101', 'hex'),
  ],
  run(input) {
    const end = skip(input, 0, input.length)
    const found = scanned(input)
    if (typeof found === 'number') must(found === end, () => `the scanner ends at ${found}, skip at ${end}`)
    if (end < 0 || typeof found === 'string') return `${found}`
    const value = Buffer.from(input.subarray(0, end))
    const json = jsonOf(text, value)
    const plain = JSON.parse(json) as unknown
    const shown = jsonOf(safe, value)
    must(!CONTROLS.test(shown), 'a control character is not escaped')
    must(isDeepStrictEqual(JSON.parse(shown), plain), 'escaping controls changes the value')
    const expected = decoded(value)
    // Bytes that are not UTF-8 and keys that are not text have no common form.
    if (expected !== undefined && !json.includes('\ufffd'))
      must(isDeepStrictEqual(plain, asJson(expected.value)), () => `JSON is ${json.slice(0, 200)}`)
    return `${size(end)} ${expected === undefined} ${json.replaceAll(/[^[\]{}"\\.]/g, '').slice(0, 12)}`
  },
}

const MAX_LEVELS = 256
const LARGE = /\d{17}/

/** Returns the value of a JSON text, with lone surrogates replaced; undefined when it is none. */
function parsed(json: string): { value: unknown } | undefined {
  try {
    return { value: wellFormed(JSON.parse(json)) }
  } catch {
    return undefined
  }
}

function wellFormed(value: unknown): unknown {
  if (typeof value === 'string') return value.toWellFormed()
  if (Array.isArray(value)) return value.map(wellFormed)
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(
    Object.entries(value).map(([key, each]) => [key.toWellFormed(), wellFormed(each)]),
  )
}

/** Matches a text that may have a number beyond float64, which JSON.parse takes for infinity. */
const BEYOND = /[eE]\+?\d{3}|\d{309}/

function levels(value: unknown): number {
  if (value === null || typeof value !== 'object') return 0
  return 1 + Object.values(value).reduce<number>((most, each) => Math.max(most, levels(each)), 0)
}

const transcoder = new JsonTranscoder()
const FENCE = 0xaa

export const json: Target = {
  name: 'json',
  maxBytes: 5000,
  dictionary: [
    '{"',
    '":',
    '[',
    ']',
    '}',
    ',',
    '\\ud83d',
    '\\ude00',
    '\\u0000',
    '\\"',
    '1e400',
    '-0',
    '0.1',
    '1E+2',
    'true',
    'null',
    '"__proto__":',
    '\xff',
    '\xed\xa0\x80',
    ' \t\r\n',
  ],
  seeds: () => [
    '{"log":"hello\\n","n":1,"f":-1.5e3,"b":[true,false,null],"o":{"a":{"b":{}}},"é":"€😀"}',
    '{"a":1,"a":2,"__proto__":{"x":1},"constructor":null,"":""}',
    '[18446744073709551615,-9223372036854775808,1e308,1e-400,123456789012345678901234567890]',
    '"\\ud83d\\ude00\\ud83d\\u12\\x"',
    `${'['.repeat(256)}${']'.repeat(256)}`,
    `${'{"a":'.repeat(257)}1${'}'.repeat(257)}`,
    `{${Array.from({ length: 300 }, (_, i) => `"${i % 290}":${i}`).join()}}`,
  ],
  run(input) {
    const bound = jsonBound(input.length)
    const out = Buffer.alloc(bound + 16, FENCE)
    const end = transcoder.transcode(input, 0, input.length, out, 0)
    must(
      out.subarray(bound).every((byte) => byte === FENCE),
      'more bytes than the bound are written',
    )
    const isAccepted = end >= 0 && skipBlanks(input, transcoder.end, input.length) === input.length
    const source = input.toString()
    const expected = isUtf8(input) ? parsed(source) : undefined
    if (!isAccepted) {
      const isOwnLimit =
        expected !== undefined && (levels(expected.value) > MAX_LEVELS || BEYOND.test(source))
      must(!isUtf8(input) || expected === undefined || isOwnLimit, 'JSON is refused')
      return `refused ${end >= 0} ${isOwnLimit}`
    }
    must(skip(out, 0, end) === end, 'the output is not one value')
    must(!isUtf8(input) || expected !== undefined, 'what is not JSON is accepted')
    const again = JSON.parse(jsonOf(text, Buffer.from(out.subarray(0, end)))) as unknown
    // Integers beyond 64 bits become the nearest number, and the integer -0 is 0.
    if (expected !== undefined)
      must(
        LARGE.test(source) || isDeepStrictEqual(positiveZero(again), positiveZero(expected.value)),
        () => `became ${JSON.stringify(again).slice(0, 200)}`,
      )
    return `${size(end)} ${isUtf8(input)} ${source.replaceAll(/[^[\]{}\\.eE-]/g, '').slice(0, 8)}`
  },
}

function positiveZero(value: unknown): unknown {
  if (typeof value === 'number') return value + 0
  if (Array.isArray(value)) return value.map(positiveZero)
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, positiveZero(each)]))
}
