import { describe, expect, test } from 'bun:test'
import { appendFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseOptions } from '../../../../src/core/options/parse.ts'
import { defineParser } from '../../../../src/core/plugin.ts'
import { CriParser } from '../../../../src/lib/parsing/cri-parser.ts'
import { spec as regex } from '../../../../src/plugins/parsers/regex.ts'
import { follow } from '../../../support/tail/run.ts'
import { tmp } from '../../../support/tmp.ts'
import { until } from '../../../support/until.ts'

describe('lines', () => {
  test('holds no memory of the budget while there is nothing to read', async () => {
    const path = join(tmp(), 'a.log')
    writeFileSync(path, 'one\n')
    const run = follow({ path })
    await run.waitForLines(1)
    await until(() => run.assembly.budget.used === 0)
    expect([run.assembly.budget.longLivedBytes, run.lines()]).toEqual([0, ['one']])
  })

  test('sends existing lines, then appended lines', async () => {
    const path = join(tmp(), 'a.log')
    writeFileSync(path, 'one\ntwo\n')
    const run = follow({ path })
    expect(await run.waitForLines(2)).toEqual(['one', 'two'])
    appendFileSync(path, 'three\n')
    expect(await run.waitForLines(3)).toEqual(['one', 'two', 'three'])
  })

  test('waits for the newline of an unfinished line', async () => {
    const path = join(tmp(), 'a.log')
    writeFileSync(path, 'one\ntw')
    const run = follow({ path })
    expect(await run.waitForLines(1)).toEqual(['one'])
    expect(run.files[0]?.read).toBe(4)
    appendFileSync(path, 'o\n')
    expect(await run.waitForLines(2)).toEqual(['one', 'two'])
  })

  test('removes the CR of CRLF, and keeps NUL bytes and invalid UTF-8 within a line', async () => {
    const path = join(tmp(), 'a.log')
    writeFileSync(path, Buffer.from('crlf\r\na\0b\n\xff\xfe\n', 'latin1'))
    const run = follow({ path })
    await run.waitForLines(3)
    expect(run.lines().slice(0, 2)).toEqual(['crlf', 'a\0b'])
    expect(run.received).toHaveLength(3)
  })

  test('sends empty lines, or skips them with Skip_Empty_Lines, and commits past them', async () => {
    const dir = tmp()
    writeFileSync(join(dir, 'a.log'), '\none\n\n')
    const all = follow({ path: join(dir, 'a.log') })
    expect(await all.waitForLines(3)).toEqual(['', 'one', ''])
    const some = follow({ path: join(dir, 'a.log'), skip_empty_lines: 'on' })
    expect(await some.waitForLines(1)).toEqual(['one'])
    await until(() => some.files[0]?.acked === 6)
  })

  test('skips NUL bytes at the start of a line', async () => {
    const path = join(tmp(), 'a.log')
    writeFileSync(path, Buffer.concat([Buffer.alloc(300_000), Buffer.from('one\n')]))
    const run = follow({ path })
    expect(await run.waitForLines(1)).toEqual(['one'])
    expect(run.count('null_bytes_skipped')).toBe(300_000)
    expect(run.logs.filter(({ message }) => message.includes('NUL bytes'))).toHaveLength(1)
  })

  test('cuts a line longer than Buffer_Max_Size, marks it, counts it, and continues after it', async () => {
    const path = join(tmp(), 'a.log')
    writeFileSync(path, `${'x'.repeat(3_000_000)}\nafter\n`)
    const run = follow({ path })
    await run.waitForLines(2)
    expect(run.received[0]?.record).toEqual({ log: 'x'.repeat(1_000_000), truncated: true })
    expect(run.lines()[1]).toBe('after')
    expect(run.count('long_line_truncated')).toBe(1)
    expect(run.count('lost_bytes')).toBe(2_000_000)
    const { fields } = run.logs.find(({ message }) => message.endsWith('the line is truncated')) ?? {}
    expect(fields?.hint).toBe(
      'its rest is not sent, and counted in lost_bytes; raise Buffer_Max_Size for such lines',
    )
  })

  test('skips a long line with Skip_Long_Lines', async () => {
    const path = join(tmp(), 'a.log')
    writeFileSync(path, `before\n${'x'.repeat(5000)}\nafter\n`)
    const run = follow({ path, buffer_max_size: '2K', skip_long_lines: 'on' })
    expect(await run.waitForLines(2)).toEqual(['before', 'after'])
    expect(run.count('long_line_skipped')).toBe(1)
    expect(run.count('lost_bytes')).toBe(5000)
  })

  test.each([
    ['cut', 'off', 7000 - 2000],
    ['skipped', 'on', 7000],
  ])('counts the bytes of a line that is %s while others are joined', async (_, skip, lost) => {
    const path = join(tmp(), 'a.log')
    writeFileSync(path, `before\n${'x'.repeat(7000)}\nafter\n`)
    const options = { buffer_max_size: '2000', skip_long_lines: skip, 'multiline.parser': 'java' }
    const run = follow({ path, ...options })
    await until(() => run.lines().includes('after'))
    expect(run.assembly.inputs[0]?.counters.get('lost_bytes', 'long_line')).toBe(lost)
  })

  test('cuts between characters, not within one', async () => {
    const path = join(tmp(), 'a.log')
    writeFileSync(path, `${'é'.repeat(2000)}\n`)
    const run = follow({ path, buffer_max_size: '1025' })
    await run.waitForLines(1)
    expect(run.lines()[0]).toBe('é'.repeat(512))
  })

  test('reads a line almost as long as the memory limit', async () => {
    const path = join(tmp(), 'a.log')
    writeFileSync(path, `${'x'.repeat(900_000)}\nafter\n`)
    const run = follow({ path }, { service: { memoryLimit: 1_000_000 } as never })
    await run.waitForLines(2)
    expect(run.lines()[0]?.length).toBe(900_000)
  })

  test('adds path and offset under Path_Key and Offset_Key, before the line', async () => {
    const path = join(tmp(), 'a.log')
    writeFileSync(path, 'one\ntwo\n')
    const run = follow({ path, path_key: 'file', offset_key: 'at', key: 'line' })
    await until(() => run.received.length === 2)
    expect(Object.entries(run.received[1]?.record ?? {})).toEqual([
      ['file', path],
      ['at', 4],
      ['line', 'two'],
    ])
  })
})

