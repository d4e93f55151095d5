import { describe, expect, test } from 'bun:test'
import type { OptionTable } from '../../../src/core/options/option.ts'
import { parseOptions } from '../../../src/core/options/parse.ts'
import type { Parser } from '../../../src/core/parser.ts'
import type { ParserSpec } from '../../../src/core/plugin.ts'
import { spec as docker } from '../../../src/plugins/parsers/docker.ts'
import { spec as json } from '../../../src/plugins/parsers/json.ts'
import { spec as logfmt } from '../../../src/plugins/parsers/logfmt.ts'
import { spec as ltsv } from '../../../src/plugins/parsers/ltsv.ts'
import { spec as regex } from '../../../src/plugins/parsers/regex.ts'
import { fc } from '../../support/property.ts'
import { type Parsed, parseLine, SILENT } from '../../support/tail/parse-line.ts'

/** Creates a parser with these rules, and returns what it logged meanwhile. */
function parserWith<T extends OptionTable>(
  spec: ParserSpec<T>,
  rules: string[],
  texts: Record<string, string> = {},
): Parser & { warnings: string[] } {
  const warnings: string[] = []
  const clock = { nowMs: () => 0, after: () => undefined as never, cancel() {} }
  const options = parseOptions(spec.options, { ...texts, decode_field: rules } as never)
  const log = { ...SILENT, warn: (message: string) => void warnings.push(message) }
  return Object.assign(spec.create(options, { name: 'test', log, clock }), { warnings })
}

/** Parses the JSON line with this value as `log`. */
function logged(rules: string[], log: unknown, texts: Record<string, string> = {}): Parsed | undefined {
  return parseLine(parserWith(json, rules, texts), JSON.stringify({ before: 1, log, after: [2] }), 3)
}

const OBJECT = { status: 'up', n: 1.5, deep: { a: [1, null] } }
const TEXT = ` ${JSON.stringify(OBJECT)}\r\n`

describe('decode_field_as', () => {
  test('json replaces the text of an object with the object, in its place', () => {
    const parsed = logged(['decode_field_as json log'], TEXT)
    expect(parsed?.record).toEqual({ before: 1, log: OBJECT, after: [2] })
    expect(Object.keys(parsed?.record ?? {})).toEqual(['before', 'log', 'after'])
  })

  test('json keeps a text that is not an object', () => {
    for (const text of [
      '',
      ' ',
      '{',
      '[1]',
      '"a"',
      '{"a":1}{"b":2}',
      '{"a":1} x',
      '{a:1}',
      'null',
      '{"a":"\\q"}',
    ])
      expect(logged(['decode_field_as json log'], text)?.record.log).toBe(text)
  })

  test('a value that is not text and a field without rules are kept', () => {
    for (const value of [1, null, true, { log: '{}' }, ['{}']]) {
      expect(logged(['decode_field_as json log'], value)?.record.log).toEqual(value)
    }
    expect(logged(['decode_field_as json other'], TEXT)?.record.log).toBe(TEXT)
    expect(logged(['decode_field_as json lo'], TEXT)?.record.log).toBe(TEXT)
  })

  test('each text decoder replaces the text', () => {
    expect(logged(['decode_field_as escaped log'], 'a\\nb\\"')?.record.log).toBe('a\nb"')
    expect(logged(['decode_field_as ESCAPED_UTF8 log'], '\\u00e9')?.record.log).toBe('é')
    expect(logged(['decode_field_as mysql_quoted log'], `'it\\'s'`)?.record.log).toBe(`it's`)
  })

  test('a long text that becomes shorter gets a head for its new size', () => {
    const log = '\\n'.repeat(200)
    expect(logged(['decode_field_as escaped log'], log)?.record.log).toBe('\n'.repeat(200))
  })
})

describe('the rules of a field', () => {
  const quoted = JSON.stringify(JSON.stringify(OBJECT)).slice(1, -1)

  test('do_next: the next rule gets the result of the first', () => {
    const rules = ['decode_field_as escaped log do_next', 'decode_field_as json log']
    expect(logged(rules, quoted)?.record.log).toEqual(OBJECT)
    expect(logged(rules, 'plain\\n')?.record.log).toBe('plain\n')
  })

  test('without an action only the first rule is applied, whether it succeeds or not', () => {
    expect(logged(['decode_field_as escaped log', 'decode_field_as json log'], quoted)?.record.log).toBe(
      JSON.stringify(OBJECT),
    )
    expect(logged(['decode_field_as json log', 'decode_field_as escaped log'], 'a\\n')?.record.log).toBe(
      'a\\n',
    )
  })

  test('try_next: the next rule is applied only after a failure', () => {
    const rules = ['decode_field_as json log try_next', 'decode_field_as escaped log']
    expect(logged(rules, 'a\\n')?.record.log).toBe('a\n')
    expect(logged(rules, '{"a":"\\\\n"}')?.record.log).toEqual({ a: '\\n' })
    const after = ['decode_field_as escaped log try_next', 'decode_field_as json log']
    expect(logged(after, '{\\"a\\":1}')?.record.log).toBe('{"a":1}')
  })

  test('no rule is applied to a decoded object', () => {
    const rules = [
      'decode_field_as json log do_next',
      'decode_field json log do_next',
      'decode_field_as escaped log',
    ]
    expect(logged(rules, TEXT)?.record).toEqual({ before: 1, log: OBJECT, after: [2] })
  })

  test('of other fields are independent', () => {
    const parser = parserWith(json, ['decode_field_as json a', 'decode_field_as escaped b'])
    expect(parseLine(parser, JSON.stringify({ b: '\\t', a: '{"x":1}', c: '{}' }))?.record).toEqual({
      b: '\t',
      a: { x: 1 },
      c: '{}',
    })
  })
})

