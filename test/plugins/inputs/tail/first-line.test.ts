import { describe, expect, test } from 'bun:test'
import { appendFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { OptionTable } from '../../../../src/core/options/option.ts'
import { parseOptions } from '../../../../src/core/options/parse.ts'
import type { ParserPlan } from '../../../../src/core/plan.ts'
import type { ParserSpec } from '../../../../src/core/plugin.ts'
import { spec as json } from '../../../../src/plugins/parsers/json.ts'
import { spec as regex } from '../../../../src/plugins/parsers/regex.ts'
import { MemoryStore, TailRun, type TailRunOptions } from '../../../support/tail/run.ts'
import { atEnd, tmp } from '../../../support/tmp.ts'
import { until } from '../../../support/until.ts'

function parserPlan<T extends OptionTable>(name: string, spec: ParserSpec<T>, texts: object): ParserPlan {
  const options = parseOptions(spec.options, texts as never)
  return { spec: spec as unknown as ParserSpec, name, options, location: { file: 'test', line: 1 } }
}

const FIRST = parserPlan('first', regex, {
  regex: '^(?<time>\\d+-\\d+-\\d+T\\d+:\\d+:\\d+Z) (?<level>[A-Z]+) (?<message>.*)$',
  time_key: 'time',
  time_format: '%Y-%m-%dT%H:%M:%S%z',
})
const NUMBERED = parserPlan('numbered', regex, { regex: '^(?<word>\\w+) (?<n>\\d+)$', types: 'n:integer' })
const DOCKER = parserPlan('docker', json, {
  time_key: 'time',
  time_format: '%Y-%m-%dT%H:%M:%S.%L',
  time_keep: 'off',
})
/** Parsers of the first line are written for the line as it is in the file. */
const STAMP = parserPlan('stamp', regex, { regex: '(?<log>(?<="log":")\\d+:\\d+ .*?)(?<!\\\\)".*"stream"' })
const MULTILINE = { multiline: 'on', parser_firstline: 'first' }
const TIME = '2026-11-21T06:00:00.123456789Z'
const docker = (log: string, stream = 'stdout') => `${JSON.stringify({ log, stream, time: TIME })}\n`

function run(
  text: string,
  tail: Record<string, string>,
  more: Partial<TailRunOptions> = {},
  added: ParserPlan[] = [],
): TailRun {
  const path = join(tmp(), 'a.log')
  writeFileSync(path, text)
  const parsers: ParserPlan[] = [FIRST, NUMBERED, DOCKER, STAMP, ...added]
  const made = new TailRun({ ...more, parsers, tail: { path, read_from_head: 'on', ...tail } }).start()
  atEnd(() => made.abort())
  return made
}

async function drained(
  text: string,
  tail: Record<string, string>,
  parsers: ParserPlan[] = [],
): Promise<TailRun> {
  const made = run(text, { ...tail, exit_on_eof: 'on' }, {}, parsers)
  await until(() => made.finished)
  await made.stop()
  return made
}

const records = (made: TailRun) => made.received.map(({ record }) => record)

describe('Multiline with Parser_Firstline', () => {
  const TEXT = `2026-11-21T06:00:00Z ERROR it failed
  at a (b.rb:1)
  at c (d.rb:2)
2026-11-21T06:00:09Z INFO it goes on
`

  test('appends lines that the parser cannot read to the last value of the record before them', async () => {
    const made = await drained(TEXT, MULTILINE)
    expect(records(made)).toEqual([
      { level: 'ERROR', message: 'it failed\n  at a (b.rb:1)\n  at c (d.rb:2)' },
      { level: 'INFO', message: 'it goes on' },
    ])
    expect(made.received.map(({ seconds }) => seconds)).toEqual([1_795_240_800, 1_795_240_809])
  })

  test('appends to the last value of the parser also when path and offset come after it', async () => {
    const made = await drained(TEXT, { ...MULTILINE, path_key: 'file', offset_key: 'at' })
    expect(records(made)).toMatchObject([
      { message: 'it failed\n  at a (b.rb:1)\n  at c (d.rb:2)', at: 0 },
      { message: 'it goes on', at: TEXT.lastIndexOf('2026') },
    ])
  })

  test('sends lines before the first match as records of their own', async () => {
    const made = await drained(`x\ny\n${TEXT}`, MULTILINE)
    expect(made.lines().slice(0, 2)).toEqual(['x', 'y'])
    expect(records(made)[3]).toEqual({ level: 'INFO', message: 'it goes on' })
  })

  test('appends nothing to a last value that is not a string', async () => {
    const made = await drained('a 1\nb\nc 2\n', { ...MULTILINE, parser_firstline: 'numbered' })
    expect(records(made)).toEqual([{ word: 'a', n: 1 }, { log: 'b' }, { word: 'c', n: 2 }])
  })

  test('sends an open record after Multiline_Flush, and does not store its position before', async () => {
    const store = new MemoryStore()
    const made = run(TEXT, { ...MULTILINE, multiline_flush: '50ms' }, { store })
    await until(() => made.received.length === 2)
    await until(() => store.table[0]?.offset === TEXT.length)
    const held = run(TEXT, { ...MULTILINE, multiline_flush: '1h' }, { store: new MemoryStore() })
    await until(() => held.received.length === 1)
    const next = '2026-11-21T06:00:10Z INFO and again\n'
    appendFileSync(held.files[0]?.path ?? '', ` and on\n${next}`)
    await until(() => held.received.length === 2)
    expect(records(held)[1]).toEqual({ level: 'INFO', message: 'it goes on\n and on' })
  })
})

describe('Docker_Mode', () => {
  test('joins parts of a line up to the newline for each stream, parsed by Parser', async () => {
    const text = docker('a') + docker('x\n', 'stderr') + docker('b\n') + docker('whole\n')
    const made = await drained(text, { docker_mode: 'on', parser: 'docker' })
    expect(records(made)).toEqual([
      { log: 'x\n', stream: 'stderr' },
      { log: 'ab\n', stream: 'stdout' },
      { log: 'whole\n', stream: 'stdout' },
    ])
  })

  test('parses lines as Docker JSON without Parser', async () => {
    const made = await drained(docker('a') + docker('b\n'), { docker_mode: 'on' })
    expect(records(made)).toEqual([{ log: 'ab\n', stream: 'stdout', time: TIME }])
  })

  test('takes no line of an expression for CRI for complete, as it has no newline', async () => {
    const expression = '^(?<time>[^ ]+) (?<stream>stdout|stderr) (?<tag>[FP]) (?<log>.*)$'
    const parser = parserPlan('cri', regex, { regex: expression })
    const line = `${TIME} stdout F ${'x'.repeat(2000)}\n`
    const made = await drained(line.repeat(200), { docker_mode: 'on', parser: 'cri' }, [parser])
    expect(made.received.length).toBe(1)
  })

  test('starts a record where Docker_Mode_Parser matches', async () => {
    const logs = ['06:00 one\n', ' more\n', ' and', ' more\n', '06:01 two\n']
    const tail = { docker_mode: 'on', parser: 'docker', docker_mode_parser: 'stamp' }
    const made = await drained(logs.map((log) => docker(log)).join(''), tail)
    expect(made.lines()).toEqual(['06:00 one\n more\n and more\n', '06:01 two\n'])
  })
})

test.each([
  [{ multiline: 'on' }, '"multiline" needs "parser_firstline"'],
  [{ ...MULTILINE, docker_mode: 'on' }, '"docker_mode" and "multiline" exclude each other'],
])('rejects %j', (tail, message) => {
  expect(() => run('', tail)).toThrow(message)
})

test.each(['parser', 'multiline', 'docker_mode'])(
  'multiline.parser takes precedence over %s, with a warning',
  async (name) => {
    const line = '2026-11-21T06:00:00.5Z stdout F a\n'
    const made = await drained(line, {
      [name]: name === 'parser' ? 'first' : 'on',
      'multiline.parser': 'cri',
    })
    expect(records(made)).toMatchObject([{ log: 'a', stream: 'stdout' }])
    const warnings = made.logs.filter(({ level }) => level === 'warn').map(({ message }) => message)
    expect(warnings).toContain(`"${name}" has no effect: "multiline.parser" reads the lines`)
  },
)
