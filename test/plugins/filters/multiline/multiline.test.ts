import { expect, test } from 'bun:test'
import type { BufferSource } from '../../../../src/core/buffer-source.ts'
import { Chunk, type ChunkInit } from '../../../../src/core/chunk.ts'
import { MULTILINE_OPTIONS } from '../../../../src/core/multiline.ts'
import { parseOptions } from '../../../../src/core/options/parse.ts'
import type { Ack, FilterContext, Outcome } from '../../../../src/core/plugin.ts'
import { spec } from '../../../../src/plugins/filters/multiline/index.ts'
import {
  chunkOf,
  LooseBuffers,
  metadataOf,
  recordsOf,
  withMetadata,
} from '../../../support/engine/chunk-of.ts'
import { ManualClock } from '../../../support/engine/manual-clock.ts'
import { LaterList } from '../../../support/later.ts'

const TRACE = ['java.lang.RuntimeException: x', '\tat a.B.c(B.java:3)', '\tat a.B.d(B.java:9)']
const HEAD = 'java.lang.RuntimeException: y'

class FilterRun {
  readonly buffers = new LooseBuffers()
  readonly clock = new ManualClock()
  readonly counted: string[] = []
  readonly warned: string[] = []
  /** Records that were sent as a chunk of their own. */
  readonly emitted: { records: Record<string, unknown>[]; id: string; hasMetadata: boolean; ack: Ack }[] = []
  readonly filter

  constructor(texts: Record<string, string>, limitBytes = 100_000) {
    const options = parseOptions(spec.options, { 'multiline.parser': 'java', ...texts } as never)
    const lines = parseOptions(MULTILINE_OPTIONS, { type: 'endswith', match_string: ';' } as never)
    const equal = parseOptions(MULTILINE_OPTIONS, { type: 'equal', match_string: 'END' } as never)
    const rule = ['"start_state" "/^\\S/" "more"', '"more" "/^(\\s|$)/" "more"']
    const rules = parseOptions(MULTILINE_OPTIONS, { type: 'regex', rule } as never)
    const keys = { key_content: 'msg', key_group: 'id', key_pattern: 'end' }
    const keyed = parseOptions(MULTILINE_OPTIONS, { type: 'endswith', match_string: ';', ...keys } as never)
    this.filter = spec.create(options, {
      name: 'multiline.0',
      buffers: this.buffers,
      clock: this.clock,
      log: { warn: (message: string) => void this.warned.push(message) },
      counters: { add: (name: string) => void this.counted.push(name) },
      multiline: (name: string) => ({ upto: lines, keyed, equal, lines: rules })[name],
      multilineBytes: limitBytes,
      emit: (init: ChunkInit, buffers: BufferSource, ack: Ack) => {
        const chunk = new Chunk(init, buffers)
        const { id, hasMetadata } = chunk
        this.emitted.push({ records: recordsOf(chunk), id, hasMetadata, ack })
        chunk.release()
      },
    } as unknown as FilterContext)
  }

  /** Applies the filter to a chunk; returns the records that come out of it, and its deferral. */
  send(records: object[], tag = 'app') {
    const chunk = chunkOf(records, tag, this.buffers)
    const deferral = new LaterList(this.buffers)
    this.filter.apply(chunk, deferral)
    const left = chunk.count === 0 ? [] : recordsOf(chunk)
    expect(chunk.count).toBe(left.length)
    chunk.release()
    return { left, deferral }
  }

  lines(texts: string[], stream?: string) {
    const made = this.send(texts.map((log) => (stream === undefined ? { log } : { log, stream })))
    return { logs: made.left.map((r) => r.log), deferral: made.deferral }
  }
}

test('uses the keys of a [MULTILINE_PARSER] unless the filter sets others', () => {
  const records = [
    { msg: 'a1', id: 'a', end: '' },
    { msg: 'b1', id: 'b', end: '' },
    { msg: 'a2', id: 'a', end: ';' },
    { msg: 'b2', id: 'b', end: 'x;' },
    { msg: 'a3;', id: 'a' },
  ]
  const keyed = new FilterRun({ 'multiline.parser': 'keyed' })
  expect(keyed.send(records).left.map((r) => r.msg)).toEqual(['a1a2', 'b1b2', 'a3;'])
  const named = new FilterRun({ 'multiline.parser': 'keyed', group_key: 'none' })
  expect(named.send(records).left.map((r) => r.msg)).toEqual(['a1b1a2', 'b2', 'a3;'])
})

