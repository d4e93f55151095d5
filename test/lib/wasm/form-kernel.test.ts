import { describe, expect, test } from 'bun:test'
import type { LineKernel, Parser, ParserKernel } from '../../../src/core/parser.ts'
import { compileTime, type TimeReader } from '../../../src/lib/time/strptime.ts'
import { FormKernel } from '../../../src/lib/wasm/form-kernel.ts'
import { MetadataMerger } from '../../../src/lib/wasm/metadata-merger.ts'
import { EntryEncoder, type EntryFormat } from '../../../src/plugins/inputs/tail/file/entry-encoder.ts'
import { spec as jsonSpec } from '../../../src/plugins/parsers/json.ts'
import { spec as logfmtSpec } from '../../../src/plugins/parsers/logfmt.ts'
import { spec as ltsvSpec } from '../../../src/plugins/parsers/ltsv.ts'
import { chunkOf } from '../../support/engine/chunk-of.ts'
import { shortOrLong } from '../../support/long.ts'
import { JSON_LOGS, LOGFMT_LOGS } from '../../support/tail/json-logs.ts'
import { byParser, failuresOf, mutatedLine } from '../../support/tail/kernels.ts'
import { Random } from '../../support/tail/log-lines.ts'
import { parserOf } from '../../support/tail/parse-line.ts'

type Options = Record<string, string | string[]>
type Keys = Omit<EntryFormat, 'key' | 'parser'>

const BASE = 2 ** 33 + 5
const NOW = '2026-11-29T12:00:00Z'
const MAX_LINE_BYTES = 10_000
const NO_KEYS: Keys = { pathKey: undefined, idKey: undefined, offsetKey: undefined }

const PARSERS: Record<string, (options: Options) => Parser> = {
  json: (options) => parserOf(jsonSpec, options as never, NOW),
  logfmt: (options) => parserOf(logfmtSpec, options as never, NOW),
  ltsv: (options) => parserOf(ltsvSpec, options as never, NOW),
}

function encoderOf(format: string, options: Options, keys: Keys): EntryEncoder {
  const parser = PARSERS[format]?.(options) as Parser
  const encoder = new EntryEncoder({ key: 'log', ...keys, parser }, { path: '/a.log', id: '1' })
  encoder.setTime(1_700_000_000, 5)
  return encoder
}

function kernelOf(encoder: EntryEncoder): LineKernel {
  const block = encoder.kernel(1 << 30)?.input ?? Buffer.alloc(0)
  const kernel = encoder.kernelOf(block, MAX_LINE_BYTES, false)
  if (kernel === undefined) throw new Error('there is no kernel')
  return kernel
}

/** Compares the kernel with the parser over a block; returns the number of lines that the kernel left out. */
function expectSame(format: string, options: Options, lines: readonly Buffer[], keys = NO_KEYS): number {
  const block = Buffer.concat(lines.flatMap((line, i) => [line, Buffer.from(i % 5 === 0 ? '\r\n' : '\n')]))
  const [fast, slow] = [encoderOf(format, options, keys), encoderOf(format, options, keys)]
  const kernel = kernelOf(fast)
  block.copy(kernel.input)
  let left = 0
  for (let at = 0; at < block.length; ) {
    const size = kernel.run(at, block.length, 1e9, BASE)
    const made = Buffer.from(kernel.output.subarray(0, size))
    const expected = byParser(slow, block, { from: at, until: kernel.consumed, base: BASE })
    const what = () =>
      `${format} ${JSON.stringify(options)}: ${block.toString('latin1', at, kernel.consumed)}`
    if (!made.equals(expected.entries))
      expect(`${made.toString('latin1')}`, what()).toBe(expected.entries.toString('latin1'))
    expect(failuresOf(kernel)).toEqual(expected.failures)
    at = kernel.consumed
    if (at === block.length) break
    if (kernel.records === 0 || at < block.length) {
      left++
      at = block.indexOf(10, at) + 1
    }
  }
  return left
}

