import { describe, expect, test } from 'bun:test'
import { spec as dockerSpec } from '../../../src/plugins/parsers/docker.ts'
import { spec } from '../../../src/plugins/parsers/json.ts'
import { fc } from '../../support/property.ts'
import { parseLine, parserOf } from '../../support/tail/parse-line.ts'

const TIME = '2026-11-21T06:00:00.123456789Z'
const plain = parserOf(spec)
const docker = parserOf(dockerSpec)

describe('json', () => {
  test('the fields of the object become the fields of the record', () => {
    const value = { a: 1, b: [true, null, { c: 'é\n' }], time: 'x' }
    expect(parseLine(plain, ` ${JSON.stringify(value)} `)).toEqual({ record: value, time: undefined })
  })

  test('a line that is not one object is refused', () => {
    for (const line of ['', '1', '[]', '"a"', '{} {}', '{}x', '{', '{"a":1,}', 'text', '{"a":1e400}']) {
      expect(parseLine(plain, line)).toBeUndefined()
    }
  })

  test('control characters within strings are kept, those between values are not', () => {
    const controls = Array.from({ length: 32 }, (_, i) => String.fromCharCode(i)).join('')
    expect(parseLine(plain, `{"a":"x${controls}","b\t":"\\n\t"}`)?.record).toEqual({
      a: `x${controls}`,
      'b\t': '\n\t',
    })
    expect(parseLine(plain, '{"a":1,\u0001"b":2}')).toBeUndefined()
    expect(parseLine(plain, '{"a":"\\\t"}')).toBeUndefined()
  })

  test('the time field is removed, or kept on request', () => {
    const options = { time_key: 'ts', time_format: '%d/%b/%Y:%H:%M:%S %z' }
    const line = '{"a":1,"ts":"21/Nov/2026:06:00:00 +0000","b":2}'
    const time = '2026-11-21T06:00:00.000000000Z'
    expect(parseLine(parserOf(spec, options), line)).toEqual({ record: { a: 1, b: 2 }, time })
    expect(parseLine(parserOf(spec, { ...options, time_keep: 'on' }), line)).toEqual({
      record: JSON.parse(line),
      time,
    })
  })

  test('the time is read from a number and from an escaped text', () => {
    const line = '{"time":1795240800.5,"a":{"time":1}}'
    const parsed = parseLine(parserOf(spec, { time_format: '%s.%L' }), line)
    expect(parsed).toEqual({ record: { a: { time: 1 } }, time: '2026-11-21T06:00:00.500000000Z' })
    const escaped = parseLine(parserOf(spec, { time_format: '%Y/%m/%d' }), '{"time":"2026\\/11\\/21"}')
    expect(escaped).toEqual({ record: {}, time: '2026-11-21T00:00:00.000000000Z' })
  })

  test('the time of pino and bunyan is read, as a number in any unit and as text', () => {
    const pino = '{"level":30,"time":1795240800123,"pid":7,"msg":"up"}'
    const time = '2026-11-21T06:00:00.123000000Z'
    const record = { level: 30, pid: 7, msg: 'up' }
    for (const format of ['%s', '%s.%L', 'epoch_ms'])
      expect(parseLine(parserOf(spec, { time_format: format }), pino)).toEqual({ record, time })
    const spellings = ['1795240800123000', '1795240800123000000', '1.795240800123e9', '1.795240800123E12']
    for (const text of [...spellings, '"1795240800123"'])
      expect(parseLine(parserOf(spec, { time_format: '%s' }), `{"a":1,"time":${text}}`)?.time).toBe(time)
    for (const text of ['17952408001230', '-1795240800', '99999999999999999999'])
      expect(parseLine(parserOf(spec, { time_format: '%s' }), `{"time":${text}}`)?.time).toBeUndefined()
  })

  test('an invalid time keeps its field, and the time of reading is used', () => {
    const parser = parserOf(spec, { time_format: '%Y-%m-%dT%H:%M:%S.%L' })
    for (const value of ['soon', '', null, 5, true, [1], { a: 1 }, '2026-99-99T00:00:00Z', 'x'.repeat(300)]) {
      expect(parseLine(parser, JSON.stringify({ time: value, b: 1 }))).toEqual({
        record: { time: value, b: 1 },
        time: undefined,
      })
    }
  })

  test('heads fit when pairs are added or the time is removed at their limits', () => {
    const parser = parserOf(spec, { time_format: '%Y-%m-%dT%H:%M:%S.%L' })
    for (const n of [0, 1, 13, 14, 15, 16, 17]) {
      for (const extra of [0, 1, 2, 15]) {
        const fields = Object.fromEntries(Array.from({ length: n }, (_, i) => [`k${i}`, i]))
        const line = JSON.stringify({ ...fields, time: TIME })
        expect(parseLine(parser, line, extra)).toEqual({ record: fields, time: TIME })
      }
    }
  })

  test('any bytes after a brace stay within the bound', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        parseLine(plain, Buffer.concat([Buffer.from('{"'), bytes]))
      }),
    )
  })
})

