import { describe, expect, test } from 'bun:test'
import type { Parser } from '../../../src/core/parser.ts'
import { viewOf } from '../../../src/lib/text/data-views.ts'
import { LineEncoder } from '../../../src/lib/wasm/line-encoder.ts'
import { EntryEncoder } from '../../../src/plugins/inputs/tail/file/entry-encoder.ts'
import { spec } from '../../../src/plugins/parsers/regex.ts'
import { fc } from '../../support/property.ts'
import { parserOf } from '../../support/tail/parse-line.ts'

/** Expressions for container logs as they are in the configurations of users. */
const SPELLINGS = [
  '^(?<time>[^ ]+) (?<stream>stdout|stderr) (?<logtag>[^ ]*) (?<message>.*)$',
  '^(?<time>[^ ]+) (?<stream>stdout|stderr) (?<logtag>P|F) (?<log>.*)$',
  '^(?<time>.+?) (?<stream>stdout|stderr) (?<logtag>[FP]) (?<log>.*)$',
  '^(?<time>.+) (?<stream>stdout|stderr) (?<logtag>F|P) (?<log>.*)$',
  '/^(?<time>.+) (?<stream>stdout|stderr) (?<logtag>[FP]) (?<log>.+)$/',
  '^(?<time>[^ ]+) (?<stream>stdout|stderr) (?<logtag>[^ ]*) ?(?<log>.*)$',
  '^(?<time>[^ ]+) (?<stream>stdout|stderr) (?<logtag>[^ ]+) (?<message>.+)$',
  '^(?<time>[^ ]+) (?<stream>stdout|stderr) (?<log>.*)$',
  '^(?<time>.+) (?<stream>stdout|stderr) [^ ]* (?<log>.*)$',
  '^(?<time>[^ ]+) (?<stream>stdout|stderr) (?:[^ ]*) (?<log>.*)$',
  '^(?<time>.+) (?<stream>stdout|stderr)( (?<logtag>.))? (?<message>.*)$',
  '/^(?<time>.+)\\b(?<stream>stdout|stderr)\\b(?<log>.*)$/',
  '/^(?<time>.+)\\b(?<stream>stdout|stderr)( (?<logtag>[A-Z]))?\\b(?<log>.*)$/',
  '^(?<time>[^\\s]+)\\s+(?<stream>stdout|stderr)\\s+(?<logtag>[^\\s]*)\\s+(?<log>.*)$',
  '^(?<time>.+)\\s+(?<stream>stdout|stderr)\\s+(?<logtag>[FP])\\s+(?<log>.*)$',
  '^(?<time>\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}:\\d{2}\\.\\d+Z) (?<stream>stdout|stderr) (?<flags>[^ ]*) (?<log>.*)$',
  '^(?<time>[^ ^Z]+Z) (?<stream>stdout|stderr) (?<logtag>[^ ]*) ?(?<log>.*)$',
  '^(?<time>[^ Z]+) (?<stream>stdout|stderr) (?<logtag>[^ ]*) ?(?<log>.*)$',
  '^(?<time>\\d+-\\d+-\\d+T\\d+:\\d+:\\d+\\.\\d{9}\\S+) (?<stream>std(?:out|err)) (?<logtag>F) (?<log>.*)$',
  '^(?<time>\\S+) (?<stream>\\w+) (?<logtag>\\w) (?<log>[\\s\\S]*)$',
  '(?<time>[^ ]+) (?<stream>stdout|stderr) (?<logtag>[^ ]+) (?<message>.*)',
  '\\A(?<time>[^ ]+)\\ (?<stream>(?i:STDOUT|STDERR))\\ (?<logtag>[[:alpha:]])\\ (?<log>(?:.|\\n)*)\\z',
  '(?x) ^ (?<time> [^\\ ]+ ) \\  (?<stream> stdout | stderr ) \\  (?<logtag> [FP] ) \\  (?<log> .*? ) $',
  '^(?<time>[^ ]+ )(?<a>std...) (?<log>.*)$',
]

