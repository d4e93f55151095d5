import { expect, test } from 'bun:test'
import type { BufferSource } from '../../../../src/core/buffer-source.ts'
import { Chunk, type ChunkInit } from '../../../../src/core/chunk.ts'
import { MULTILINE_OPTIONS } from '../../../../src/core/multiline.ts'
import { parseOptions } from '../../../../src/core/options/parse.ts'
import type { Ack, FilterContext, Outcome } from '../../../../src/core/plugin.ts'
import { spec } from '../../../../src/plugins/filters/multiline/index.ts'
import { chunkOf, LooseBuffers, recordsOf } from '../../../support/engine/chunk-of.ts'
import { ManualClock } from '../../../support/engine/manual-clock.ts'
import { LaterList } from '../../../support/later.ts'

const TRACE = ['java.lang.RuntimeException: x', '\tat a.B.c(B.java:3)', '\tat a.B.d(B.java:9)']
const HEAD = 'java.lang.RuntimeException: y'

class Bench {
  readonly buffers = new LooseBuffers()
  readonly clock = new ManualClock()
  readonly counted: string[] = []
  /** What was sent without a chunk of others. */
  readonly emitted: { records: Record<string, unknown>[]; id: string; ack: Ack }[] = []
  readonly filter

  constructor(texts: Record<string, string>, limitBytes = 100_000) {
    const options = parseOptions(spec.options, { 'multiline.parser': 'java', ...texts } as never)
    const lines = parseOptions(MULTILINE_OPTIONS, { type: 'endswith', match_string: ';' } as never)
    const keys = { key_content: 'msg', key_group: 'id', key_pattern: 'end' }
    const keyed = parseOptions(MULTILINE_OPTIONS, { type: 'endswith', match_string: ';', ...keys } as never)
    this.filter = spec.create(options, {
      name: 'multiline.0',
      buffers: this.buffers,
      clock: this.clock,
      counters: { add: (name: string) => void this.counted.push(name) },
      multiline: (name: string) => ({ upto: lines, keyed })[name],
      multilineBytes: limitBytes,
      emit: (init: ChunkInit, buffers: BufferSource, ack: Ack) => {
        const chunk = new Chunk(init, buffers)
        this.emitted.push({ records: recordsOf(chunk), id: chunk.id, ack })
        chunk.release()
      },
    } as unknown as FilterContext)
  }

  /** The records that come out of a chunk, and what it keeps. */
  send(records: object[], tag = 'app') {
    const chunk = chunkOf(records, tag, this.buffers)
    const later = new LaterList(this.buffers)
    this.filter.apply(chunk, later)
    const left = chunk.count === 0 ? [] : recordsOf(chunk)
    expect(chunk.count).toBe(left.length)
    chunk.release()
    return { left, later }
  }

  lines(texts: string[], stream?: string) {
    const made = this.send(texts.map((log) => (stream === undefined ? { log } : { log, stream })))
    return { logs: made.left.map((r) => r.log), later: made.later }
  }
}

test('the keys of a [MULTILINE_PARSER] are used, unless the filter names others', () => {
  const records = [
    { msg: 'a1', id: 'a', end: '' },
    { msg: 'b1', id: 'b', end: '' },
    { msg: 'a2', id: 'a', end: ';' },
    { msg: 'b2', id: 'b', end: 'x;' },
    { msg: 'a3;', id: 'a' },
  ]
  const keyed = new Bench({ 'multiline.parser': 'keyed' })
  expect(keyed.send(records).left.map((r) => r.msg)).toEqual(['a1\na2', 'b1\nb2', 'a3;'])
  const named = new Bench({ 'multiline.parser': 'keyed', group_key: 'none' })
  expect(named.send(records).left.map((r) => r.msg)).toEqual(['a1\nb1\na2', 'b2', 'a3;'])
})

test('an empty line within a group stays, and so does one that begins it', () => {
  const bench = new Bench({ 'multiline.parser': 'upto' })
  expect(bench.lines(['a', '', '', 'b;']).logs).toEqual(['a\n\n\nb;'])
  expect(bench.lines(['', 'c;']).logs).toEqual(['\nc;'])
  expect(bench.lines(['a\n', '\n', 'b;\n']).logs).toEqual(['a\n\nb;\n'])
})

test('a trace within a chunk is one record, with the time and the keys of its first', () => {
  const bench = new Bench({})
  const records = ['before', ...TRACE, 'after'].map((log, n) => ({ n, log, more: `m${n}` }))
  const { left, later } = bench.send(records)
  expect(left).toEqual([
    { n: 0, log: 'before', more: 'm0' },
    { n: 1, log: TRACE.join('\n'), more: 'm1' },
    { n: 4, log: 'after', more: 'm4' },
  ])
  expect(later.kept).toEqual([])
  expect(bench.buffers.out.size).toBe(0)
})