const mutated = (r: Random, text: string): Buffer => mutatedLine(r, text, [0x20, 0x22, 0x5c])

const LINES: Record<string, string[]> = {
  json: [
    '{"ts":"2026-11-21T06:00:07.123456Z","level":"info","msg":"a \\"b\\" \\u00e9\\ud83d\\ude00","n":1.5e-7,"path":"/x","nested":{"ts":1}}',
    '{"level":"warn","ts":1795240800.123,"msg":"x","msg":"y","path":"own","a b":null}',
    ' {"t\\u0073":"2026-11-21T06:00:08Z","n":[1,{"a":2}],"offset":3,"long":"0123456789012345678901234567890123456789"} ',
    '{"n":1,"ts":"2026-11-21T06:00:59.9Z","ts":"2026-11-21T06:01:00Z","level":"x"}',
    '{"ts":"no time","k1":1,"k2":2,"k3":3,"k4":4,"k5":5,"k6":6,"k7":7,"k8":8,"k9":9,"k10":10,"k11":11,"k12":12,"k13":1,"k14":1,"k15":1}',
    `{"${'k'.repeat(40)}":1,"ts":"2026-11-21 06:00:00","b":{"${'k'.repeat(40)}":2}}`,
    '{"log":"a line\\n","stream":"stdout","time":"2026-11-21T06:00:07.123456789Z"}',
    '{"ts":1795240800123456789,"n":1}',
    '{"n":1,"ts":"1795240800123"}',
    '{"ts":1.7952408001e9,"n":1}',
    '{}',
    'not json',
    '{"a":1}x',
  ],
  logfmt: [
    'ts=2026-11-21T06:00:07.123456Z level=info msg="a \\"b\\" \\u00e9\\ud83d\\ude00 \\n" took=1.5 n=17 path=/x ok',
    'level=warn ts="2026-11-21T06:00:08Z" n=-5 took=abc flag=TRUE offset=5 a=b=c',
    'n=18446744073709551615 n=2 hex=0xff ts= level= = "x" bare ts',
    'ts=2026-11-21T06:00:09Z',
    'ts=1795240800.123456 level=info',
    'level=info ts="1795240800123" n=1',
    'msg="never closed',
    'long_key_0123456789_0123456789_0123456789=1 flag=false  level=x\tn=007',
    '=',
  ],
  ltsv: [
    'ts:2026-11-21T06:00:07.123456Z\tlevel:info\tmsg:a b\ttook:1.5\tn:17\tpath:/x',
    'level:warn\tts:2026-11-21T06:00:08Z\tn:-5\ttook:\tflag:TRUE\t\toffset:5\tlevel:again\t',
    'ts:2026-11-21T06:00:09Z',
    'ts:1795240800\tlevel:info',
    'level:info\tts:1795240800123.456',
    'n:1\tno label\ta:b',
    'long_key_0123456789_0123456789_0123456789:1\tts:bad\thex:ff\ta.b-c:é',
    '',
  ],
}
const TIMES: Options[] = [
  {},
  { time_key: 'ts', time_format: '%Y-%m-%dT%H:%M:%S.%L%z' },
  { time_key: 'ts', time_format: '%Y-%m-%dT%H:%M:%S.%LZ', time_keep: 'on' },
  { time_key: 'ts', time_format: ['%s.%L', '%Y-%m-%d %H:%M:%S'] },
  { time_key: 'ts', time_format: ['%Y-%m-%dT%H:%M:%S.%L%z', '%s'], time_keep: 'on' },
  { time_key: 'ts', time_format: 'epoch_ms' },
]
const TYPES = {
  types:
    'n:integer took:float flag:bool hex:hex ts:integer long_key_0123456789_0123456789_0123456789:integer',
}
const KEYS: Keys[] = [NO_KEYS, { pathKey: 'path', idKey: undefined, offsetKey: 'offset' }]