test('keeps empty lines within a record and at its start', () => {
  const run = new FilterRun({ 'multiline.parser': 'lines', buffer: 'off' })
  expect(run.lines(['a', '', '', ' b']).logs).toEqual(['a\n\n\n b'])
  expect(run.lines(['a\n', '\n', ' b\n']).logs).toEqual(['a\n\n b\n'])
  expect(run.lines(['', ' c']).logs).toEqual(['', ' c'])
})

test('the types endswith and equal join the parts of a split text without line feeds', () => {
  const upto = new FilterRun({ 'multiline.parser': 'upto' })
  expect(upto.lines(['a', '', 'b', 'c;']).logs).toEqual(['abc;'])
  expect(upto.lines(['a\n', '\n', 'b;\n']).logs).toEqual(['a\n\nb;\n'])
  const equal = new FilterRun({ 'multiline.parser': 'equal' })
  expect(equal.lines(['a', 'b', 'END', 'c', 'END']).logs).toEqual(['abEND', 'cEND'])
  const others = new FilterRun({ 'multiline.parser': 'java, upto' })
  expect(others.lines([...TRACE, 'a', 'b;']).logs).toEqual([TRACE.join('\n'), 'ab;'])
})

test('joins a trace within a chunk into one record with the keys of its first line', () => {
  const run = new FilterRun({})
  const records = ['before', ...TRACE, 'after'].map((log, n) => ({ n, log, more: `m${n}` }))
  const { left, deferral } = run.send(records)
  expect(left).toEqual([
    { n: 0, log: 'before', more: 'm0' },
    { n: 1, log: TRACE.join('\n'), more: 'm1' },
    { n: 4, log: 'after', more: 'm4' },
  ])
  expect(deferral.kept).toEqual([])
  expect(run.buffers.out.size).toBe(0)
})

test('sends a trace across several chunks with the last one, and no chunk settles before it', () => {
  const run = new FilterRun({})
  const chunks = TRACE.map((line) => run.lines([line]))
  expect(chunks.flatMap(({ logs }) => logs)).toEqual([])
  const end = run.lines(['after'])
  expect(end.logs).toEqual([TRACE.join('\n'), 'after'])
  const kept = (): (Outcome | undefined)[] => chunks.flatMap(({ deferral }) => deferral.kept)
  expect(kept()).toEqual([undefined, undefined, undefined])
  end.deferral.settle('delivered')
  expect(kept()).toEqual(['delivered', 'delivered', 'delivered'])
  expect(end.deferral.kept).toEqual([])
})

test('sends an incomplete record alone after Flush_Ms, and its chunks get its outcome', () => {
  const run = new FilterRun({ flush_ms: '500' })
  const { logs, deferral } = run.lines(['before', TRACE[0] as string])
  expect(logs).toEqual(['before'])
  run.clock.advance(400)
  const more = run.lines([TRACE[1] as string])
  run.clock.advance(499)
  expect(run.emitted).toEqual([])
  run.clock.advance(1)
  expect(run.emitted.map(({ records }) => records)).toEqual([[{ log: TRACE.slice(0, 2).join('\n') }]])
  run.emitted[0]?.ack('aborted')
  expect([...deferral.kept, ...more.deferral.kept]).toEqual(['aborted', 'aborted'])
  expect(run.buffers.out.size).toBe(0)
})

