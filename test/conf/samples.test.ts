import { describe, expect, test } from 'bun:test'
import type { Parser } from '../../src/core/parser.ts'
import type { ParserSpec } from '../../src/core/plugin.ts'
import { type LineMatcher, matcherOf } from '../../src/lib/regex/line-matcher.ts'
import { translateOnigmo } from '../../src/lib/regex/onigmo.ts'
import { registry } from '../../src/registry.ts'
import { parserSections } from '../support/tail/built-in-parsers.ts'
import { clock, isoDay, Random, REGEX_LINES } from '../support/tail/log-lines.ts'
import { parseLine, parserOf } from '../support/tail/parse-line.ts'

const LINES = 2000
const NOW = '2026-11-29T00:00:00Z'

/** Words that an expression may skip. */
const ACCESS = ['HTTP/\\d(?:\\.\\d)?']
const FIXED_WORDS: Record<string, string[]> = {
  nginx: ACCESS,
  apache: ACCESS,
  apache2: ACCESS,
  'k8s-nginx-ingress': ACCESS,
  apache_error: ['pid ', 'client '],
  'docker-daemon': ['time=', 'level=', 'msg='],
  'syslog-rfc5424': ['(?<=>)1(?= )'],
  mongodb: ['ms$'],
  'kube-custom': ['log$'],
  'kmsg-netfilter-log': [
    '(?<=>)1 |kernel - - -',
    '\\b(?:IN|OUT|MAC|SRC|DST|LEN|TOS|PREC|TTL|ID|TC|HOPLIMIT|FLOWLBL|PROTO|SPT|DPT|WINDOW|RES|URGP)=',
  ],
}
/** A time that is read to its end, without blanks. */
const TIME = /^\d{1,2}\/\w{3}\/\d{4}(?::\d{1,2}){3}[-+]\d{4}$|^\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[-+]\d\d:?\d\d)$/
const SEPARATORS = /^[ "[\]<>:._-]*$/

interface Expression {
  names: readonly (string | undefined)[]
  matcher: LineMatcher
  parser: Parser
  /** True when the time is read but its field is not kept. */
  dropsTime: boolean
}

async function load(name: string): Promise<Expression> {
  const { format = '', ...texts } = parserSections().find((section) => section.name === name) ?? {}
  const { name: _, ...options } = texts
  const spec = (await registry.find('parser', String(format))) as ParserSpec
  const regex = translateOnigmo(String(options.regex ?? '(?<x>x)'))
  return {
    names: regex.names,
    matcher: matcherOf(regex),
    parser: parserOf(spec, options as never, NOW),
    dropsTime: options.time_keep !== 'On' && options.time_format !== undefined,
  }
}

/** Returns the text of the line that is in no named group; undefined when the expression does not match. */
function passedOver({ names, matcher }: Expression, name: string, line: string): string | undefined {
  const src = Buffer.from(line)
  if (!matcher.match(src, 0, src.length)) return undefined
  const inGroup = new Uint8Array(src.length)
  for (const [group, groupName] of names.entries()) {
    const from = matcher.spans[group * 2] as number
    if (groupName !== undefined && from >= 0) inGroup.fill(1, from, matcher.spans[group * 2 + 1])
  }
  // Each group becomes a mark, so that words in the gaps on both sides of a group are not joined.
  const text = [...src].map((byte, i) => (inGroup[i] === 1 ? '\u2400' : String.fromCharCode(byte))).join('')
  let rest = text.replace(/\u2400+/g, '')
  if (SEPARATORS.test(rest)) return ''
  rest = text
  for (const word of FIXED_WORDS[name] ?? []) rest = rest.replace(new RegExp(word, 'g'), '')
  rest = rest.replace(/\u2400+/g, '')
  return SEPARATORS.test(rest) ? '' : rest
}

/** Checks that the record has all of a parsed line except separators. */
function expectNothingLost(expression: Expression, name: string, line: string): boolean {
  const parsed = parseLine(expression.parser, line)
  const lost = passedOver(expression, name, line)
  if (parsed === undefined) return false
  if (lost !== '') expect({ line, lost }).toEqual({ line, lost: '' })
  const { matcher } = expression
  const src = Buffer.from(line)
  matcher.match(src, 0, src.length)
  for (const [group, key] of expression.names.entries()) {
    const from = matcher.spans[group * 2] as number
    const text = src.toString('utf8', from, matcher.spans[group * 2 + 1])
    if (key === undefined || from < 0 || text === '') continue
    if (parsed.record[key] === text) continue
    if (parsed.record[key] !== undefined) expect([line, parsed.record[key]]).toEqual([line, text])
    else {
      // Only a time may be missing: it is the time of the record, and was read to its end.
      expect({ line, key, time: parsed.time !== undefined, dropsTime: expression.dropsTime }).toEqual({
        ...{ line, key: 'time', time: true, dropsTime: true },
      })
      expect(text.replace(/\s/g, '')).toMatch(TIME)
    }
  }
  return true
}

/** Changes one place of a line, as a changed log format or a hostile client would. */
function mutate(line: string, r: Random): string {
  const at = r.below(line.length + 1)
  const words = line.split(' ')
  const word = r.below(words.length)
  switch (r.below(9)) {
    case 0:
      return `${line.slice(0, at)} ${line.slice(at)}`
    case 1:
      return `${line.slice(0, at)}${r.of(['"', '\\', '[', ']', 'x', ',', '\\"', '%', '\n', 'ü', '=', ': '])}${line.slice(at)}`
    case 2:
      return words.filter((_, i) => i !== word).join(' ')
    case 3:
      return words.flatMap((text, i) => (i === word ? [text, text] : [text])).join(' ')
    case 4:
      return `${line}${r.of([' more', ' "more and more"', 'x', ' ', '\nsecond line', ' a=b'])}`
    case 5:
      return line.slice(0, at)
    case 6:
      return `${r.of(['prefix ', '- ', ' ', 'x'])}${line}`
    case 7:
      return words.flatMap((text, i) => (i === word ? [text, 'inserted'] : [text])).join(' ')
    default:
      return line.slice(0, at) + line.slice(Math.min(line.length, at + 1 + r.below(5)))
  }
}

describe('2,000 lines are parsed without loss, and changed lines without loss or not at all', () => {
  test.each(REGEX_LINES)('$parser: $kind', async ({ parser, line }) => {
    const r = new Random(7)
    const expression = await load(parser)
    for (let i = 0; i < LINES; i++) {
      const text = line(r)
      if (!expectNothingLost(expression, parser, text))
        expect({ text, parsed: false }).toEqual({ text, parsed: true })
      expectNothingLost(expression, parser, mutate(text, r))
    }
  })
})

function plainNumber(_: string, value: unknown): unknown {
  return typeof value === 'bigint' ? Number(value) : value
}

describe('2,000 structured lines are parsed', () => {
  const time = (r: Random): string => `${isoDay(r)}.123456789Z`
  const texts = ['ready', 'a "b" \\ c', 'ü \u2028 x', '', '{"a":1}', `[${'x'.repeat(300)}]`]

  test('docker', async () => {
    const { parser } = await load('docker')
    const r = new Random(1)
    for (let i = 0; i < LINES; i++) {
      const record = { log: `${r.of(texts)}\n`, stream: r.of(['stdout', 'stderr']), time: time(r) }
      expect(parseLine(parser, JSON.stringify(record))).toEqual({ record, time: record.time })
    }
  })

  test('cri', async () => {
    const { parser } = await load('cri')
    const r = new Random(2)
    for (let i = 0; i < LINES; i++) {
      const record = {
        time: time(r),
        stream: r.of(['stdout', 'stderr']),
        logtag: r.of(['F', 'P']),
        message: r.of(texts),
      }
      const parsed = parseLine(parser, Object.values(record).join(' '))
      expect(parsed).toEqual({ record, time: record.time })
    }
  })

  test('JSON of pino, bunyan, zap and MongoDB', async () => {
    const { parser } = await load('json')
    const r = new Random(3)
    for (let i = 0; i < LINES; i++) {
      const record = r.of<object>([
        { level: 30, time: 1_795_240_800_123 + i, pid: 7, hostname: 'h', msg: r.of(texts) },
        { name: 'app', level: 50, err: { stack: 'a\n  at b' }, time: time(r), v: 0 },
        { level: 'info', ts: 1_795_240_800.25, caller: 'a/b.go:7', msg: r.of(texts) },
        {
          t: { $date: time(r) },
          s: 'I',
          c: 'NETWORK',
          id: 22_943,
          ctx: 'listener',
          msg: r.of(texts),
          attr: {},
        },
      ])
      const parsed = parseLine(parser, JSON.stringify(record))?.record
      expect(JSON.parse(JSON.stringify(parsed, plainNumber))).toEqual(record)
    }
  })

  test('logfmt', async () => {
    const { parser } = await load('logfmt')
    const r = new Random(4)
    for (let i = 0; i < LINES; i++) {
      const record = {
        time: time(r),
        level: r.of(['info', 'error']),
        msg: r.of(texts),
        entryPoint: 'web',
        took: `${r.below(99)}ms`,
      }
      const line = Object.entries(record)
        .map(([key, value]) => `${key}=${key === 'msg' ? `"${value.replace(/["\\]/g, '\\$&')}"` : value}`)
        .join(' ')
      expect(parseLine(parser, line)?.record).toEqual(record)
    }
  })

  test('ltsv', async () => {
    const { parser } = await load('ltsv')
    const r = new Random(5)
    for (let i = 0; i < LINES; i++) {
      const record = {
        time: `[${clock(r)}]`,
        host: '10.0.0.7',
        req: 'GET /a:b HTTP/1.1',
        status: '200',
        ua: r.of(texts),
      }
      const line = Object.entries(record)
        .map(([label, value]) => `${label}:${value}`)
        .join('\t')
      expect(parseLine(parser, line)?.record).toEqual(record)
    }
  })
})
