import { describe, expect, test } from 'bun:test'
import type { Parser } from '../../../../../src/core/parser.ts'
import type { ParserSpec } from '../../../../../src/core/plugin.ts'
import { CounterMap } from '../../../../../src/engine/counters.ts'
import { pathCounters } from '../../../../../src/lib/wasm/fast-path.ts'
import type { ContainerMetadata } from '../../../../../src/plugins/filters/kubernetes/enrich/metadata.ts'
import { spec as criSpec } from '../../../../../src/plugins/parsers/cri.ts'
import { spec as dockerSpec } from '../../../../../src/plugins/parsers/docker.ts'
import { spec as jsonSpec } from '../../../../../src/plugins/parsers/json.ts'
import { spec as logfmtSpec } from '../../../../../src/plugins/parsers/logfmt.ts'
import { spec as ltsvSpec } from '../../../../../src/plugins/parsers/ltsv.ts'
import { spec as regexSpec } from '../../../../../src/plugins/parsers/regex.ts'
import { recordsOf } from '../../../../support/engine/chunk-of.ts'
import {
  type Choice,
  enriched,
  OPTIONS,
  oneByOne,
  parsedBy,
} from '../../../../support/kubernetes/enriched.ts'
import { shortOrLong } from '../../../../support/long.ts'
import { randomExpression, randomText } from '../../../../support/random-expressions.ts'
import { parserSections } from '../../../../support/tail/built-in-parsers.ts'
import { mutatedLine } from '../../../../support/tail/kernels.ts'
import { Random, REGEX_LINES } from '../../../../support/tail/log-lines.ts'
import { parserOf } from '../../../../support/tail/parse-line.ts'

type Options = Record<string, string | string[]>
type Line = (r: Random) => string

/** Enough to read for the module of an expression to be made at once. */
const BACKLOG = 1 << 30

function made(spec: unknown, options: Options = {}): Parser {
  const parser = parserOf(spec as ParserSpec, options as never)
  parser.kernel?.(BACKLOG)
  return parser
}

function builtIn(name: string): Options {
  const {
    name: _name,
    format: _format,
    ...options
  } = parserSections().find((each) => each.name === name) ?? {}
  return options
}

const digits = (r: Random, n: number): string => Array.from({ length: n }, () => String(r.below(10))).join('')
const nginx = REGEX_LINES.find(({ parser }) => parser === 'nginx')?.line as Line
const klog: Line = (r) =>
  `E1129 10:00:${digits(r, 2)}.${digits(r, 6)} ${r.of(['7', ''])} a.go:${r.below(900)}] ${r.of(['x', 'x y'])}`
const criTime: Line = (r) =>
  `2026-11-29${r.of(['T', 'T', 'T', ' '])}06:0${r.below(3)}:${digits(r, 2)}${r.of(['.', '.', '', ','])}${digits(r, r.of([9, 9, 9, 3, 12, 0]))}${r.of(['Z', 'Z', '+01:00', '', '+0530', 'z'])}`
const cri: Line = (r) =>
  `${criTime(r)} ${r.of(['stdout', 'stderr', 'a', ''])} ${r.of(['F', 'P', 'FP', ''])} ${r.of(['text', '', ' two words '])}`
const docker: Line = (r) =>
  `{"log":"${r.of(['a', 'a\\n', 'a \\"b\\"\\n', 'a\tb\\n', '\u0001', ''])}","stream":"${r.of(['stdout', 'stderr', 'x'])}","time":"2026-11-29T06:00:${digits(r, 2)}.${digits(r, r.of([9, 9, 3]))}Z"${r.of(['', '', ',"attrs":{"a":"\t"}'])}}`
const epoch: Line = (r) =>
  `${r.of(['1795', '1795', '0', '9', '4294'])}${digits(r, r.of([6, 6, 9, 12, 15, 3, 7]))}${r.of(['', '', '.', '.5', `.${digits(r, 9)}`, `.${digits(r, 12)}`, 'e2', '.5E+3', 'e-9', 'e', '-1', 'x', ',25'])}`
const escaped: Line = (r) => r.of(['', '', '\\n', '\\r\\n'])