/** Expressions that read some lines differently, so that the fast path must not know them. */
const OTHERS = [
  '^(?<log>.*)$',
  '^[^ ]+ (?<log>.*)$',
  '^(?<time>[^ ]+) (?<level>[^ ]+) (?<logger>[^ ]+) (?<log>.*)$',
  '^(?<time>.+) (?<stream>stdout|stderr) (?<logtag>.*) (?<log>.*)$',
  '^(?<time>[^ ]+) (?<stream>stdout) (?<logtag>[^ ]*) (?<log>.*)$',
  '^(?<time>[^ ]+) (?<stream>stdout|stderr) (?<logtag>[^ ]*) (?<log>[^"]*)',
  '^(?<time>[^ ]+) (?<stream>stdout|stderr) (?<logtag>[^ ]*) (?<log>.{0,50})',
  '^(?<time>[^ ]+) (?<stream>stdout|stderr) (?<logtag>[^ ]*) (?<level>\\w+ )?(?<log>.*)$',
  '^(?<date>[^T]+)T(?<time>[^ ]+) (?<stream>stdout|stderr) (?<logtag>[^ ]*) (?<log>.*)$',
  '^(?<log>[^ ]+) (?<stream>stdout|stderr) (?<logtag>[^ ]*) (?<log>.*)$',
  '^(?<all>(?<time>[^ ]+) (?<stream>stdout|stderr) (?<logtag>[^ ]*) (?<log>.*))$',
  '^(?<time>[^ ]+) (?<stream>stdout|stderr) (?<logtag>[^ ]*) (?!\\{)(?<log>.*)$',
]

type Options = Record<string, string>
const RFC3339 = { time_key: 'time', time_format: '%Y-%m-%dT%H:%M:%S.%L%z' }
const OPTIONS: Options[] = [
  RFC3339,
  { ...RFC3339, time_keep: 'on' },
  { ...RFC3339, time_keep: 'on', skip_empty_values: 'off' },
  { ...RFC3339, time_format: '%Y-%m-%dT%H:%M:%S.%LZ', skip_empty_values: 'off', regex_max_length: '60' },
  { ...RFC3339, time_format: '%Y-%m-%dT%H:%M:%S.%L', time_offset: '+0900', time_strict: 'off' },
  { ...RFC3339, time_format: '%Y-%m-%dT%H:%M:%S.%N%:z', time_keep: 'on' },
  { ...RFC3339, time_key: 'ts', types: 'stream:integer time:hex logtag:bool' },
  { ...RFC3339, types: 'logtag:hex log:integer' },
  { ...RFC3339, time_format: '%FT%T.%L %z' },
  { ...RFC3339, time_key: 'stream' },
  { ...RFC3339, time_key: 'log' },
  {},
]

const encoder = new LineEncoder()
const KEYS = { pathKey: undefined, idKey: undefined, offsetKey: 'at' }

function writerOf(parser: Parser): EntryEncoder {
  const writer = new EntryEncoder({ key: 'line', ...KEYS, parser }, { path: '/var/log/a.log', id: '1-2-3' })
  writer.setTime(1_700_000_000, 5)
  return writer
}

function byEncoder(writer: EntryEncoder, block: Buffer) {
  if (writer.entry === undefined || !encoder.use(writer.entry, 10_000, false)) throw new Error('not known')
  block.copy(encoder.input)
  const size = encoder.run(0, block.length, 1e9, 7)
  return { entries: Buffer.from(encoder.output.subarray(0, size)), records: encoder.records }
}

function byParser(writer: EntryEncoder, line: Buffer) {
  const out: Buffer<ArrayBuffer> = Buffer.alloc(writer.bound(line.length) + 64)
  return out.subarray(0, writer.write(out, viewOf(out), 0, line, 0, line.length, 7))
}

const digits = (n: number) => fc.nat({ max: 10 ** n - 1 }).map((v) => String(v).padStart(n, '0'))
const often = <T>(value: T, other: fc.Arbitrary<T>) =>
  fc.oneof({ weight: 3, arbitrary: fc.constant(value) }, { weight: 1, arbitrary: other })
const time = fc
  .tuple(
    often(
      '2026-11-21T06:00:',
      fc.constantFrom('2026-13-01T06:00:', '1960-01-01T00:00:', '2026-11-21 06:00:'),
    ),
    digits(2),
    often(9, fc.integer({ min: 1, max: 10 })).chain(digits),
    fc.constantFrom('Z', 'Z', 'Z', '+00:00', '-08:30', '+05:30', '+99:99', '+0530', 'z', ' UTC'),
  )
  .map(([minute, second, fraction, zone]) => `${minute}${second}.${fraction}${zone}`)
const piece = fc.oneof(
  fc.constantFrom(
    ' stdout ',
    'stderr',
    ' stdout F ',
    ' F ',
    ' P',
    'std',
    'st',
    ' ',
    '  ',
    '\t',
    '"',
    '{"a":1}',
    'x',
  ),
  fc.constantFrom(
    '\r',
    '\0',
    'é',
    '\u{1f600}',
    '\x85',
    'hello world',
    '2026-11-21T06:00:00.1Z stdout F y',
    'sstdd',
  ),
  fc.string({ maxLength: 20 }).map((text) => text.replaceAll('\n', '')),
)
const text = fc.array(piece, { maxLength: 5 }).map((pieces) => pieces.join(''))
const line = fc
  .tuple(
    time,
    often('stdout', fc.constantFrom('stderr', 'stdin')),
    often('F', fc.constantFrom('P', 'X', 'FF', '')),
    text,
  )
  .chain((parts) => {
    const whole = parts.join(' ')
    return often(
      whole,
      fc
        .tuple(fc.nat(whole.length), piece)
        .map(([at, more]) => whole.slice(0, at) + more + whole.slice(at + 1)),
    )
  })