describe('decode_field', () => {
  test('json keeps the value and appends the fields of the object', () => {
    const parsed = logged(['decode_field json log'], TEXT)
    expect(parsed?.record).toEqual({ before: 1, log: TEXT, after: [2], ...OBJECT })
    expect(Object.keys(parsed?.record ?? {})).toEqual(['before', 'log', 'after', 'status', 'n', 'deep'])
  })

  test('combines with decode_field_as in the order of the configuration', () => {
    const rules = ['decode_field json log do_next', 'decode_field_as json log']
    expect(logged(rules, TEXT)?.record).toEqual({ before: 1, log: OBJECT, after: [2], ...OBJECT })
    const after = ['decode_field_as escaped log do_next', 'decode_field json log']
    expect(logged(after, '{\\"a\\":1}')?.record).toEqual({ before: 1, log: '{"a":1}', after: [2], a: 1 })
    const before = ['decode_field json log do_next', 'decode_field_as escaped log']
    expect(logged(before, '{\\"a\\":1}')?.record).toEqual({ before: 1, log: '{"a":1}', after: [2] })
  })

  test('appends the fields of one text once, and those of several texts in their order', () => {
    const twice = [
      'decode_field json log do_next',
      'decode_field_as escaped log do_next',
      'decode_field json log',
    ]
    const record = logged(twice, '{"a\\\\\\\\":1}')?.record
    expect(record).toEqual({ before: 1, log: '{"a\\\\":1}', after: [2], 'a\\': 1 })
    const parser = parserWith(json, ['decode_field json a', 'decode_field json b'])
    const line = JSON.stringify({ b: '{"x":1}', a: '{"y":2}' })
    expect(Object.entries(parseLine(parser, line)?.record ?? {}).slice(2)).toEqual([
      ['x', 1],
      ['y', 2],
    ])
  })

  test('gives the map a larger head for more than fifteen fields in total', () => {
    const many = Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`k${i}`, i]))
    expect(logged(['decode_field json log'], JSON.stringify(many))?.record).toMatchObject(many)
  })

  test('has no effect with a text decoder, and warns', () => {
    const parser = parserWith(json, ['decode_field escaped log'])
    expect(parser.warnings).toEqual([expect.stringContaining('use decode_field_as to replace the value')])
    expect(parseLine(parser, '{"log":"a\\\\n"}')?.record).toEqual({ log: 'a\\n' })
  })
})

describe('the time', () => {
  const texts = { time_key: 'ts', time_format: '%Y-%m-%dT%H:%M:%S.%L%z' }
  const ts = '2026-11-21T06:00:00.25Z'
  const time = '2026-11-21T06:00:00.250000000Z'

  test('is that of the record itself if it has one', () => {
    const parser = parserWith(json, ['decode_field json log'], texts)
    const line = JSON.stringify({ log: '{"ts":"2020-01-01T00:00:00Z","a":1}', ts })
    expect(parseLine(parser, line)).toEqual({
      record: { log: '{"ts":"2020-01-01T00:00:00Z","a":1}', ts: '2020-01-01T00:00:00Z', a: 1 },
      time,
    })
  })

  test('is also read from an appended number', () => {
    for (const [format, value, time] of [
      ['%s', 1795240800, '2026-11-21T06:00:00.000000000Z'],
      ['%s', 1795240800123, '2026-11-21T06:00:00.123000000Z'],
      ['%s.%L', 1795240800.5, '2026-11-21T06:00:00.500000000Z'],
      ['epoch_ms', 7, '1970-01-01T00:00:00.007000000Z'],
      ['epoch_ms', 300, '1970-01-01T00:00:00.300000000Z'],
      ['%s', [1795240800], undefined],
      ['%s', -1, undefined],
    ] as const) {
      const parsed = logged(['decode_field json log'], JSON.stringify({ time: value }), {
        time_format: format,
      })
      expect([value, parsed?.time]).toEqual([value, time])
      expect(Object.hasOwn(parsed?.record ?? {}, 'time')).toBe(time === undefined)
    }
  })

  test('otherwise is that of an appended field, which is kept only with time_keep', () => {
    const log = JSON.stringify({ a: 1, ts, b: 2 })
    const taken = logged(['decode_field json log'], log, texts)
    expect(taken).toEqual({ record: { before: 1, log, after: [2], a: 1, b: 2 }, time })
    const kept = logged(['decode_field json log'], log, { ...texts, time_keep: 'on' })
    expect(kept).toEqual({ record: { before: 1, log, after: [2], a: 1, ts, b: 2 }, time })
  })

  test('keeps its field when it is not valid', () => {
    const log = JSON.stringify({ ts: 'yesterday' })
    const parsed = logged(['decode_field json log'], log, texts)
    expect(parsed).toEqual({ record: { before: 1, log, after: [2], ts: 'yesterday' }, time: undefined })
  })
})