/** Parsers, and what prints lines for them. */
const PARSERS: Record<string, [Parser, Line]> = {
  'nginx (regex)': [made(regexSpec, builtIn('nginx')), nginx],
  'klog (regex)': [
    made(regexSpec, {
      regex: '^(?<level>[IWEF])(?<time>\\d{4} [\\d:.]+) (?<thread>\\d*) (?<source>[^ ]+)\\] (?<message>.*)$',
      time_format: '%m%d %H:%M:%S.%L',
    }),
    klog,
  ],
  'a regex with types, kept time and empty fields': [
    made(regexSpec, {
      regex: '^(?<ts>[^ ]*) (?<a>[^ ]*) (?<log>[^ ]*) (?<kubernetes>[^ ]*) ?(?<stream>.*)$',
      types: 'a:integer log:float kubernetes:bool',
      time_key: 'ts',
      time_format: ['%s.%L', '%H:%M:%S'],
      time_keep: 'on',
      skip_empty_values: 'off',
    }),
    (r) =>
      `${r.of([epoch(r), `10:00:${digits(r, 2)}`, ''])} ${r.of(['1', '-7', 'x', '18446744073709551615'])} ${r.of(['1.5', '1e3', '', 'x'])} ${r.of(['true', 'no', '\r\n', 'a\nb'])}${r.of(['', ' ', ' x', ' \n'])}`,
  ],
  'a regex with names that come twice and 20 fields': [
    made(regexSpec, {
      regex: `^(?:(?<k>\\d+)|(?<k>[a-z]+)|(?<_p>.)(?<k>-));${Array.from({ length: 20 }, (_, i) => `(?<field${i}>[a-z]*),`).join('')}`,
    }),
    (r) =>
      `${r.of(['12', 'ab', 'x-', '?'])};${Array.from({ length: 20 }, () => `${r.of(['', 'a', 'bc'])},`).join('')}`,
  ],
  'a regex whose time is all that it reads': [
    made(regexSpec, { regex: '^(?<time>\\d+)?(?<x>x)?', time_format: '%s' }),
    (r) => `${r.of(['', epoch(r)])}${r.of(['', 'x'])}`,
  ],
  'a regex with a limit of its length': [
    made(regexSpec, { regex: '^(?<a>.*)$', regex_max_length: '9' }),
    (r) => 'x'.repeat(7 + r.below(4)),
  ],
  cri: [made(criSpec), cri],
  'cri without its time': [made(criSpec, { time_keep: 'off' }), cri],
  docker: [made(dockerSpec), docker],
  'docker without its time': [made(dockerSpec, { time_keep: 'off' }), docker],
  'json with an epoch': [
    made(jsonSpec, { time_key: 'ts', time_format: '%s.%L' }),
    (r) => `{"a":${r.below(9)},"ts":${r.of([epoch(r), `"${epoch(r)}"`])},"log":"x${escaped(r)}"}`,
  ],
  'logfmt with an epoch': [
    made(logfmtSpec, { time_key: 'ts', time_format: '%s', types: 'a:integer' }),
    (r) => `a=${r.below(9)} ts=${epoch(r)} log=x stream="a${escaped(r)}" ${r.of(['', 'bare', 'a=1'])}`,
  ],
  'ltsv with an epoch': [
    made(ltsvSpec, { time_key: 'ts', time_format: 'epoch_ms', time_keep: 'on', types: 'a:float' }),
    (r) => `a:${r.below(9)}\tts:${epoch(r)}\tkubernetes:x`,
  ],
}

/** Parsers without a kernel of their own, which the module calls. */
const CALLED: typeof PARSERS = {
  'docker with decoders': [
    made(dockerSpec, {
      decode_field: ['decode_field_as escaped_utf8 log do_next', 'decode_field_as json log'],
    }),
    (r) =>
      `{"log":"${r.of(['{\\"a\\":1,\\"b\\":[1,{}]}', 'x\\n', '\\\\u00e9', '{}'])}${escaped(r)}","stream":"x","time":"2026-11-29T06:00:01.${digits(r, 3)}Z"}`,
  ],
  'json with a decoder that appends fields and a time': [
    made(jsonSpec, { time_key: 'ts', time_format: '%s', decode_field: 'decode_field json log' }),
    (r) =>
      `{"n":1,"log":"{\\"ts\\":${epoch(r)},\\"kubernetes\\":2,\\"a\\":\\"b${r.of(['', '\\\\n'])}\\"}${r.of(['', ' x'])}"${r.of(['', `,"${'k'.repeat(40)}":"v\\n"`])}}`,
  ],
  'a regex with decoders and 16 fields': [
    made(regexSpec, {
      regex: `^${Array.from({ length: 15 }, (_, i) => `(?<f${i}>[a-z]*)`).join(',')} (?<log>.*)$`,
      decode_field: 'decode_field_as json log',
      skip_empty_values: 'off',
    }),
    (r) =>
      `${Array.from({ length: 15 }, () => r.of(['a', ''])).join(',')} ${r.of(['{"a":1}', '{}', 'x', `"${'y'.repeat(300)}`])}`,
  ],
  'a regex with lookahead': [
    made(regexSpec, { regex: '^(?!x)(?<a>\\w+) (?<time>\\d+)?(?<b>[^;]*)', time_format: '%s' }),
    (r) => `${r.of(['x', 'abc', ''])} ${r.of([epoch(r), ''])}${r.of(['', 'text', 't\r\n'])}`,
  ],
}

