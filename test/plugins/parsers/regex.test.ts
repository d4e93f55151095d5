import { describe, expect, test } from 'bun:test'
import { ShipperError } from '../../../src/core/error.ts'
import { spec } from '../../../src/plugins/parsers/regex.ts'
import { fc } from '../../support/property.ts'
import { parseLine, parserOf } from '../../support/tail/parse-line.ts'

const record = (regex: string, line: string | Uint8Array, options: Record<string, string> = {}): unknown =>
  parseLine(parserOf(spec, { regex, ...options }), line)?.record

describe('regex', () => {
  test('named groups become fields, a line that does not match is refused', () => {
    expect(record('^(?<a>\\w+) (?<b>\\d+)', 'x 12 more')).toEqual({ a: 'x', b: '12' })
    expect(record('^(?<a>\\w+) (?<b>\\d+)$', 'x 12 more')).toBeUndefined()
  })

  test('values keep their bytes, UTF-8 or not', () => {
    expect(record('^(?<a>[^ ]+) (?<b>.+)$', 'é漢😀 ü')).toEqual({ a: 'é漢😀', b: 'ü' })
    const parser = parserOf(spec, { regex: '^(?<a>.*)$' })
    const out = { buf: Buffer.alloc(200), at: 0, sec: 0, nsec: 0, extraPairs: 0 }
    const bytes = Buffer.from(Array.from({ length: 100 }, (_, i) => 156 + i))
    expect(parser.parse(bytes, 0, 100, out)).toBe(true)
    expect(out.buf.subarray(out.at - 100, out.at).equals(bytes)).toBe(true)
  })

  test('a value that also occurs earlier in the line is taken from its group', () => {
    expect(record('^. (?<a>\\w) (?<b>\\w)', 'b a b')).toEqual({ a: 'a', b: 'b' })
  })

  test('empty fields are omitted, or kept on request', () => {
    const regex = '^(?<a>\\w*),(?<b>\\w*)(?<c>x)?$'
    expect(record(regex, 'q,')).toEqual({ a: 'q' })
    expect(record(regex, 'q,', { skip_empty_values: 'off' })).toEqual({ a: 'q', b: '', c: '' })
    expect(record(regex, ',')).toBeUndefined()
  })

  test('among groups with the same name, the one that matched is used', () => {
    const regex = '^(?:"(?<v>[^"]*)"|(?<v>\\w+)) (?<w>.)'
    expect(record(regex, '"a b" c')).toEqual({ v: 'a b', w: 'c' })
    expect(record(regex, 'ab c', { skip_empty_values: 'off' })).toEqual({ v: 'ab', w: 'c' })
  })

  test('reads the time and converts types', () => {
    const options = {
      regex: '^\\[(?<time>[^\\]]*)\\] (?<code>\\S+) (?<took>\\S+) (?<up>\\S+)',
      time_format: '%d/%b/%Y:%H:%M:%S %z',
      types: 'code:integer took:float up:bool',
    }
    expect(parseLine(parserOf(spec, options), '[21/Nov/2026:07:00:00 +0100] 200 0.25 true')).toEqual({
      record: { code: 200, took: 0.25, up: true },
      time: '2026-11-21T06:00:00.000000000Z',
    })
    expect(
      parseLine(parserOf(spec, { ...options, time_keep: 'on' }), '[soon] - 18446744073709551615 no'),
    ).toEqual({
      record: { time: 'soon', code: '-', took: 2 ** 64, up: 'no' },
      time: undefined,
    })
  })

  test('a line with only a time is a record without fields at that time', () => {
    const parser = parserOf(spec, { regex: '^(?<time>\\d*)(?<rest>.*)', time_format: '%s' })
    expect(parseLine(parser, '1795240800')).toEqual({ record: {}, time: '2026-11-21T06:00:00.000000000Z' })
    expect(parseLine(parser, '')).toBeUndefined()
  })

  test('a line longer than Regex_Max_Length is not matched', () => {
    expect(record('(?<a>.+)', 'x'.repeat(101), { regex_max_length: '100' })).toBeUndefined()
    expect(record('(?<a>.+)', 'x'.repeat(100), { regex_max_length: '100' })).toEqual({ a: 'x'.repeat(100) })
  })

  test('anchors match at each line of a text with several lines', () => {
    expect(record('^(?<a>b.*)$', 'a\nbc\nd')).toEqual({ a: 'bc' })
  })
})

describe('regex with invalid options', () => {
  test('an expression without a named group matches no line', () => {
    expect(record('^(a)$', 'a')).toBeUndefined()
  })

  test('an invalid expression or offset is a configuration error', () => {
    expect(() => parserOf(spec, { regex: '(?<a>x' })).toThrow(ShipperError)
    expect(() => parserOf(spec, { regex: '(?<a>x)', time_offset: 'x' })).toThrow('"time_offset"')
  })

  test('an unknown type means text, and the others apply', () => {
    const types = 'a: integer b:date c:integer'
    expect(record('^(?<a>.)(?<b>.)(?<c>.)$', '123', { types })).toEqual({ a: '1', b: '2', c: 3 })
  })

  test('several groups of one name give one field, also when empty values are kept', () => {
    const options = { skip_empty_values: 'off' }
    const last = '^(?:(?<a>x)|(?<a>y)|(?<a>z)(?<a>w)?)(?<b>.?)$'
    for (const [line, a] of [
      ['x', 'x'],
      ['y', 'y'],
      ['z', 'z'],
      ['zw', 'w'],
    ] as const)
      expect(record(last, line, options)).toEqual({ a, b: '' })
  })

  test('a line is parsed despite an invalid time format', () => {
    const line = record('^(?<time>\\S+) (?<a>.*)$', '2024-1 b', { time_format: '%Y-%Q' })
    expect(line).toEqual({ time: '2024-1', a: 'b' })
  })
})

test('any fields survive the round trip, with any number of extra pairs', () => {
  const value = fc
    .string({ unit: 'binary', maxLength: 300 })
    .map((text) => text.toWellFormed().replaceAll('|', ''))
  fc.assert(
    fc.property(fc.array(value, { minLength: 1, maxLength: 20 }), fc.nat(20), (values, extra) => {
      const regex = `\\A${values.map((_, i) => `(?<k${i}>[^|]*)`).join('\\|')}\\z`
      const parser = parserOf(spec, { regex, skip_empty_values: 'off' })
      const expected = Object.fromEntries(values.map((text, i) => [`k${i}`, text]))
      expect(parseLine(parser, values.join('|'), extra)?.record).toEqual(expected)
    }),
  )
})

test('nested and overlapping groups of long lines stay within the bound, also with types', () => {
  const regex = '(?=(?<l>.*))(?<a>(?<b>(?<c>.*)))$'
  for (const types of ['', 'a:integer b:float c:hex l:bool']) {
    const parser = parserOf(spec, types === '' ? { regex } : { regex, types })
    fc.assert(fc.property(fc.uint8Array({ maxLength: 400 }), (line) => void parseLine(parser, line)))
  }
})