/** Returns how many lines the encoder wrote; each of them must be as the parser writes it. */
function compare(parser: Parser, runs: number): number {
  const writer = writerOf(parser)
  let known = 0
  fc.assert(
    fc.property(line, (each) => {
      const bytes = Buffer.from(each)
      if (bytes.includes(10)) return
      const made = byEncoder(writer, Buffer.concat([bytes, Buffer.from('\n')]))
      known += made.records
      const end = bytes.at(-1) === 13 ? bytes.length - 1 : bytes.length
      if (made.records > 0) expect(made.entries).toEqual(byParser(writer, bytes.subarray(0, end)))
    }),
    { numRuns: runs },
  )
  return known
}

describe('an expression for container logs', () => {
  for (const regex of SPELLINGS)
    test(`writes the same entries on the fast path: ${regex}`, () => {
      const known = OPTIONS.map((options) => {
        const parser = parserOf(spec, { regex, ...options })
        return parser.lineFormat === undefined ? 0 : compare(parser, 200)
      })
      expect(known[0]).toBeGreaterThan(2)
      expect(known[1]).toBeGreaterThan(2)
    })

  for (const regex of OTHERS)
    test(`is left to the parser when it reads some lines differently: ${regex}`, () => {
      for (const skip_empty_values of ['on', 'off'])
        expect(parserOf(spec, { regex, ...RFC3339, skip_empty_values }).lineFormat).toBeUndefined()
    })

  test('is left to the parser when a field is not the text that the fast path writes', () => {
    const [regex = ''] = SPELLINGS
    const withOptions = (options: Options) => parserOf(spec, { regex, ...RFC3339, ...options }).lineFormat
    expect(withOptions({})).toBeDefined()
    expect(withOptions({ types: 'stream:hex' })).toBeDefined()
    for (const options of [
      { types: 'message:integer' },
      { types: 'logtag:hex' },
      { time_key: 'stream' },
      { time_key: 'message' },
      { time_format: '%d/%b/%Y:%H:%M:%S %z' },
      { regex_step_limit: '2' },
    ] as Options[])
      expect(withOptions(options)).toBeUndefined()
  })

  test('may name and place its groups in any way: random expressions write the same entries', () => {
    const times = [
      '[^ ]+',
      '\\S+',
      '.+',
      '.+?',
      '[^ Z]+',
      '[^ ]*Z',
      '\\d{4}-.*?',
      '[0-9TZ:.+-]+',
      '(?:\\d|\\D)+?',
      '.*',
    ]
    const streams = ['stdout|stderr', '[^ ]+', '\\w+', 'std(?:out|err)', '.*?', '[a-z]*', '.{6}']
    const tags = ['[^ ]*', 'F|P', '[FP]', '.', '\\w', '[A-Z]+', '.*?', 'F', '[^ ]?', '(?:P|F)?']
    const rests = [
      '.*',
      '.+',
      '.*?',
      '(?:.)*',
      '[^\\n]*',
      '[\\s\\S]*',
      '.?.*',
      '(?:stdout)?.*',
      ' ?.*',
      '\\s*.*',
      '[^\\r]*',
    ]
    const gap = fc.constantFrom(' ', ' ', ' ', '\\s', '\\s+', ' ?', '\\b \\b', ' +', '')
    const group = (name: string, bodies: string[]) =>
      fc
        .tuple(fc.constantFrom(...bodies), fc.constantFrom('named', 'named', 'plain', 'optional'))
        .map(([body, how]) =>
          how === 'named' ? `(?<${name}>${body})` : how === 'plain' ? `(?:${body})` : `(?<${name}>${body})?`,
        )
    const expression = fc
      .tuple(
        fc.constantFrom('^', '', '\\A'),
        group('time', times),
        gap,
        group('stream', streams),
        gap,
        group('tag', tags),
        gap,
        fc.constantFrom(...rests).map((body) => `(?<log>${body})`),
        fc.constantFrom('$', '', '\\z', '\\s*$'),
      )
      .map((parts) => parts.join(''))
    let known = 0
    fc.assert(
      fc.property(expression, fc.constantFrom(...OPTIONS.slice(0, 4)), (regex, options) => {
        const parser = parserOf(spec, { regex, ...options })
        if (parser.lineFormat !== undefined && compare(parser, 30) > 0) known++
      }),
      { numRuns: 400 },
    )
    expect(known).toBeGreaterThan(10)
  })
})