test('joins each stream and each tag separately', () => {
  const run = new FilterRun({})
  const mixed = run.send([
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
  run.send([{ log: TRACE[0] }], 'one')
  expect(run.send([{ log: TRACE[1] }], 'two').left).toEqual([{ log: TRACE[1] }])
})

test('holds the lines of a message until a frame arrives, even across chunks', () => {
  const run = new FilterRun({})
  expect(run.lines(['before', HEAD, '  Detail: x']).logs).toEqual(['before'])
  expect(run.lines(['', 'more']).logs).toEqual([])
  const end = run.lines([TRACE[1] as string, 'after'])
  expect(end.logs).toEqual([`${HEAD}\n  Detail: x\n\nmore\n${TRACE[1]}`, 'after'])
  expect(run.buffers.out.size).toBe(0)
})

test('sends held lines unchanged, with the record before them, when no frame follows', () => {
  const run = new FilterRun({})
  const { left, deferral } = run.send([
    { log: HEAD, n: 1 },
    { log: 'a', n: 2 },
    { log: 'b', n: 3, more: true },
  ])
  expect(left).toEqual([])
  const end = run.send([{ log: '2026-11-21 06:00:00 INFO next', n: 4 }])
  expect(end.left).toEqual([
    { log: HEAD, n: 1 },
    { log: 'a', n: 2 },
    { log: 'b', n: 3, more: true },
    { log: '2026-11-21 06:00:00 INFO next', n: 4 },
  ])
  end.deferral.settle('delivered')
  expect(deferral.kept).toEqual(['delivered'])
  expect(run.buffers.out.size).toBe(0)
})

test('sends held lines Flush_Ms after the last joined line', () => {
  const run = new FilterRun({ flush_ms: '500' })
  const first = run.lines([HEAD, 'a'])
  run.clock.advance(400)
  const second = run.lines(['b'])
  run.clock.advance(100)
  expect(run.emitted.map(({ records }) => records)).toEqual([[{ log: HEAD }, { log: 'a' }, { log: 'b' }]])
  run.emitted[0]?.ack('delivered')
  expect([...first.deferral.kept, ...second.deferral.kept]).toEqual(['delivered', 'delivered'])
})

test('sends held lines with their chunk when Buffer is off', () => {
  const run = new FilterRun({ buffer: 'off' })
  expect(run.lines([HEAD, 'a', 'b']).logs).toEqual([HEAD, 'a', 'b'])
  expect(run.buffers.out.size).toBe(0)
})

test('defers nothing beyond a chunk with Buffer off', () => {
  const run = new FilterRun({ buffer: 'off' })
  const { logs, deferral } = run.lines(TRACE.slice(0, 2))
  expect(logs).toEqual([TRACE.slice(0, 2).join('\n')])
  expect(deferral.kept).toEqual([])
})

test('sends a record larger than the limit in parts and counts it', () => {
  const run = new FilterRun({}, 60)
  const { logs } = run.lines([...TRACE, 'after'])
  expect(logs.join('\n')).toBe([...TRACE, 'after'].join('\n'))
  expect(logs).toHaveLength(3)
  expect(run.counted).toEqual(['multiline_truncated'])
})

test('keeps the lines of a message with their head when the frame after them is beyond the limit', () => {
  const run = new FilterRun({}, 60)
  expect(run.lines([HEAD, 'of two lines', TRACE[1] as string, 'after']).logs).toEqual([
    `${HEAD}\nof two lines`,
    TRACE[1],
    'after',
  ])
})

test('joins parts marked by Docker by their id up to the last one, without the marks', () => {
  const run = new FilterRun({ mode: 'partial_message' })
  const part = (log: string, id: string, last: boolean) => ({
    log,
    source: 'stdout',
    partial_message: 'true',
    partial_id: id,
    partial_last: String(last),
  })
  const first = run.send([part('a', '1', false), part('x', '2', false), { log: 'other' }])
  expect(first.left).toEqual([{ log: 'other' }])
  const second = run.send([part('y', '2', true), part('b', '1', false), part('c', '1', true)])
  expect(second.left).toEqual([
    { log: 'xy', source: 'stdout' },
    { log: 'abc', source: 'stdout' },
  ])
})

test('a part is one by the word true in any case or the value true; others pass, and end no message', () => {
  const run = new FilterRun({ mode: 'partial_message' })
  const marks = { partial_message: 'TRUE', partial_id: 'i' }
  const others = [
    { log: 'x', ...marks, partial_message: 'false' },
    { log: 'x', ...marks, partial_message: false },
    { log: 'x', partial_message: 'true' },
    { log: 5, ...marks },
    { other: 'x' },
  ]
  const given = [
    { log: 'a', ...marks, partial_ordinal: '1' },
    ...others,
    { log: 'b', ...marks, partial_last: true },
  ]
  expect(run.send(given).left).toEqual([...others, { log: 'ab' }] as never)
})

test('parts across chunks settle with the last one, or alone after Flush_Ms', () => {
  const run = new FilterRun({ mode: 'partial_message', flush_ms: '700' })
  const part = { partial_message: 'true', partial_id: 'i' }
  const first = run.send([{ log: 'a', ...part }])
  const last = run.send([{ log: 'b', ...part, partial_last: 'true' }])
  expect([first.left, last.left]).toEqual([[], [{ log: 'ab' }]])
  last.deferral.settle('delivered')
  expect(first.deferral.kept).toEqual(['delivered'])
  const alone = run.send([{ log: 'c', ...part }])
  run.clock.advance(700)
  expect(run.emitted.map(({ records }) => records)).toEqual([[{ log: 'c' }]])
  expect(alone.deferral.kept).toEqual([undefined])
  run.emitted[0]?.ack('delivered')
  expect(alone.deferral.kept).toEqual(['delivered'])
  expect(run.buffers.out.size).toBe(0)
})

test('joins up to the line that matches a [MULTILINE_PARSER] of type endswith', () => {
  const run = new FilterRun({ 'multiline.parser': 'upto' })
  expect(run.lines(['a', 'b;', 'c;', 'd']).logs).toEqual(['ab;', 'c;'])
})

test('aborts deferred chunks on close', () => {
  const run = new FilterRun({})
  const { deferral } = run.lines([TRACE[0] as string])
  run.filter.close?.()
  expect(deferral.kept).toEqual(['aborted'])
  expect(run.buffers.out.size).toBe(0)
})

test('takes its buffers from the input of the chunk, and gives them back there', () => {
  const run = new FilterRun({})
  const inputs = [new LooseBuffers(), new LooseBuffers()]
  for (const buffers of [...inputs, ...inputs]) {
    const chunk = chunkOf([{ log: TRACE[0] }, { log: 'b' }, { log: TRACE[0] }], 'app', buffers)
    run.filter.apply(chunk, new LaterList(buffers))
    chunk.release()
    expect(run.buffers.out.size).toBe(0)
  }
  run.clock.advance(2000)
  expect(run.emitted).toHaveLength(1)
  expect([run.buffers, ...inputs].map(({ out }) => out.size)).toEqual([0, 0, 0])
})

test('at most 1,000 records are open: the oldest is sent incomplete, and counted', () => {
  const run = new FilterRun({})
  const records = Array.from({ length: 1500 }, (_, n) => ({ log: TRACE[0], stream: `${n}` }))
  const { left, deferral } = run.send(records)
  expect(left).toEqual(records.slice(0, 500))
  expect(deferral.kept).toHaveLength(1000)
  expect(run.counted).toEqual(Array(500).fill('multiline_evicted'))
  // A record of another tag has no older one of its tag to make room.
  expect(run.send([{ log: TRACE[0] }], 'other').left).toEqual([])
  expect(run.emitted.map(({ records }) => records)).toEqual([[records[500] as never]])
  run.emitted[0]?.ack('delivered')
  expect(deferral.kept.filter((outcome) => outcome === 'delivered')).toHaveLength(1)
  expect(run.buffers.out.size).toBe(1000)
})

test('a record with metadata keeps it, and its chunk says that it may have some', () => {
  const run = new FilterRun({})
  const sent = (logs: string[], tag?: string) => {
    const chunk = withMetadata(
      logs.map((log) => ({ log })),
      { n: 'x' },
      tag,
      run.buffers,
    )
    run.filter.apply(chunk, new LaterList(run.buffers))
    chunk.release()
  }
  sent(TRACE.slice(0, 2))
  sent(TRACE.slice(0, 1), 'other')
  const chunk = chunkOf([{ log: 'after' }], 'app', run.buffers)
  run.filter.apply(chunk, new LaterList(run.buffers))
  expect([chunk.hasMetadata, metadataOf(chunk)]).toEqual([true, [{ n: 'x' }, undefined]])
  chunk.release()
  run.clock.advance(2000)
  expect(run.emitted.map(({ hasMetadata }) => hasMetadata)).toEqual([true])
  expect(run.buffers.out.size).toBe(0)
})

test('passes records without text through', () => {
  const run = new FilterRun({})
  const records = [{ log: 5 }, {}, { log: ['a'] }, { other: 'x' }, { log: '' }]
  const { left } = run.send(records)
  expect(left).toEqual(records as never)
})

test('ends the open records of a tag at a record without text, which keeps the order', () => {
  const run = new FilterRun({})
  const held = run.send([{ log: TRACE[0] }, { log: TRACE[1] }])
  const { left, deferral } = run.send([{ log: 'a' }, { msg: 'no text' }, { log: TRACE[2] }])
  expect(left).toEqual([
    { log: `${TRACE[0]}\n${TRACE[1]}` },
    { log: 'a' },
    { msg: 'no text' },
    { log: TRACE[2] },
  ])
  deferral.settle('delivered')
  expect(held.deferral.kept).toEqual(['delivered'])
  const open = run.send([{ log: HEAD }, { log: 'held' }, { msg: 'no text' }])
  expect(open.left).toEqual([{ log: HEAD }, { log: 'held' }, { msg: 'no text' }])
  expect(run.buffers.out.size).toBe(0)
})

test('docker and cri have no effect: records pass as they are', () => {
  const run = new FilterRun({ 'multiline.parser': 'docker, cri' })
  expect(run.send([{ log: HEAD }, { log: 'b' }]).left).toEqual([{ log: HEAD }, { log: 'b' }])
  expect(run.warned).toHaveLength(1)
})

test('rejects unknown multiline parsers', () => {
  expect(() => new FilterRun({ 'multiline.parser': 'none' })).toThrow('there is no multiline parser "none"')
  expect(() => new FilterRun({ 'multiline.parser': '' })).toThrow('"multiline.parser" is missing')
})
