import { describe, expect, test } from 'bun:test'
import type { LineKernel, Parser } from '../../../src/core/parser.ts'
import type { ParserSpec } from '../../../src/core/plugin.ts'
import { EntryEncoder, type EntryFormat } from '../../../src/plugins/inputs/tail/file/entry-encoder.ts'
import { spec as regexSpec } from '../../../src/plugins/parsers/regex.ts'
import { shortOrLong } from '../../support/long.ts'
import { randomExpression, randomText } from '../../support/random-expressions.ts'
import { parserSections } from '../../support/tail/built-in-parsers.ts'
import { byParser, failuresOf, mutatedLine, type Written } from '../../support/tail/kernels.ts'
import { Random, REGEX_LINES } from '../../support/tail/log-lines.ts'
import { parserOf } from '../../support/tail/parse-line.ts'

type Options = Record<string, string | string[]>

const BASE = 2 ** 33 + 5
const BACKLOG = 1 << 30
const MAX_LINE_BYTES = 10_000
const NO_KEYS = { pathKey: undefined, idKey: undefined, offsetKey: undefined }
const KEYS = { pathKey: 'a file', idKey: undefined, offsetKey: 'an offset' }

function parser(options: Options): Parser {
  return parserOf(regexSpec as unknown as ParserSpec, options as never, '2026-11-29T12:00:00Z')
}

function encoderOf(options: Options, keys: Omit<EntryFormat, 'key' | 'parser'> = NO_KEYS): EntryEncoder {
  const encoder = new EntryEncoder(
    { key: 'log', ...keys, parser: parser(options) },
    { path: '/a.log', id: '1' },
  )
  encoder.setTime(1_700_000_000, 5)
  return encoder
}

interface Made extends Written {
  consumed: number
}

function kernelOf(encoder: EntryEncoder): LineKernel {
  // Some expressions also read the lines of a container runtime, for which there is another kernel.
  encoder.missedBlock()
  const block = encoder.kernel(BACKLOG)?.input ?? Buffer.alloc(0)
  const kernel = encoder.kernelOf(block, MAX_LINE_BYTES, false)
  if (kernel === undefined) throw new Error('there is no kernel for this expression')
  return kernel
}

function byKernel(encoder: EntryEncoder, block: Buffer, room = 1e9): Made {
  const kernel = kernelOf(encoder)
  block.copy(kernel.input)
  const size = kernel.run(0, block.length, room, BASE)
  const entries = Buffer.from(kernel.output.subarray(0, size))
  return { entries, consumed: kernel.consumed, failures: failuresOf(kernel) }
}

/** Compares both over a block, and returns the number of lines that the kernel wrote. */
function expectSame(
  options: Options,
  lines: readonly Buffer[],
  keys = NO_KEYS as Omit<EntryFormat, 'key' | 'parser'>,
): number {
  const block = Buffer.concat(lines.flatMap((line, i) => [line, Buffer.from(i % 5 === 0 ? '\r\n' : '\n')]))
  const made = byKernel(encoderOf(options, keys), block)
  const expected = byParser(encoderOf(options, keys), block, { until: made.consumed, base: BASE })
  expect(made.failures).toEqual(expected.failures)
  expect(made.entries.toString('latin1')).toBe(expected.entries.toString('latin1'))
  return block.subarray(0, made.consumed).filter((byte) => byte === 10).length
}

/** Returns false also for an expression that is refused. */
function hasKernel(options: Options): boolean {
  try {
    const encoder = encoderOf(options)
    encoder.missedBlock()
    return encoder.kernel(BACKLOG) !== undefined
  } catch {
    return false
  }
}

const mutated = (r: Random, text: string): Buffer => mutatedLine(r, text, [0x20, 0x22])