test('a trace over several chunks comes with the last; none of them settles before it does', () => {
  const bench = new Bench({})
  const chunks = TRACE.map((line) => bench.lines([line]))
  expect(chunks.flatMap(({ logs }) => logs)).toEqual([])
  const end = bench.lines(['after'])
  expect(end.logs).toEqual([TRACE.join('\n'), 'after'])
  const kept = (): (Outcome | undefined)[] => chunks.flatMap(({ later }) => later.kept)
  expect(kept()).toEqual([undefined, undefined, undefined])
  end.later.settle('delivered')
  expect(kept()).toEqual(['delivered', 'delivered', 'delivered'])
  expect(end.later.kept).toEqual([])
})

test('what is not continued goes on by itself after Flush_Ms, and its outcome is that of its chunk', () => {
  const bench = new Bench({ flush_ms: '500' })
  const { logs, later } = bench.lines(['before', TRACE[0] as string])
  expect(logs).toEqual(['before'])
  bench.clock.advance(400)
  const more = bench.lines([TRACE[1] as string])
  bench.clock.advance(499)
  expect(bench.emitted).toEqual([])
  bench.clock.advance(1)
  expect(bench.emitted.map(({ records }) => records)).toEqual([[{ log: TRACE.slice(0, 2).join('\n') }]])
  bench.emitted[0]?.ack('aborted')
  expect([...later.kept, ...more.later.kept]).toEqual(['aborted', 'aborted'])
  expect(bench.buffers.out.size).toBe(0)
})

test('streams and tags are joined apart', () => {
  const bench = new Bench({})
  const mixed = bench.send([
    { log: TRACE[0], stream: 'stdout' },
    { log: HEAD, stream: 'stderr' },
    { log: TRACE[1], stream: 'stdout' },
    { log: TRACE[2], stream: 'stderr' },
    { log: 'end', stream: 'stdout' },
    { log: 'end', stream: 'stderr' },
  ])
  expect(mixed.left.map((r) => r.log)).toEqual([
    `${TRACE[0]}\n${TRACE[1]}`,
    'end',
    `${HEAD}\n${TRACE[2]}`,
    'end',
  ])
  bench.send([{ log: TRACE[0] }], 'one')
  expect(bench.send([{ log: TRACE[1] }], 'two').left).toEqual([{ log: TRACE[1] }])
})

test('with Buffer off nothing is kept beyond a chunk', () => {
  const bench = new Bench({ buffer: 'off' })
  const { logs, later } = bench.lines(TRACE.slice(0, 2))
  expect(logs).toEqual([TRACE.slice(0, 2).join('\n')])
  expect(later.kept).toEqual([])
})

test('what is larger than the limit is sent in parts, and counted', () => {
  const bench = new Bench({}, 60)
  const { logs } = bench.lines([...TRACE, 'after'])
  expect(logs.join('\n')).toBe([...TRACE, 'after'].join('\n'))
  expect(logs).toHaveLength(3)
  expect(bench.counted).toEqual(['multiline_truncated'])
})

test('parts that Docker marks are joined by their id up to the last, without the marks', () => {
  const bench = new Bench({ mode: 'partial_message' })
  const part = (log: string, id: string, last: boolean) => ({
    log,
    source: 'stdout',
    partial_message: 'true',
    partial_id: id,
    partial_last: String(last),
  })
  const first = bench.send([part('a', '1', false), part('x', '2', false), { log: 'other' }])
  expect(first.left).toEqual([{ log: 'other' }])
  const second = bench.send([part('y', '2', true), part('b', '1', false), part('c', '1', true)])
  expect(second.left).toEqual([
    { log: 'xy', source: 'stdout' },
    { log: 'abc', source: 'stdout' },
  ])
})

test('joins up to the line that ends as a [MULTILINE_PARSER] says', () => {
  const bench = new Bench({ 'multiline.parser': 'upto' })
  expect(bench.lines(['a', 'b;', 'c;', 'd']).logs).toEqual(['a\nb;', 'c;'])
})

test('at the end what is kept is given up unacknowledged', () => {
  const bench = new Bench({})
  const { later } = bench.lines([TRACE[0] as string])
  bench.filter.close?.()
  expect(later.kept).toEqual(['aborted'])
  expect(bench.buffers.out.size).toBe(0)
})

test('records of any form pass', () => {
  const bench = new Bench({})
  const odd = [{ log: 5 }, {}, { log: ['a'] }, { other: 'x' }, { log: '' }]
  const { left } = bench.send(odd)
  expect(left).toEqual(odd as never)
})

test('a name that joins nothing here is refused', () => {
  expect(() => new Bench({ 'multiline.parser': 'cri' })).toThrow('joins lines of files')
  expect(() => new Bench({ 'multiline.parser': 'none' })).toThrow('there is no multiline parser "none"')
  expect(() => new Bench({ 'multiline.parser': '' })).toThrow('"multiline.parser" is missing')
})