/** Records of tail and of other filters, with line ends and keys that the fields have too. */
function recordWith(r: Random, log: string): object {
  const text = `${log}${r.of(['', '', '\n', '\r\n', '\n\n'])}`
  const stream = r.of(['stdout', 'stdout', 'stderr'])
  const time = '2026-11-29T06:00:00Z'
  return r.of<() => object>([
    () => ({ time, stream, _p: 'F', log: text }),
    () => ({ time, stream, _p: 'F', log: text }),
    () => ({ stream, logtag: 'F', message: text }),
    () => ({ [r.of(['a', 'k', 'ts', 'code', 'kubernetes'])]: 1, log: text, stream, host: 'h' }),
    () => ({ log: text }),
    () => ({
      ...Object.fromEntries(Array.from({ length: 14 }, (_, i) => [`k${i}`, 'v'])),
      stream,
      log: text,
    }),
  ])()
}

const latin1 = (bytes: Buffer): string => bytes.toString('latin1')
const printable = (bytes: Buffer): string => bytes.toString()

function linesOf(r: Random, lines: Line[], count: number): string[] {
  return Array.from({ length: count }, () => {
    const line = r.of(lines)(r)
    return r.below(4) === 0 ? printable(mutatedLine(r, line, [0x20, 0x22, 0x5c])) : line
  })
}

function expectSame(choice: Choice, meta: ContainerMetadata, records: object[]): void {
  const all = [...LARGE, ...records]
  expect(latin1(enriched(choice, meta, all).entries())).toBe(latin1(oneByOne(choice, meta, all)))
}

/** Makes any chunk large enough for the module. */
const LARGE = [1, 2].map((n) => ({ log: 'x', n, more: 'x'.repeat(4500) }))
const COUNT = 80
const all = Object.entries({ ...PARSERS, ...CALLED })

describe.each(Object.entries(OPTIONS))('%s, the module writes the bytes of the fallback', (_, choice) => {
  test.each(all)('for a pod that requests %s', (name, [parser, line]) => {
    const r = new Random(name.length)
    for (let i = shortOrLong(1, 100); i > 0; i--)
      expectSame(
        choice,
        parsedBy(parser),
        linesOf(r, [line], COUNT).map((each) => recordWith(r, each)),
      )
  })

  test('for pods that request two parsers, beside a Merge_Parser', () => {
    const r = new Random(7)
    for (let i = shortOrLong(6, 400); i > 0; i--) {
      const three = Array.from({ length: 3 }, () => r.of(all)[1])
      const [first, second, merging] = three.map(([parser]) => parser) as [Parser, Parser, Parser]
      const streams = r.of([
        parsedBy(first, second),
        parsedBy(first, undefined),
        { ...parsedBy(undefined), streams: undefined },
      ])
      const lines = linesOf(r, [...three.map(([, line]) => line), docker], COUNT)
      const using = { ...choice, parser: r.of([merging, undefined]) }
      expectSame(
        using,
        streams,
        lines.map((each) => recordWith(r, each)),
      )
    }
  }, 600_000)
})

test('parsers that give one key different types do not change each other', () => {
  const typed = (type: string) => made(logfmtSpec, { types: `a:${type}` })
  const meta = parsedBy(typed('integer'), typed('float'))
  const r = new Random(1)
  const records = Array.from({ length: 300 }, () => ({
    ...r.of<object>([{}, { a: 1 }, { b: 'x' }]),
    stream: r.of(['stdout', 'stderr', 'x']),
    log: r.of(['a=1 b=2', 'b=1', 'b=1 a=2 c=3', '{"a":1}']),
  }))
  expectSame(OPTIONS['with Merge_Log, without Keep_Log'], meta, records)
})

