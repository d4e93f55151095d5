import { expect, test } from 'bun:test'
import { spec } from '../../../src/plugins/parsers/cri.ts'
import { fc } from '../../support/property.ts'
import { parseLine, parserOf } from '../../support/tail/parse-line.ts'

const cri = parserOf(spec)
const NAIVE = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+(?:Z|[+-]\d\d:\d\d)) ([^ ]+) ([^ ]+) (.*)$/s
const TIME = '2026-11-21T06:00:00.123456789Z'

test('a line becomes time, stream, logtag and message', () => {
  expect(parseLine(cri, `${TIME} stdout F hello world`)).toEqual({
    record: { time: TIME, stream: 'stdout', logtag: 'F', message: 'hello world' },
    time: TIME,
  })
})

test('accepts any zone and fraction, partial lines and empty messages', () => {
  const zoned = '2026-11-21T07:00:00.5+01:00'
  expect(parseLine(cri, `${zoned} stderr P `)).toEqual({
    record: { time: zoned, stream: 'stderr', logtag: 'P', message: '' },
    time: '2026-11-21T06:00:00.500000000Z',
  })
})

test('accepts tags of several words separated by colons, and other streams', () => {
  expect(parseLine(cri, `${TIME} stdlog P:x:y a`)?.record).toEqual({
    time: TIME,
    stream: 'stdlog',
    logtag: 'P:x:y',
    message: 'a',
  })
})

test('the time is removed on request', () => {
  const record = { stream: 'stdout', logtag: 'F', message: 'm' }
  expect(parseLine(parserOf(spec, { time_keep: 'off' }), `${TIME} stdout F m`)).toEqual({
    record,
    time: TIME,
  })
})

test('a line of another form is refused', () => {
  for (const line of [
    '',
    'x',
    TIME,
    `${TIME} `,
    `${TIME} stdout`,
    `${TIME} stdout F`,
    `${TIME} stdout  x`,
    `${TIME}  F x`,
  ]) {
    expect(parseLine(cri, line)).toBeUndefined()
  }
  expect(parseLine(cri, `x${TIME} stdout F m`)).toBeUndefined()
  expect(parseLine(cri, '2026-13-21T06:00:00Z stdout F m')).toBeUndefined()
})

test('equals a naive parser for any line', () => {
  const line = fc
    .tuple(
      fc.date({ min: new Date(1e9), max: new Date('2100-01-01'), noInvalidDate: true }),
      fc.constantFrom('Z', '+01:00', '-11:30'),
      fc.constantFrom('stdout', 'stderr', 'std', '', 'x'.repeat(40)),
      fc.constantFrom('F', 'P', 'FF', '', 'x'.repeat(40)),
      fc.string({ unit: 'binary', maxLength: 300 }),
      fc.constantFrom(' ', ' ', ' ', '  ', ''),
    )
    .map(([date, zone, stream, tag, message, blank]) =>
      [`${date.toISOString().slice(0, -1)}${zone}`, stream, tag, message.toWellFormed()].join(blank),
    )
  fc.assert(
    fc.property(line, fc.constantFrom(0, 2, 13, 20), (text, extra) => {
      const [, time, stream, logtag, message] = NAIVE.exec(text) ?? []
      const expected = time === undefined ? undefined : { time, stream, logtag, message }
      const found = parseLine(cri, text, extra)
      expect(found?.record).toEqual(expected as never)
      if (time !== undefined) expect(Date.parse(found?.time ?? '')).toBe(Date.parse(time))
    }),
    { numRuns: 500 },
  )
})

test('any bytes stay within the bound', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 80 }),
      fc.constantFrom('', `${TIME} stdout F `, `${TIME} `),
      (bytes, head) => {
        parseLine(cri, Buffer.concat([Buffer.from(head), bytes]))
      },
    ),
  )
})