describe.each(['json', 'logfmt', 'ltsv'])('the kernel of %s', (format) => {
  const options = TIMES.flatMap((time) =>
    format === 'json'
      ? [time]
      : [
          time,
          { ...time, ...TYPES },
          ...(format === 'logfmt' ? [{ ...time, logfmt_no_bare_keys: 'on' }] : []),
        ],
  )

  test('writes the same bytes as the parser, and reports the same failures', () => {
    const r = new Random(11)
    const lines = LINES[format] as string[]
    for (let round = shortOrLong(6, 600); round > 0; round--) {
      for (const each of options)
        for (const keys of KEYS) {
          const block = Array.from({ length: 60 }, (_, i) =>
            r.below(3) === 0 ? Buffer.from(lines[i % lines.length] as string) : mutated(r, r.of(lines)),
          )
          expectSame(format, each, block, keys)
        }
    }
  }, 600_000)

  test('leaves none of these lines to the parser', () => {
    const lines = (LINES[format] as string[])
      .filter((line) => !line.includes('bare ts'))
      .map((line) => Buffer.from(line))
    for (const each of options) expect(expectSame(format, each, [...lines, ...lines])).toBe(0)
  })
})

test.each(['json', 'logfmt', 'ltsv'])(
  'the kernel of %s can begin at any offset up to the end of its memory',
  (format) => {
    const kernel = kernelOf(encoderOf(format, {}, NO_KEYS))
    const { length } = kernel.input
    kernel.input.fill(10)
    for (let start = length - 20; start <= length; start++) {
      kernel.run(start, length, 1e9, BASE)
      expect(kernel.consumed).toBe(length)
      expect(kernel.records).toBe(length - start)
    }
  },
)

test('control characters in strings of JSON are kept', () => {
  const lines = [
    '{"log":"a\tb\\n","stream":"stdout","time":"2026-11-21T06:00:07.1Z"}',
    '{"lag":"a\tb","\u0001\u0000":"\\t\t"}',
    `{"long":"${'\t'.repeat(300)}"}`,
  ]
  const time = { time_key: 'time', time_format: '%Y-%m-%dT%H:%M:%S.%L%z' }
  expect(
    expectSame(
      'json',
      time,
      lines.map((line) => Buffer.from(line)),
    ),
  ).toBe(0)
})

test('a line of which only the time is left is a record without fields', () => {
  const time = { time_key: 'ts', time_format: '%Y-%m-%dT%H:%M:%SZ' }
  expect(expectSame('logfmt', time, [Buffer.from('ts=2026-11-21T06:00:07Z')])).toBe(0)
  expect(expectSame('ltsv', time, [Buffer.from('ts:2026-11-21T06:00:07Z')])).toBe(0)
})

test.each(TIMES.slice(1, 3))('the last times of an entry, in 2106, are read as by the parser: %j', (time) => {
  const seconds = ['10', '20', '14', '16', '15', '09']
  const lines = seconds.map((second) => Buffer.from(`{"ts":"2106-02-07T06:28:${second}Z"}`))
  expect(expectSame('json', time, lines)).toBe(0)
})

test('a record that a filter has changed before does not move the fields of a line', () => {
  const own = { a: 1, b: 2, stream: 'stdout', log: '{"a":3}' }
  const merger = new MetadataMerger()
  const merge = { other: 'merge', stdout: 'merge', stderr: 'merge' } as const
  const form = { ...merge, starts: [], keepLog: false, trim: false, mergeKey: undefined }
  expect(merger.use({ ...form, pairs: Buffer.alloc(0) })).toBe(true)
  const chunk = chunkOf([own, { ...own, log: '{}' }])
  chunk.entries().copy(merger.input)
  merger.run(0, chunk.size)
  expect(merger.records).toBe(2)
  expect(expectSame('json', {}, [Buffer.from('{"x":"a","b":1,"x":2}')])).toBe(0)
})

