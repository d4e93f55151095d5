import { expect, test } from 'bun:test'
import { spec } from '../../../src/plugins/parsers/logfmt.ts'
import { fc } from '../../support/property.ts'
import { parseLine, parserOf } from '../../support/tail/parse-line.ts'

const KEY = /^[!#-<>-~]{1,12}$/
const logfmt = parserOf(spec)
const record = (line: string): unknown => parseLine(logfmt, line)?.record

test('parses pairs, quoted values and bare keys', () => {
  expect(record('level=info msg="all is well" ok path=/a?b=c n=5 e= q=""')).toEqual({
    level: 'info',
    msg: 'all is well',
    ok: true,
    path: '/a?b=c',
    n: '5',
    e: '',
    q: '',
  })
})

test('resolves escapes in quotation marks', () => {
  expect(record('a="say \\"x\\"\\n\\t\\\\ \\u00e9\\ud83d\\ude00 \\q\\uZ" b="1"')).toEqual({
    a: 'say "x"\n\t\\ é😀 quZ',
    b: '1',
  })
})

test('garbage between pairs is skipped, and an open quotation mark ends with the line', () => {
  expect(record(' == "a=1   b=2 ""c="x y')).toEqual({ a: '1', b: '2', c: 'x y' })
  expect(record('c="x\\')).toEqual({ c: 'x\\' })
})

test('a line without a key is refused; one with a bare key on request', () => {
  for (const line of ['', '   ', '""', '=']) expect(record(line)).toBeUndefined()
  const strict = parserOf(spec, { logfmt_no_bare_keys: 'on' })
  expect(parseLine(strict, 'a=1 b')).toBeUndefined()
  expect(parseLine(strict, 'a=1 b=')?.record).toEqual({ a: '1', b: '' })
})

test('reads the time and converts types', () => {
  const parser = parserOf(spec, {
    time_key: 'ts',
    time_format: '%Y-%m-%dT%H:%M:%S.%L',
    types: 'n:integer f:float b:bool x:hex s:string',
  })
  expect(parseLine(parser, 'n=-12 f="1.5" ts=2026-11-21T06:00:00.5Z b=True x=0xff s=7 m=8')).toEqual({
    record: { n: -12, f: 1.5, b: true, x: 255, s: '7', m: '8' },
    time: '2026-11-21T06:00:00.500000000Z',
  })
  expect(parseLine(parser, 'ts=soon n=many f=nan b=2 x=g')).toEqual({
    record: { ts: 'soon', n: 'many', f: 'nan', b: '2', x: 'g' },
    time: undefined,
  })
})

test('a refused line keeps the time of reading', () => {
  const parser = parserOf(spec, { time_format: '%s', logfmt_no_bare_keys: 'on' })
  expect(parseLine(parser, 'time=1795240800 x')).toBeUndefined()
  expect(parseLine(parser, 'time=1795240800 x=')?.time).toBe('2026-11-21T06:00:00.000000000Z')
})

test('any pairs survive the round trip', () => {
  const key = fc.stringMatching(KEY).filter((text) => text !== '__proto__')
  const value = fc.oneof(fc.string({ unit: 'binary', maxLength: 300 }), fc.integer().map(String))
  fc.assert(
    fc.property(fc.dictionary(key, value, { minKeys: 1, maxKeys: 40 }), fc.nat(20), (pairs, extra) => {
      const line = Object.entries(pairs).map(([k, v]) => `${k}="${v.replace(/["\\]/g, '\\$&')}"`)
      expect(parseLine(logfmt, line.join(' '), extra)?.record).toEqual(
        Object.fromEntries(Object.entries(pairs).map(([k, v]) => [k, v.toWellFormed()])),
      )
    }),
  )
})

test('any bytes stay within the bound, also with types', () => {
  const typed = parserOf(spec, { types: 'a:float' })
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 100 }),
    fc.string({ unit: fc.constantFrom(...'a5=" \\u0é'), maxLength: 60 }),
  )
  fc.assert(fc.property(bytes, (line) => void [parseLine(logfmt, line), parseLine(typed, line)]))
  expect(parseLine(typed, 'a=5 '.repeat(200))?.record).toEqual({ a: 5 })
  expect(parseLine(logfmt, 'a '.repeat(200))?.record).toEqual({ a: true })
})

test('a line with more fields than any program writes stays as it is', () => {
  const line = (fields: number, form: (n: number) => string) =>
    Array.from({ length: fields }, (_, n) => form(n)).join(' ')
  for (const form of [(n: number) => `k${n}=1`, (n: number) => `k${n}`]) {
    expect(record(line(65_536, form))).toBeDefined()
    expect(record(line(65_537, form))).toBeUndefined()
  }
})
