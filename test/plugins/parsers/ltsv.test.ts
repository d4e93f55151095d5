import { expect, test } from 'bun:test'
import { spec } from '../../../src/plugins/parsers/ltsv.ts'
import { fc } from '../../support/property.ts'
import { parseLine, parserOf } from '../../support/tail/parse-line.ts'

const LINE_END = /[\r\n]+$/
const LABEL = /^[0-9A-Za-z_.-]{1,12}$/
const ltsv = parserOf(spec)

test('parses labels and values, also empty ones', () => {
  expect(
    parseLine(ltsv, 'host:127.0.0.1\tident:-\treq:GET / HTTP/1.1\tua:\t\tx.y-z_1:a:b\t')?.record,
  ).toEqual({
    host: '127.0.0.1',
    ident: '-',
    req: 'GET / HTTP/1.1',
    ua: '',
    'x.y-z_1': 'a:b',
  })
})

test('a line with a field that has no label is refused', () => {
  for (const line of ['', '\t', 'text', 'a:1\ttext', ':1', 'a b:1', 'a:1\té:2', 'a']) {
    expect(parseLine(ltsv, line)).toBeUndefined()
  }
})

test('the line end of a text is no part of its last value', () => {
  expect(parseLine(ltsv, 'a:1\tb:2\n')?.record).toEqual({ a: '1', b: '2' })
  expect(parseLine(ltsv, 'a:1\tb:2\r\n')?.record).toEqual({ a: '1', b: '2' })
  expect(parseLine(ltsv, '\n')).toBeUndefined()
})

test('a line with only a time is a record without fields at that time', () => {
  const line = parseLine(parserOf(spec, { time_format: '%s' }), 'time:1795240800')
  expect(line).toEqual({ record: {}, time: '2026-11-21T06:00:00.000000000Z' })
})

test('reads the time and converts types', () => {
  const options = {
    time_format: '[%d/%b/%Y:%H:%M:%S %z]',
    types: 'status:integer size:integer big:integer took:float id:hex',
  }
  const line =
    'time:[21/Nov/2026:06:00:00 +0000]\tstatus:200\tsize:-\tbig:18446744073709551615\ttook:0.25\tid:FFFFFFFFFFFFFFFF'
  expect(parseLine(parserOf(spec, options), line)).toEqual({
    record: { status: 200, size: '-', big: 18446744073709551615n, took: 0.25, id: 18446744073709551615n },
    time: '2026-11-21T06:00:00.000000000Z',
  })
  const kept = parseLine(parserOf(spec, { ...options, time_keep: 'on' }), line)
  expect(kept?.record.time).toBe('[21/Nov/2026:06:00:00 +0000]')
})

test('integers beyond 64 bits stay text', () => {
  const parser = parserOf(spec, { types: 'a:integer' })
  const value = (text: string): unknown => parseLine(parser, `a:${text}`)?.record.a
  expect(value('18446744073709551616')).toBe('18446744073709551616')
  expect(value('-9223372036854775809')).toBe('-9223372036854775809')
  expect(value('-9223372036854775808')).toBe(-9223372036854775808n)
  expect(value('9007199254740993')).toBe(9007199254740993n)
  expect(value('+0012')).toBe(12)
  expect(value('-00000000000000000000000012')).toBe(-12)
  expect(Object.is(value('-0'), 0)).toBe(true)
  expect(value('')).toBe('')
})

test('any labels and values survive the round trip', () => {
  const label = fc.stringMatching(LABEL).filter((text) => text !== '__proto__')
  const value = fc
    .string({ unit: 'binary', maxLength: 300 })
    .map((text) => text.toWellFormed().replaceAll('\t', ' '))
    // A line end is no part of the last value.
    .map((text) => text.replace(LINE_END, ''))
  fc.assert(
    fc.property(fc.dictionary(label, value, { minKeys: 1, maxKeys: 40 }), fc.nat(20), (pairs, extra) => {
      const line = Object.entries(pairs).map(([k, v]) => `${k}:${v}`)
      expect(parseLine(ltsv, line.join('\t'), extra)?.record).toEqual(pairs)
    }),
  )
})

test('any bytes stay within the bound, also with types', () => {
  const typed = parserOf(spec, { types: 'a:float' })
  const signs = fc.string({ unit: fc.constantFrom(...'a5:.\té'), maxLength: 60 })
  fc.assert(
    fc.property(
      fc.oneof(fc.uint8Array(), signs),
      (line) => void [parseLine(ltsv, line), parseLine(typed, line)],
    ),
  )
  expect(parseLine(typed, 'a:5\t'.repeat(200))?.record).toEqual({ a: 5 })
  expect(parseLine(ltsv, 'a:\t'.repeat(200))?.record).toEqual({ a: '' })
})