test.each([
  ['json', '%s', '{"ts":1795240800,"a":1}'],
  ['json', '%s.%L', '{"a":1,"ts":"1795240800.5"}'],
  ['json', 'epoch_ms', '{"ts":1795240800123,"a":1}'],
  ['logfmt', '%s.%L', 'ts=1795240800.123456789'],
  ['ltsv', '%s', 'ts:1795240800123456'],
  ['ltsv', '%s', 'ts:1.7952408e9'],
] as const)(
  'a number that %s has as its time by %s is read without a call for each line',
  (form, format, line) => {
    const reader = compileTime(format)
    let calls = 0
    const time: TimeReader = {
      number: reader.number,
      parse(...all) {
        calls++
        return reader.parse(...all)
      },
    }
    const kernel = FormKernel.of({ form, time, timeKey: 'ts', keepTime: true, types: [], bareKeys: false })
    const frame = new EntryEncoder({ key: 'log', ...NO_KEYS, parser: undefined }, { path: '/a', id: '1' })
      .prefix
    const suffix = Buffer.alloc(0)
    const used = kernel?.use(
      { prefix: frame, prefixOffsetAt: -1, suffix, suffixOffsetAt: -1, extraPairs: 0 },
      MAX_LINE_BYTES,
      true,
    )
    const block = Buffer.from(`${line}\n`.repeat(100))
    block.copy(kernel?.input as Buffer)
    kernel?.run(0, block.length, 1e9, 0)
    expect([used, kernel?.records, kernel?.failures, calls]).toEqual([true, 100, 0, 0])
    expect(kernel?.output.readUInt32BE(3)).toBe(1_795_240_800)
  },
)

describe('lines as libraries and servers print them', () => {
  const time = { time_key: 'time', time_format: ['%Y-%m-%dT%H:%M:%S.%L%z', '%s.%L'] }
  const all = [
    ...Object.entries(JSON_LOGS).map(([name, line]) => ['json', name, line] as const),
    ...Object.entries(LOGFMT_LOGS).map(([name, line]) => ['logfmt', name, line] as const),
  ]

  test.each(all)('%s parses all lines of %s in WebAssembly, as the parser does', (format, _, line) => {
    const r = new Random(5)
    for (let block = shortOrLong(4, 400); block > 0; block--) {
      const lines = Array.from({ length: 60 }, () => Buffer.from(line(r)))
      for (const options of [{}, time]) expect(expectSame(format, options, lines)).toBe(0)
    }
  })
})

test('texts that are parsed between two runs change neither the block nor the frame of these', () => {
  const encoder = encoderOf('json', {}, { pathKey: 'path', idKey: undefined, offsetKey: 'at' })
  const kernel = kernelOf(encoder) as ParserKernel
  const lines = Buffer.from('{"a":1}\nno JSON\n{"b":2}\n')
  lines.copy(kernel.input)
  const run = (): Buffer => Buffer.from(kernel.output.subarray(0, kernel.run(0, lines.length, 1e9, BASE)))
  const before = run()
  const prefix = Buffer.from('92d700ffffffffffffffffc0', 'hex')
  const none = { prefixOffsetAt: -1, suffix: Buffer.alloc(0), suffixOffsetAt: -1, extraPairs: 0 }
  const texts = Buffer.from('{"c":3}\nx\n')
  texts.copy(kernel.texts)
  const size = kernel.runTexts({ prefix, ...none }, texts.length, 2)
  const head = 'd700ffffffffffffffff'
  expect(kernel.output.toString('hex', 0, size)).toBe(`92${head}81a16303` + `92${head}c0a178`)
  // Two lines in one text.
  expect(kernel.runTexts({ prefix, ...none }, texts.length, 1)).toBe(-1)
  expect([kernel.records, kernel.consumed, kernel.failures]).toEqual([3, lines.length, 1])
  expect(run().toString('hex')).toBe(before.toString('hex'))
})