describe('docker', () => {
  test('a line keeps its fields, their order and the line feed', () => {
    const line = `{"log":"hello\\n","stream":"stdout","time":"${TIME}"}`
    const parsed = parseLine(docker, line)
    expect(parsed).toEqual({ record: { log: 'hello\n', stream: 'stdout', time: TIME }, time: TIME })
    expect(Object.keys(parsed?.record ?? {})).toEqual(['log', 'stream', 'time'])
  })

  test('accepts times of any length, with another zone, and without a fraction', () => {
    for (const time of [
      '2026-11-21T06:00:00Z',
      '2026-11-21T06:00:00.1Z',
      '2026-11-21T06:00:00.123456789+01:00',
    ]) {
      const line = `{"log":"a","stream":"stderr","time":"${time}"}`
      const parsed = parseLine(docker, line)
      expect(parsed?.record).toEqual({ log: 'a', stream: 'stderr', time })
      expect(Math.floor(Date.parse(parsed?.time ?? ''))).toBe(Date.parse(time))
    }
  })

  test('other orders, attrs and a quote in the text are parsed as JSON', () => {
    for (const line of [
      `{"log":"a\\n","stream":"stdout","attrs":{"tag":"x"},"time":"${TIME}"}`,
      `{"stream":"stdout","log":"a\\n","time":"${TIME}"}`,
      `{"log":"a","x":"b\\n","stream":"stdout","time":"${TIME}"}`,
      `{"log":"a\\\\","stream":"stdout","time":"${TIME}"}`,
      `{"log":"\\\\n","stream":"stdout","time":"${TIME}"}`,
      `{"log":"","stream":"stdout","time":"${TIME}"}`,
      `{ "log":"a" , "stream":"stdout","time":"${TIME}"}`,
    ]) {
      expect(parseLine(docker, line)).toEqual({ record: JSON.parse(line), time: TIME })
    }
  })

  test('broken lines are refused', () => {
    for (const line of [
      `{"log":"a"b\\n","stream":"stdout","time":"${TIME}"}`,
      `{"log":"a\\n","stream":"stdout","time":"${TIME}"`,
      `{"log":"a\\x\\n","stream":"stdout","time":"${TIME}"}`,
      `{"log":"a\\","stream":"stdout","time":"${TIME}"}`,
      `{"log":"\\","stream":"stdout","time":"${TIME}"}`,
    ]) {
      expect(parseLine(docker, line)).toBeUndefined()
    }
  })

  test('any text equals the result of JSON.parse, with both parsers, with and without Time_Keep', () => {
    const leave = parserOf(spec, { time_format: '%Y-%m-%dT%H:%M:%S.%LZ' })
    const text = fc.oneof(fc.string({ unit: 'binary', maxLength: 300 }), fc.string({ maxLength: 300 }))
    fc.assert(
      fc.property(text, fc.constantFrom('\n', ''), fc.constantFrom(0, 1, 12, 13, 14), (log, end, extra) => {
        const value = { log: log.toWellFormed() + end, stream: 'stdout', time: TIME }
        const line = JSON.stringify(value)
        expect(parseLine(docker, line, extra)).toEqual({ record: value, time: TIME })
        const { time: _, ...rest } = value
        expect(parseLine(leave, line, extra)).toEqual({ record: rest, time: TIME })
      }),
      { numRuns: 500 },
    )
  })

  test('a changed byte is accepted only where JSON.parse accepts it', () => {
    const signs = fc.constantFrom(...' "\\{}[],:09.u/xntZ')
    fc.assert(
      fc.property(fc.nat(90), signs, fc.nat(1), (i, sign, cut) => {
        const line = `{"log":"say \\"x\\" now\\n","stream":"stdout","time":"${TIME}"}`
        const changed = line.slice(0, i) + sign + line.slice(i + cut)
        let expected: unknown
        try {
          expected = JSON.parse(changed)
        } catch {}
        expect(parseLine(docker, changed)?.record).toEqual(expected as never)
      }),
      { numRuns: 2000 },
    )
  })
})