test('the wasm encoder writes all well-formed lines, also the last ones of a chunk and a few appended ones', async () => {
  let parsed = 0
  const counting = defineParser({
    ...{ kind: 'parser', name: 'cri', summary: '', description: '', options: {}, example: '' },
    create: () => {
      const parser = new CriParser(true, { tag: 'logtag', text: 'message' })
      const parse = parser.parse.bind(parser)
      parser.parse = (...args) => {
        parsed++
        return parse(...args)
      }
      return parser
    },
  })
  const path = join(tmp(), 'a.log')
  const line = (i: number) => `2026-11-21T06:00:00.${100_000 + i}Z stdout F ${'x'.repeat(100 + (i % 97))}\n`
  const lines = (count: number) => Array.from({ length: count }, (_, i) => line(i)).join('')
  writeFileSync(path, lines(12_000))
  const parsers = [{ name: 'cri', spec: counting, options: {} }]
  const run = follow({ path, parser: 'cri' }, { parsers: parsers as never })
  await run.waitForLines(12_000)
  expect(run.chunks.length).toBeGreaterThan(8)
  expect(parsed).toBe(0)
  appendFileSync(path, lines(20))
  await run.waitForLines(12_020)
  // The fallback parses the line for which a buffer is allocated, and those for which it may be too small.
  expect(parsed).toBeLessThan(5)
})

describe('lines that an expression parses', () => {
  const REGEX = '^(?<time>[^ ]+) (?<stream>[^ ]+) (?<logtag>[^ ]+) (?<message>.*)$'
  const parsers = [{ name: 'words', spec: regex, options: parseOptions(regex.options, { regex: REGEX }) }]

  test('are written by WebAssembly, whether or not they are those of a container runtime', async () => {
    const container = (i: number) => `2026-11-21T06:00:00.${100_000 + i}Z stdout F message ${i}\n`
    const other = (i: number) => `${i} one two message ${i}\n`
    for (const line of [container, other]) {
      const path = join(tmp(), 'a.log')
      // Enough for several blocks: the first one shows what the lines look like.
      writeFileSync(path, Array.from({ length: 40_000 }, (_, i) => line(i)).join(''))
      const run = follow({ path, parser: 'words' }, { parsers: parsers as never })
      await run.waitForLines(40_000)
      const { counters } = run.assembly.inputs[0] as (typeof run.assembly.inputs)[number]
      expect(counters.get('fast_path_records')).toBeGreaterThan(30_000)
      expect(run.received.map(({ record }) => record.message)).toEqual(
        Array.from({ length: 40_000 }, (_, i) => `message ${i}`),
      )
    }
  })

  test('and those that do not match are counted, and the first is logged with its place', async () => {
    const path = join(tmp(), 'a.log')
    const lines = Array.from({ length: 60_000 }, (_, i) =>
      i % 3 === 1 ? `bad${i}` : `${i} one two ${'m'.repeat(30)}`,
    )
    writeFileSync(path, `${lines.join('\n')}\n`)
    const run = follow({ path, parser: 'words', key: 'raw' }, { parsers: parsers as never })
    await run.waitForLines(60_000)
    const { counters } = run.assembly.inputs[0] as (typeof run.assembly.inputs)[number]
    expect(counters.get('parse_failed')).toBe(20_000)
    expect(run.received.filter(({ record }) => String(record.raw).startsWith('bad'))).toHaveLength(20_000)
    const warned = run.logs.filter(({ message }) => message.includes('cannot parse'))
    expect(warned.map(({ fields }) => [fields?.line, fields?.offset])).toEqual([
      ['bad1', `${lines[0]}\n`.length],
    ])
  })
})