describe('the kernel of an expression writes the bytes of the parser', () => {
  for (const { parser: name, kind, line } of REGEX_LINES) {
    const section = parserSections().find((each) => each.name === name) ?? {}
    const { name: _name, format: _format, ...options } = section
    for (const [which, keys] of [
      ['', NO_KEYS],
      [' with path and offset', KEYS],
    ] as const)
      test(`${name}, ${kind}${which}`, () => {
        const r = new Random(name.length * 31 + kind.length)
        for (let i = 0; i < shortOrLong(2, 400); i++) {
          const lines = Array.from({ length: 60 }, (_, n) =>
            n % 3 === 0 ? Buffer.from(line(r)) : mutated(r, line(r)),
          )
          const kept = i % 2 === 0 ? options : { ...options, time_keep: 'on', skip_empty_values: 'off' }
          expect(expectSame(kept, lines, keys)).toBe(lines.length)
        }
      })
  }

  test('for random expressions and texts', () => {
    const r = new Random(20261129)
    let covered = 0
    for (let i = 0; i < shortOrLong(100, 20_000); i++) {
      const options = { regex: randomExpression(r), skip_empty_values: r.of(['on', 'off']) }
      if (!hasKernel(options)) continue
      const lines = Array.from({ length: 20 }, () => Buffer.from(randomText(r).filter((byte) => byte !== 10)))
      expectSame(options, lines)
      covered++
    }
    expect(covered).toBeGreaterThan(shortOrLong(20, 4000))
  })

  const VALUES = [
    ...[
      '',
      '0',
      '-0',
      '+0',
      '7',
      '-7',
      '127',
      '128',
      '-32',
      '-33',
      '-128',
      '-129',
      '255',
      '256',
      '65535',
      '65536',
      '-32768',
      '-32769',
    ],
    ...[
      '4294967295',
      '4294967296',
      '-2147483648',
      '-2147483649',
      '999999999999999999',
      '-999999999999999999',
      '9223372036854775807',
    ],
    ...[
      '-9223372036854775808',
      '18446744073709551615',
      '18446744073709551616',
      '00012',
      '12345678',
      '123456789',
      '1234567x',
      'x',
      '-',
      '+',
      '--1',
    ],
    ...[
      '1.5',
      '-1.5',
      '.5',
      '5.',
      '.',
      '-.',
      '1e5',
      '1E-5',
      '1.25e+3',
      '0.1',
      '123456789.123456',
      '1234567890.1234567',
      '22.323896460701455',
    ],
    ...[
      'inf',
      'nan',
      '1e400',
      '0x1f',
      '1f',
      'FFFFFFFFFFFFFFFF',
      '1FFFFFFFFFFFFF',
      'true',
      'TRUE',
      'False',
      'tru',
      'falsey',
      '2026',
    ],
  ]
  for (const type of ['integer', 'float', 'bool', 'hex', 'string'])
    test(`for values of type ${type}`, () => {
      const options = { regex: '^(?<a>[^ ]*) (?<b>.*)$', types: `a:${type}`, skip_empty_values: 'off' }
      expect(
        expectSame(
          options,
          VALUES.map((value) => Buffer.from(`${value} rest`)),
        ),
      ).toBe(VALUES.length)
    })

  /** Numbers since 1970, and texts that begin like one. */
  const NUMBERS = [
    ...['179SSSSSSS', '179SSSSSSSSSS', '179SSSSSSSSSSSSS', '179SSSSSSSSSSSSSSSS', '179SSSSSSSSS'],
    ...[
      '179SSSSSSS.SSS',
      '179SSSSSSS.SSSSSS',
      '179SSSSSSS.SSSSSSSSS',
      '179SSSSSSS.SSSSSSSSSSSS',
      '179SSSSSSS.',
    ],
    ...[
      '179SSSSSSSSSS.SSS',
      '179SSSSSSSSSS,SSSSSSSSS',
      '179SSSSSSS,SS',
      '179SSSSSSS SS',
      '179SSSSSSS.SS+01:00',
    ],
    ...[
      '4294967295',
      '4294967296',
      '4294967295999',
      '4294967296000',
      '9999999999',
      '0',
      '00000179SSSSSSS',
      '7',
    ],
    ...[
      '1.79SSSSSSSe+09',
      '17.9SSSSSSSSSSSSSSSe8.SS',
      '179SSSSSSSe0',
      '179SSSSSSSe',
      '179SSSSSSSe-31',
      '1e9',
      '1E31',
      '5.e9',
    ],
    ...[
      '179SSSSSSS-11',
      '179SSSSSSS/1',
      '179SSSSSSS:1',
      '179SSSSSSSpm',
      '179SSSSSSS_',
      '-179SSSSSSS',
      ' 179SSSSSSS',
      '.5',
      '',
    ],
    ...[
      '18446744073709551616',
      '18446744073709SSSSSS',
      '184467440737095516SSSSSS',
      '000000000000000000000017SSSSSSSS',
    ],
  ]
  const zones = { time_zone: 'Europe/Berlin' }
  const FORMATS: [format: string | string[], times: string[], more?: Options][] = [
    [
      '%d/%b/%Y:%H:%M:%S %z',
      [
        '29/Nov/2026:10:00:0S +0100',
        '29/Nov/2026:10:00:5S +0000',
        '29/Nov/2026:10:00:60 +0000',
        '9/Nov/2026:1:0:1 +0000',
      ],
    ],
    [
      '%Y-%m-%dT%H:%M:%S.%L%z',
      [
        '2026-11-29T10:00:0S.1SS+01:00',
        '2026-11-29T10:00:5S.SSSSSSSSSZ',
        '2026-11-29T10:00:00Z',
        '2026-11-29T10:00:00.SSSSSSSSSSSSZ',
        '2026-11-29t10:00:0S.SZ',
      ],
    ],
    [
      '%Y-%m-%d %H:%M:%S,%L',
      [
        '2026-11-29 10:00:0S,SSS',
        '2026-11-29 10:00:0S,SSSxyz',
        '2026-11-29 10:00:0S',
        '2026-11-29 10:00:6S,1',
      ],
      zones,
    ],
    ['%b %d %H:%M:%S', ['Nov 29 10:00:0S', 'Dec 30 10:00:5S', 'Nov  1 1:2:3', 'Feb 29 00:00:0S'], zones],
    ['%H:%M:%S.%L', ['10:00:0S.SS', '23:59:5S.1', '1:2:3.5']],
    ['%I:%M:%S %p %d.%m.%y', ['01:00:0S AM 29.11.26', '12:00:5S pm 29.11.26']],
    ...['%s', '%s%L', '%s.%L', '%s,%L', '%s %L', 'epoch', 'epoch_ms', 'epoch_us', 'epoch_ns'].map(
      (format): [string, string[]] => [format, NUMBERS],
    ),
    [
      ['%s.%L', '%H:%M:%S'],
      ['10:00:0S', ...NUMBERS],
    ],
    [
      ['%Y-%m-%dT%H:%M:%S', '%b %d', '%s.%L'],
      ['2026-11-29T10:00:0S', 'Nov 29', '20S6-01-', ...NUMBERS],
    ],
    [
      ['%Y%m%d%H%M%S', '%s'],
      ['2026112910000S', ...NUMBERS],
    ],
    [
      ['%S.%L', 'epoch_ms'],
      ['1S.SSS', ...NUMBERS],
    ],
    ['%S %M %H %Y-%m-%d', ['0S 10 11 2026-11-29', '5S 10 11 2026-11-29']],
    ['%L %H:%M:%S %Y-%m-%d', ['SSS 10:00:0S 2026-11-29']],
    ['%Y%m%d%H%M%S%L%z', ['2026112910000SSSS+0100', '202611291000SSSS5Z']],
  ]
  for (const [format, shapes, more] of FORMATS)
    for (const keep of ['on', 'off'])
      test(`for times of ${format}, kept: ${keep}`, () => {
        const r = new Random(String(format).length)
        const options = {
          regex: '^\\[(?<time>[^\\]]*)\\] (?<b>.*)$',
          time_format: format,
          time_keep: keep,
          ...more,
        }
        // A shape comes several times in a row, so that most times are like the one before.
        const lines = Array.from({ length: Math.max(400, shapes.length * 14) }, (_, i) => {
          const shape = shapes[Math.floor(i / 7) % shapes.length] as string
          return Buffer.from(
            `[${shape.replaceAll('S', () => String(r.below(10)))}${r.below(9) === 0 ? 'x' : ''}] ${r.below(5) === 0 ? '' : 'text'}`,
          )
        })
        expect(expectSame(options, lines)).toBe(lines.length)
      })

  test('for 256 groups of one name, but not for more', () => {
    const alternatives = (n: number) => Array.from({ length: n }, (_, i) => `(?<a>k${i}):`).join('|')
    const regexOf = (n: number) => ({ regex: `^(?:${alternatives(n)})(?<b>.*)$` })
    const lines = [0, 1, 128, 254, 255, 256].map((i) => Buffer.from(`k${i}: text`))
    expect(expectSame(regexOf(256), lines)).toBe(lines.length)
    expect(hasKernel(regexOf(257))).toBe(false)
  })

  test('for fields with the name of another, and more than 15 of them', () => {
    const names = Array.from({ length: 20 }, (_, i) => `(?<field${i}>[a-z]*),`).join('')
    const same = '^(?:(?<a>\\d+)|(?<a>[a-z]+)|x(?<b>.)(?<a>-))$'
    const lists = [
      'a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q,r,s,t,',
      'a,,,,,,,,,,,,,,,,,,,t,',
      ',,,,,,,,,,,,,,,,,,,,',
      'a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,,,,,,',
    ]
    for (const keys of [NO_KEYS, KEYS]) {
      expect(
        expectSame(
          { regex: `^${names}$` },
          lists.map((line) => Buffer.from(line)),
          keys,
        ),
      ).toBe(4)
      const lines = ['12', 'ab', 'xy-', 'x', '', '-'].map((line) => Buffer.from(line))
      expect(expectSame({ regex: same }, lines, keys)).toBe(6)
    }
  })
})

