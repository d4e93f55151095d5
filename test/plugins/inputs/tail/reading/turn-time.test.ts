import { expect, test } from 'bun:test'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { parseOptions } from '../../../../../src/core/options/parse.ts'
import type { ParserPlan } from '../../../../../src/core/plan.ts'
import { defineParser } from '../../../../../src/core/plugin.ts'
import { SLICE_MS } from '../../../../../src/plugins/inputs/tail/reading/slices.ts'
import { spec as ltsv } from '../../../../../src/plugins/parsers/ltsv.ts'
import { follow, MemoryStore, resume, type TailRunOptions } from '../../../../support/tail/run.ts'
import { tmp } from '../../../../support/tmp.ts'
import { until } from '../../../../support/until.ts'

/** Time that each line takes, at least. With a count of lines instead of a time, a busy machine changes nothing. */
const LINE_MS = 1
const LINES = 150
/** A slice, and the lines that are written until the time is taken. */
const MOST_LINES = 2 * (SLICE_MS / LINE_MS)
const text = (from = 0): string =>
  Array.from({ length: LINES }, (_, i) => `n:${from + i}\tfill:${'x'.repeat(500)}\n`).join('')

/** Returns a parser that takes its time, and the largest number of lines between two turns of the event loop. */
function slowParser(): { parsers: ParserPlan[]; most: () => number } {
  let lines = 0
  let most = 0
  let isOver = false
  const turn = (): void => {
    lines = 0
    if (!isOver) setImmediate(turn)
  }
  turn()
  const spec = defineParser({
    ...ltsv,
    create: (options, ctx) => {
      const parser = ltsv.create(options as never, ctx)
      return {
        bound: (length) => parser.bound(length),
        parse: (...line) => {
          Bun.sleepSync(LINE_MS)
          most = Math.max(most, ++lines)
          return parser.parse(...line)
        },
      }
    },
  })
  const plan = { spec, name: 'slow', options: parseOptions(ltsv.options, {}) }
  const end = (): number => {
    isOver = true
    return most
  }
  return { parsers: [plan as never], most: end }
}

const kinds: [string, Record<string, string>, (text: string) => Buffer][] = [
  ['plain', { parser: 'slow' }, (s) => Buffer.from(s)],
  ['gzip', { parser: 'slow' }, (s) => gzipSync(s)],
  ['UTF-16', { parser: 'slow', 'unicode.encoding': 'UTF-16LE' }, (s) => Buffer.from(s, 'utf16le')],
  ['joined', { multiline: 'on', parser_firstline: 'slow', multiline_flush: '1' }, (s) => Buffer.from(s)],
]

test.each(kinds)(
  'lines that take long to parse do not hold the event loop: %s',
  async (kind, tail, encode) => {
    const { parsers, most } = slowParser()
    const path = join(tmp(), kind === 'gzip' ? 'a.gz' : 'a.log')
    writeFileSync(path, encode(text()))
    const run = follow({ ...tail, path }, { parsers } as Partial<TailRunOptions>)
    await run.waitForLines(LINES)
    expect(most()).toBeLessThan(MOST_LINES)
    expect(run.received.map(({ record }) => record.n)).toEqual(
      Array.from({ length: LINES }, (_, i) => String(i)),
    )
    // All of them were in one block.
    expect(text().length).toBeLessThan(262_144)
  },
)

test('what is left of a block when its time is over is read by the next run if this one ends', async () => {
  const { parsers, most } = slowParser()
  const store = new MemoryStore()
  const path = join(tmp(), 'a.log')
  writeFileSync(path, text())
  const first = follow({ path, parser: 'slow' }, { parsers, store } as Partial<TailRunOptions>)
  await until(() => (first.files[0]?.read ?? 0) > 0)
  await first.stop()
  const read = first.received.length
  expect(read).toBeLessThan(LINES)
  const next = resume(store, { path })
  await next.waitForLines(LINES - read)
  most()
  expect(next.lines().map((line) => line.split('\t')[0])).toEqual(
    Array.from({ length: LINES - read }, (_, i) => `n:${read + i}`),
  )
})