test('random expressions write the bytes of the fallback', () => {
  const r = new Random(20261129)
  for (let i = 0; i < shortOrLong(20, 1500); i++) {
    const options = { regex: randomExpression(r), skip_empty_values: r.of(['on', 'off']) }
    let parser: Parser
    try {
      parser = made(regexSpec, options)
    } catch {
      continue
    }
    const records = Array.from({ length: 25 }, () => ({
      stream: 'stdout',
      log: printable(Buffer.from(randomText(r))),
    }))
    expectSame(OPTIONS['with Merge_Log, without Keep_Log'], parsedBy(parser), records)
  }
}, 600_000)

/** Lines that the fast path takes completely. */
const COMMON: Record<string, Line> = {
  'nginx (regex)': nginx,
  'klog (regex)': klog,
  cri: (r) =>
    `2026-11-29T06:00:${r.of(['01', '59'])}.${digits(r, 9)}Z ${r.of(['stdout', 'x'])} ${r.of(['F', 'P', 'FF'])} text`,
  docker: (r) =>
    `{"log":"a${r.below(9)}\\n","stream":"stdout","time":"2026-11-29T06:00:01.${digits(r, 9)}Z"}`,
  'json with an epoch': (r) => `{"ts":17${digits(r, 8)}.${digits(r, 6)},"a":1}`,
  'logfmt with an epoch': (r) => `ts=17${digits(r, 8)} a=1`,
  'ltsv with an epoch': (r) => `ts:17${digits(r, 11)}\ta:1`,
}

function countedFor(choice: Choice, meta: ContainerMetadata, records: object[]) {
  const counters = new CounterMap(pathCounters('enriched', 'small', 'parser', 'form'))
  const chunk = enriched(choice, meta, records, counters)
  return { counters, chunk }
}

test.each(Object.entries(COMMON))(
  'lines of %s take the fast path, also under Merge_Log_Key',
  (name, line) => {
    const r = new Random(3)
    const records = Array.from({ length: 200 }, () => ({ stream: r.of(['stdout', 'stderr']), log: line(r) }))
    for (const choice of [OPTIONS['with Merge_Log'], OPTIONS['with Merge_Log_Key']]) {
      const meta = parsedBy((PARSERS[name] as [Parser, Line])[0])
      const { counters, chunk } = countedFor(choice, meta, records)
      expect(counters.get('fast_path_records')).toBe(records.length)
      const fields = Object.keys(recordsOf(chunk)[0] ?? {}).length
      expect(fields).toBeGreaterThan(choice.mergeKey === undefined ? 3 : 2)
    }
  },
)

test('two parsers for the streams of a pod, and a Merge_Parser for records without a stream, take the fast path', () => {
  const [nginxParser, criParser] = [PARSERS['nginx (regex)']?.[0], PARSERS.cri?.[0]]
  const r = new Random(5)
  const records = Array.from({ length: 200 }, (_, i) =>
    i % 3 === 0
      ? { stream: 'stdout', log: nginx(r) }
      : i % 3 === 1
        ? { stream: 'stderr', log: '2026-11-29T06:00:01Z x F y' }
        : { log: 'a=1 b=2' },
  )
  const choice = { ...OPTIONS['with Merge_Log'], parser: PARSERS['logfmt with an epoch']?.[0] }
  const { counters, chunk } = countedFor(choice, parsedBy(nginxParser, criParser), records)
  expect(counters.get('fast_path_records')).toBe(records.length)
  expect(recordsOf(chunk).slice(0, 3)).toMatchObject([{ code: expect.anything() }, { logtag: 'F' }, { a: 1 }])
})

test('lines for an expression without a module are counted: with a reason that ends, and one that does not', () => {
  const records = Array.from({ length: 200 }, () => ({ stream: 'stdout', log: 'x'.repeat(100) }))
  const reasonOf = (options: Options): object =>
    countedFor(
      OPTIONS['with Merge_Log'],
      parsedBy(parserOf(regexSpec as unknown as ParserSpec, options as never)),
      records,
    ).counters.snapshot().counterReasons.fallback_records ?? {}
  expect(reasonOf({ regex: '^(?<a>x+)$' })).toMatchObject({ small: 200 })
  expect(reasonOf({ regex: '^(?<a>x+)(?!y)$' })).toMatchObject({ parser: 200 })
})
