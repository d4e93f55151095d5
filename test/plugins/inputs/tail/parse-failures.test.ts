import { describe, expect, test } from 'bun:test'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { MULTILINE_OPTIONS } from '../../../../src/core/multiline.ts'
import type { OptionTable } from '../../../../src/core/options/option.ts'
import { parseOptions } from '../../../../src/core/options/parse.ts'
import type { ParserPlan } from '../../../../src/core/plan.ts'
import type { ParserSpec } from '../../../../src/core/plugin.ts'
import { spec as cri } from '../../../../src/plugins/parsers/cri.ts'
import { spec as docker } from '../../../../src/plugins/parsers/docker.ts'
import { spec as json } from '../../../../src/plugins/parsers/json.ts'
import { spec as ltsv } from '../../../../src/plugins/parsers/ltsv.ts'
import { spec as regex } from '../../../../src/plugins/parsers/regex.ts'
import { type MemoryStore, TailRun, type TailRunOptions } from '../../../support/tail/run.ts'
import { atEnd, tmp } from '../../../support/tmp.ts'
import { until } from '../../../support/until.ts'

function plan<T extends OptionTable>(name: string, spec: ParserSpec<T>, texts: object = {}): ParserPlan {
  return { name, spec, options: parseOptions(spec.options, texts as never) } as never
}

const TIMED = { time_key: 'time', time_format: '%Y-%m-%dT%H:%M:%S' }
const PARSERS = [
  plan('word', regex, { regex: '^(?<time>[^ ]+) (?<word>\\w+)$', ...TIMED }),
  plan('json', json, TIMED),
  plan('lines', ltsv, TIMED),
  plan('cri', cri),
  plan('docker', docker),
]
const TIME = '2026-11-21T06:00:00'
const NANOS = `${TIME}.123456789Z`

/** Reads a file with these lines to its end. */
async function read(
  lines: readonly string[],
  tail: Record<string, string>,
  more: Partial<TailRunOptions> & { store?: MemoryStore } = {},
): Promise<TailRun> {
  const path = join(tmp(), 'a.log')
  writeFileSync(path, lines.map((line) => `${line}\n`).join(''))
  const options = { path, read_from_head: 'on', exit_on_eof: 'on', ...tail }
  const run = new TailRun({ parsers: PARSERS, ...more, tail: options }).start()
  atEnd(() => run.abort())
  await until(() => run.finished)
  return run
}

function counts(run: TailRun): object {
  const [file] = run.files
  expect([file?.parseFailed, file?.timeFailed]).toEqual([run.count('parse_failed'), run.count('time_failed')])
  return { parse: run.count('parse_failed'), time: run.count('time_failed') }
}

function warnings(run: TailRun): { message: string; fields: Record<string, unknown> }[] {
  return run.logs.filter(({ level, message }) => level === 'warn' && message.includes('parser'))
}

describe('lines that the parser does not match', () => {
  test('are counted for the input and the file, kept under Key, and logged once', async () => {
    const lines = [`${TIME} good`, 'a\x1b[31m bad line', '', `${TIME} good`, 'another bad line']
    const run = await read(lines, { parser: 'word', key: 'raw' })
    expect(counts(run)).toEqual({ parse: 3, time: 0 })
    expect(run.received.map(({ record }) => record.raw ?? record.word)).toEqual([
      'good',
      'a\x1b[31m bad line',
      '',
      'good',
      'another bad line',
    ])
    const [warning, ...others] = warnings(run)
    expect(others).toEqual([])
    expect(warning?.message).toMatch(/a\.log has a line that parser word cannot parse: it is kept .* "raw"$/)
    expect(warning?.fields).toMatchObject({ line: 'a\\x1b[31m bad line', offset: 25 })
  })

  test('are logged with their first 100 bytes, cut between characters', async () => {
    const run = await read([`xyz${'é'.repeat(500)}`], { parser: 'word' })
    expect(warnings(run)[0]?.fields.line).toBe(`xyz${'é'.repeat(48)}...`)
  })

  test('are not counted without a parser, nor when they are too long', async () => {
    expect(counts(await read(['x', 'y'], {}))).toEqual({ parse: 0, time: 0 })
    const long = await read(['x'.repeat(3000), `${TIME} good`], { parser: 'word', buffer_max_size: '2K' })
    expect(counts(long)).toEqual({ parse: 0, time: 0 })
    expect(long.count('long_line_truncated')).toBe(1)
  })

  test('are logged once for each of several files, and only for the first of many', async () => {
    const dir = tmp()
    for (let i = 0; i < 60; i++) writeFileSync(join(dir, `${i}.log`), 'bad\nbad\n')
    const path = join(dir, '*.log')
    const run = new TailRun({
      parsers: PARSERS,
      tail: { path, read_from_head: 'on', exit_on_eof: 'on', parser: 'json' },
    }).start()
    atEnd(() => run.abort())
    await until(() => run.finished)
    expect(run.count('parse_failed')).toBe(120)
    expect(run.files.map(({ parseFailed }) => parseFailed)).toEqual(Array(60).fill(2))
    expect(new Set(warnings(run).map(({ message }) => message)).size).toBe(50)
    expect(warnings(run)).toHaveLength(50)
  })
})