describe('ExpressionKernel', () => {
  const WORDS = { regex: '^(?<a>\\w+) (?<b>.*)$' }

  test('stops before a line that is unfinished or too long for it', () => {
    expect(byKernel(encoderOf(WORDS), Buffer.from('one 1\ntwo 2')).consumed).toBe(6)
    expect(
      byKernel(encoderOf(WORDS), Buffer.from(`one 1\n${'x'.repeat(MAX_LINE_BYTES + 1)}\n`)).consumed,
    ).toBe(6)
  })

  test('stops before a line on which the expression takes too many steps', () => {
    const options = { regex: '^(?<a>(x+)+)$', regex_step_limit: '1' }
    const block = Buffer.from(`xx\n${'x'.repeat(9000)}!\nxx\n`)
    expect(byKernel(encoderOf(options), block).consumed).toBe(3)
  })

  test('keeps lines longer than Regex_Max_Length unparsed, and lists them', () => {
    const options = { ...WORDS, regex_max_length: '6' }
    const made = byKernel(encoderOf(options), Buffer.from('one 1\none 12\none 123\n'))
    expect(made).toMatchObject({ consumed: 21, failures: ['13-20 line'] })
  })

  test('writes no more than the given room', () => {
    const encoder = encoderOf(WORDS, KEYS)
    const block = Buffer.from('word and more\nno\n'.repeat(100))
    for (const room of [0, 1, 100, 1000, 3000]) {
      const { entries, consumed } = byKernel(encoder, block, room)
      expect(entries.length).toBeLessThanOrEqual(room)
      expect(entries.equals(byParser(encoder, block, { until: consumed, base: BASE }).entries)).toBe(true)
    }
  })

  test('lists every failure, however many there are', () => {
    const encoder = encoderOf(WORDS)
    const block = Buffer.from('?\n'.repeat(2000))
    let [at, failures] = [0, 0]
    while (at < block.length) {
      const made = byKernel(encoder, block.subarray(at))
      expect(made.consumed).toBeGreaterThan(0)
      failures += made.failures.length
      at += made.consumed
    }
    expect(failures).toBe(2000)
  })

  test('lets a caller look at the time when lines take many steps', () => {
    const kernel = kernelOf(encoderOf({ regex: '(?<a>(.*?,){11})P', regex_step_limit: '1000' }))
    const line = Buffer.from(`${','.repeat(2000)}\n`)
    const block = Buffer.concat(new Array(100).fill(line))
    block.copy(kernel.input)
    kernel.run(0, block.length, 1e9, BASE)
    expect([kernel.isTired, kernel.consumed > 0, kernel.consumed < block.length]).toEqual([true, true, true])
  })

  test('is not there for a small backlog until the expression has a module', () => {
    const encoder = encoderOf(WORDS)
    encoder.missedBlock()
    expect(encoder.kernel(1000)).toBeUndefined()
    const line = Buffer.from('word rest')
    const out = Buffer.alloc(1000)
    const view = new DataView(out.buffer)
    for (let i = 0; i < 5000; i++) encoder.write(out, view, 0, line, 0, line.length, 0)
    expect(encoder.kernel(1000)).toBeDefined()
  })

  test('is not there for expressions without a module, and for keys that are added later', () => {
    expect(encoderOf({ regex: '^(?<a>x(?=y))' }).kernel(BACKLOG)).toBeUndefined()
    expect(encoderOf(WORDS, { ...NO_KEYS, pathKey: 'a' }).kernel(BACKLOG)).toBeUndefined()
  })

  test('two parsers in turns do not change each other', () => {
    const times = (text: string) => ({ regex: '^(?<time>\\S+) (?<b>.*)$', time_format: text })
    const [one, other] = [encoderOf(times('%H:%M:%S')), encoderOf({ ...times('%M:%H:%S'), time_keep: 'on' })]
    for (let i = 0; i < 20; i++)
      for (const encoder of [one, other]) {
        const block = Buffer.from(`10:11:1${i % 10} x\n10:11:2${i % 10} x\n`)
        expect(
          byKernel(encoder, block).entries.equals(
            byParser(encoder, block, { until: block.length, base: BASE }).entries,
          ),
        ).toBe(true)
      }
  })
})