describe('each format', () => {
  const log = '{"a":1}'

  test('docker has the time of the line', () => {
    const line = JSON.stringify({ log: `${log}\n`, stream: 'stdout', time: '2026-11-21T06:00:00.1Z' })
    expect(parseLine(parserWith(docker, ['decode_field_as json log']), line)).toEqual({
      record: { log: { a: 1 }, stream: 'stdout', time: '2026-11-21T06:00:00.1Z' },
      time: '2026-11-21T06:00:00.100000000Z',
    })
  })

  test('regex decodes nested groups too', () => {
    const texts = { regex: '^(?<all>(?<level>[A-Z]+) (?<log>.*))$' }
    const rules = ['decode_field_as json log', 'decode_field_as escaped all']
    expect(parseLine(parserWith(regex, rules, texts), `INFO ${log}`)?.record).toEqual({
      all: `INFO ${log}`,
      level: 'INFO',
      log: { a: 1 },
    })
    expect(parseLine(parserWith(regex, rules, texts), 'nothing of that')).toBeUndefined()
  })

  test('ltsv', () => {
    const parser = parserWith(ltsv, ['decode_field json log'], { types: 'n:integer' })
    expect(parseLine(parser, `n:5\tlog:${log}`)?.record).toEqual({ n: 5, log, a: 1 })
  })

  test('logfmt', () => {
    const parser = parserWith(logfmt, ['decode_field_as json log'])
    expect(parseLine(parser, `x log="{\\"a\\":1}" y=2`)?.record).toEqual({ x: true, log: { a: 1 }, y: '2' })
  })
})

describe('any line', () => {
  const action = fc.constantFrom('', ' try_next', ' do_next')
  const decoder = fc.constantFrom('json', 'json', 'escaped', 'escaped_utf8', 'mysql_quoted')
  const rule = fc
    .tuple(fc.constantFrom('decode_field', 'decode_field_as'), decoder, fc.constantFrom('a', 'b'), action)
    .map(([name, type, field, next]) => `${name} ${type} ${field}${next}`)
  const rules = fc.array(rule, { minLength: 1, maxLength: 4 })
  const dense = fc.array(fc.constantFrom('1e1', '[1e1]', '{}', '"\\\\n"', '{"":1e1}'), { maxLength: 40 })
  const object = dense.map((items) => `{"":[${items.join(',')}],"a":1}`)
  const text = fc.oneof(object, fc.string({ unit: fc.constantFrom(...'\\"\'{}:,a1u0 é'), maxLength: 40 }))

  test('stays within the bound and yields complete records, whatever the rules', () => {
    fc.assert(
      fc.property(rules, fc.array(text, { maxLength: 4 }), fc.nat(20), (given, values, extra) => {
        const lines = values.map((value, i) => `"${'ab'[i % 2]}":${JSON.stringify(value)}`)
        parseLine(parserWith(json, given), `{${lines.join(',')}}`, extra)
        parseLine(
          parserWith(ltsv, given),
          values.map((value, i) => `${'ab'[i % 2]}:${value}`).join('\t'),
          extra,
        )
        parseLine(parserWith(regex, given, { regex: '(?<b>(?<a>.*))' }), values.join(' '), extra)
      }),
      { numRuns: 300 },
    )
  })

  test('stays within the bound when one text yields two objects that are larger than it', () => {
    const rules = ['decode_field json a do_next', 'decode_field_as json a']
    const numbers = Array.from({ length: 300 }, () => '1e1')
    const parsed = parseLine(parserWith(ltsv, rules), `a:{"":[${numbers.join(',')}]}`)
    expect(parsed?.record).toEqual({ a: { '': numbers.map(Number) }, '': numbers.map(Number) })
  })

  test('is refused or accepted exactly as without rules', () => {
    const plain = parserWith(json, [])
    fc.assert(
      fc.property(rules, fc.oneof(text, fc.json()), (given, line) => {
        // The decoder of the test refuses that key.
        fc.pre(!line.includes('__proto__'))
        expect(parseLine(parserWith(json, given), line) === undefined).toBe(
          parseLine(plain, line) === undefined,
        )
      }),
    )
  })
})