describe('times that cannot be read', () => {
  test.each([
    ['word', `${TIME} good`, 'soon bad'],
    ['json', `{"time":"${TIME}"}`, '{"time":"soon"}'],
    ['json', `{"time":"${TIME}"}`, '{"time":17952408001230}'],
    ['lines', `time:${TIME}\ta:1`, 'time:soon\ta:1'],
    ['docker', `{"log":"x","time":"${NANOS}"}`, '{"log":"x","time":"soon"}'],
  ])('are counted by %s, and their field stays', async (parser, good, bad) => {
    const run = await read([good, bad, good, bad], { parser })
    expect(counts(run)).toEqual({ parse: 0, time: 2 })
    expect(run.received.map(({ seconds }) => seconds === 1_795_240_800)).toEqual([true, false, true, false])
    expect(run.received[1]?.record.time).toBeDefined()
    const [warning, ...others] = warnings(run)
    expect(others).toEqual([])
    expect(warning?.message).toContain(`has a time that parser ${parser} cannot read`)
    expect(warning?.fields).toMatchObject({ line: bad.replace('\t', '\\t'), offset: good.length + 1 })
  })

  test('are not counted for an unparsed line, nor for another file', async () => {
    const dir = tmp()
    writeFileSync(join(dir, 'a.log'), 'time:soon\tbad\n')
    writeFileSync(join(dir, 'b.log'), `time:soon\ta:1\n`)
    writeFileSync(join(dir, 'c.log'), `time:${TIME}\ta:1\n`)
    const tail = { path: join(dir, '*.log'), parser: 'lines', path_key: 'path' }
    const run = new TailRun({
      parsers: PARSERS,
      tail: { ...tail, read_from_head: 'on', exit_on_eof: 'on' },
    }).start()
    atEnd(() => run.abort())
    await until(() => run.finished)
    const files = run.files.toSorted((a, b) => (a.path < b.path ? -1 : 1))
    expect(files.map(({ parseFailed, timeFailed }) => [parseFailed, timeFailed])).toEqual([
      [1, 0],
      [0, 1],
      [0, 0],
    ])
  })

  test('do not include lines without a time', async () => {
    expect(counts(await read(['{"a":1}', '{"log":"x","stream":"stdout"}'], { parser: 'json' }))).toEqual({
      parse: 0,
      time: 0,
    })
  })
})

describe('the counts are the same on the fast path', () => {
  /** More lines than are read without the fast path. */
  const MANY = 20_000
  const forms = {
    cri: (i: number) => (i % 100 === 99 ? `no time stdout F ${i}` : `${NANOS} stdout F line ${i}`),
    docker: (i: number) =>
      i % 100 === 99 ? `{"log":"${i}` : JSON.stringify({ log: `line ${i}\n`, stream: 'stdout', time: NANOS }),
  }

  test.each(['cri', 'docker'] as const)('with the parser %s', async (parser) => {
    const lines = Array.from({ length: MANY }, (_, i) => forms[parser](i))
    const run = await read(lines, { parser })
    expect(counts(run)).toEqual({ parse: MANY / 100, time: 0 })
    expect(run.received).toHaveLength(MANY)
    expect(warnings(run)).toHaveLength(1)
  })

  test.each(['cri', 'docker'] as const)('with multiline.parser, for lines of %s', async (form) => {
    const lines = Array.from({ length: MANY }, (_, i) => forms[form](i))
    const run = await read(lines, { 'multiline.parser': 'docker, cri' })
    expect(counts(run)).toEqual({ parse: MANY / 100, time: 0 })
    expect(run.received).toHaveLength(MANY)
    expect(warnings(run)).toHaveLength(1)
    expect(warnings(run)[0]?.message).toContain('parser docker, cri cannot parse')
  })
})

describe('joined lines', () => {
  test('count a time once, also when memory is refused', async () => {
    const lines = Array.from({ length: 3000 }, (_, i) =>
      JSON.stringify({ log: `${i}${'x'.repeat(300)}\n`, time: 'soon' }),
    )
    const run = await read(lines, { 'multiline.parser': 'docker' }, { memBufLimit: 300_000 })
    expect(counts(run)).toEqual({ parse: 0, time: 3000 })
    expect(run.received).toHaveLength(3000)
  })

  test('are not counted when they continue a record', async () => {
    const options = { multiline: 'on', parser_firstline: 'word' }
    const run = await read(['before', `${TIME} first`, 'second', 'third'], options)
    expect(run.received).toHaveLength(2)
    expect(counts(run)).toEqual({ parse: 1, time: 0 })
  })

  test('are not counted by rules that read plain lines', async () => {
    const lines = ['java.lang.Exception: x', '\tat a.b(C.java:1)', 'plain']
    expect(counts(await read(lines, { 'multiline.parser': 'java' }))).toEqual({ parse: 0, time: 0 })
  })

  test('are counted when the parser of a section does not match them', async () => {
    const options = { type: 'regex', parser: 'json', key_content: 'log' }
    const rules = ['"start_state" "/^a/" "cont"', '"cont" "/^b/" "cont"']
    const section = parseOptions(MULTILINE_OPTIONS, { ...options, rule: rules } as never)
    const run = await read(
      ['{"log":"a"}', '{"log":"b"}', 'plain', '{"log":"a"}'],
      { 'multiline.parser': 'own' },
      { multilines: [{ name: 'own', options: section }] as never },
    )
    expect(run.received.map(({ record }) => record.log)).toEqual(['a\nb', 'plain', 'a'])
    expect(counts(run)).toEqual({ parse: 1, time: 0 })
  })
})
