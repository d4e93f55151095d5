import { describe, expect, test } from 'bun:test'
import type { BufferSource } from '../../../../src/core/buffer-source.ts'
import { Chunk, type ChunkInit, headRoom, TAIL_ROOM } from '../../../../src/core/chunk.ts'
import { skip } from '../../../../src/core/msgpack/encode.ts'
import { parseOptions } from '../../../../src/core/options/parse.ts'
import type { Ack, FilterContext } from '../../../../src/core/plugin.ts'
import { spec } from '../../../../src/plugins/filters/concat/index.ts'
import { filterContract } from '../../../contract/filter.ts'
import {
  chunkOf,
  LooseBuffers,
  metadataOf,
  recordsOf,
  withMetadata,
} from '../../../support/engine/chunk-of.ts'
import { ManualClock } from '../../../support/engine/manual-clock.ts'
import { LaterList } from '../../../support/later.ts'
import { fc } from '../../../support/property.ts'

type Texts = Record<string, string>

class Run {
  readonly buffers = new LooseBuffers()
  readonly clock = new ManualClock()
  readonly counted: string[] = []
  readonly logged: string[] = []
  readonly emitted: {
    records: Record<string, unknown>[]
    tag: string
    label: string | undefined
    sec: number
    hasMetadata: boolean
    ack: Ack
  }[] = []
  readonly filter

  constructor(texts: Texts, { labels, limit = 100_000 }: { labels?: string[]; limit?: number } = {}) {
    this.filter = spec.create(parseOptions(spec.options, { key: 'message', ...texts } as never), {
      buffers: this.buffers,
      clock: this.clock,
      log: { warn: (message: string) => void this.logged.push(message) },
      counters: { add: (name: string) => void this.counted.push(name) },
      multilineBytes: limit,
      ...(labels === undefined ? {} : { labels: new Set(labels) }),
      emit: (init: ChunkInit, buffers: BufferSource, ack: Ack, label?: string) => {
        const chunk = new Chunk(init, buffers)
        expect(chunk.start).toBeGreaterThanOrEqual(headRoom(chunk.tag))
        expect(chunk.buf.length - chunk.end).toBeGreaterThanOrEqual(TAIL_ROOM)
        const sec = chunk.buf.readUInt32BE(chunk.start + 3)
        const { tag, hasMetadata } = chunk
        this.emitted.push({ records: recordsOf(chunk), tag, label, sec, hasMetadata, ack })
        chunk.release()
      },
    } as unknown as FilterContext)
  }

  send(records: object[], tag = 'app') {
    const chunk = chunkOf(records, tag, this.buffers)
    const deferral = new LaterList(this.buffers)
    this.filter.apply(chunk, deferral)
    const left = chunk.count === 0 ? [] : recordsOf(chunk)
    expect(chunk.count).toBe(left.length)
    if (chunk.count > 0) expect(chunk.buf.length - chunk.end).toBeGreaterThanOrEqual(TAIL_ROOM)
    const firstSec = chunk.count === 0 ? 0 : chunk.buf.readUInt32BE(chunk.start + 3)
    chunk.release()
    return { left, deferral, firstSec }
  }

  /** Returns the texts of what comes out for records with these texts. */
  texts(texts: string[], more: object = {}): unknown[] {
    return this.send(texts.map((message) => ({ message, ...more }))).left.map(({ message }) => message)
  }
}

const START = { multiline_start_regexp: '/^start/' }

describe('with N_Lines', () => {
  test('joins this many records', () => {
    const run = new Run({ n_lines: '3' })
    const made = run.send([1, 2, 3, 4, 5, 6].map((n) => ({ host: 'a', message: `m${n}` }))).left
    expect(made).toEqual([
      { host: 'a', message: 'm1\nm2\nm3' },
      { host: 'a', message: 'm4\nm5\nm6' },
    ])
    expect(run.buffers.out.size).toBe(0)
  })

  test('passes records without the key at their place', () => {
    const run = new Run({ n_lines: '2' })
    expect(run.send([{ message: 'a' }, { some: 'x' }, { message: 5 }, { message: 'b' }]).left).toEqual([
      { some: 'x' },
      { message: 5 },
      { message: 'a\nb' },
    ])
  })

  test('joins each value of Stream_Identity_Key and each tag separately', () => {
    const run = new Run({ n_lines: '3', stream_identity_key: 'id' })
    const records = [1, 2, 1, 2, 1, 2].map((id, n) => ({ id, message: `m${n + 1}` }))
    expect(run.send(records).left).toEqual([
      { id: 1, message: 'm1\nm3\nm5' },
      { id: 2, message: 'm2\nm4\nm6' },
    ])
    run.send([{ message: 'a' }, { message: 'b' }], 'one')
    expect(run.send([{ message: 'c' }], 'two').left).toEqual([])
    expect(run.send([{ message: 'c' }], 'one').left).toEqual([{ message: 'a\nb\nc' }])
  })

  test('one line is each record as it is', () => {
    expect(new Run({ n_lines: '1' }).texts(['a', 'b'])).toEqual(['a', 'b'])
  })
})

describe('with expressions', () => {
  test('a record that matches the start ends the one before', () => {
    const run = new Run(START)
    expect(run.texts(['start', '  1', '  2', 'start', '  3', '  4', 'start'])).toEqual([
      'start\n  1\n  2',
      'start\n  3\n  4',
    ])
  })

  test('a record that matches the end completes one, and others pass', () => {
    const run = new Run({ ...START, multiline_end_regexp: '/end$/' })
    const texts = ['single', 'start message end', 'start', ' 1', ' 2', 'end', 'other', 'end']
    expect(run.texts(texts)).toEqual(['single', 'start message end', 'start\n 1\n 2\nend', 'other', 'end'])
  })

  test('with an end alone every record is a part', () => {
    const run = new Run({ multiline_end_regexp: '/\\n$/', separator: '' })
    expect(run.texts(['{"k1": 1}\n', '{"k3": 3,', '"k4": 4,', '"k5": 5}\n', '{"k6"'])).toEqual([
      '{"k1": 1}\n',
      '{"k3": 3,"k4": 4,"k5": 5}\n',
    ])
  })

  test('a record that matches no continuation ends the one before and passes', () => {
    const run = new Run({ ...START, continuous_line_regexp: '/^ /' })
    expect(run.texts(['start', ' 1', 'other', ' 2', 'start', ' 3', 'more'])).toEqual([
      'start\n 1',
      'other',
      ' 2',
      'start\n 3',
      'more',
    ])
  })

  test('the record that ends one gives it neither its time nor its fields', () => {
    const run = new Run(START)
    const { left, firstSec } = run.send([
      { message: 'start', a: 1 },
      { message: 'x', b: 2 },
      { message: 'start', c: 3 },
    ])
    expect(left).toEqual([{ message: 'start\nx', a: 1 }])
    expect(firstSec).toBe(1001)
  })
})

test('the joined record has the fields of the first part, and those that only the last part has', () => {
  const run = new Run({ n_lines: '3' })
  expect(
    run.send([
      { a: 1, message: 'x', b: 1 },
      { message: 'y', c: 2 },
      { message: 'z', b: 3, d: 4 },
    ]).left,
  ).toEqual([{ a: 1, message: 'x\ny\nz', b: 1, d: 4 }])
})

test('has the time of the last part, or of the first with Use_First_Timestamp', () => {
  const records = [{ message: 'a' }, { message: 'b' }, { message: 'c' }]
  expect(new Run({ n_lines: '3' }).send(records).firstSec).toBe(1002)
  expect(new Run({ n_lines: '3', use_first_timestamp: 'true' }).send(records).firstSec).toBe(1000)
})

test('puts the separator between parts, whatever they end with', () => {
  expect(new Run({ n_lines: '2' }).texts(['a\n', 'b\n'])).toEqual(['a\n\nb\n'])
  expect(new Run({ n_lines: '2', separator: ' -- ' }).texts(['a', 'b'])).toEqual(['a -- b'])
  expect(new Run({ n_lines: '2', separator: '""' }).texts(['a', 'b'])).toEqual(['ab'])
  expect(new Run({ n_lines: '2', separator: '\\t\\\\' }).texts(['a', 'b'])).toEqual(['a\t\\b'])
})

describe('with parts of split texts', () => {
  const PARTIAL = { partial_key: 'partial_message', partial_value: 'true', separator: '' }

  test('joins while Partial_Key has the value, and removes it', () => {
    const run = new Run(PARTIAL)
    const part = (message: string, value: unknown) => ({ message, partial_message: value, s: 1 })
    const records = [
      part('a', 'true'),
      { message: 'other' },
      part('b', true),
      part('c', 'false'),
      part('d', 'no'),
    ]
    expect(run.send(records).left).toEqual([
      { message: 'other' },
      { message: 'abc', s: 1 },
      { message: 'd', s: 1 },
    ])
  })

  test('keeps Partial_Key on request', () => {
    const run = new Run({ ...PARTIAL, keep_partial_key: 'true' })
    expect(
      run.send([
        { message: 'a', partial_message: 'true' },
        { message: 'b', partial_message: 'x' },
      ]).left,
    ).toEqual([{ message: 'ab', partial_message: 'true' }])
  })

  test.each([
    ['docker-fluentd', (name: string) => `partial_${name}`],
    ['docker-journald', (name: string) => `CONTAINER_PARTIAL_${name.toUpperCase()}`],
    ['docker-journald-lowercase', (name: string) => `container_partial_${name}`],
  ] as [string, (name: string) => string][])('joins by the marks of %s, and removes them', (format, key) => {
    const run = new Run({ use_partial_metadata: 'true', partial_metadata_format: format, separator: '' })
    const part = (message: string, id: string, ordinal: number, last: string) => ({
      message,
      [key('message')]: 'true',
      [key('id')]: id,
      [key('ordinal')]: String(ordinal),
      [key('last')]: last,
    })
    expect(
      run.send([
        part('a', 'x', 1, 'false'),
        part('1', 'y', 1, 'false'),
        { message: 'plain' },
        part('b', 'x', 2, 'true'),
        part('2', 'y', 2, 'true'),
      ]).left,
    ).toEqual([{ message: 'plain' }, { message: 'ab' }, { message: '12' }])
  })

  test('joins parts marked by a container runtime, each stream separately', () => {
    const run = new Run({ use_partial_cri_logtag: 'true', partial_cri_logtag_key: 'logtag', separator: '' })
    const part = (message: string, logtag: string, stream: string) => ({ message, logtag, stream })
    expect(
      run.send([
        part('a', 'P', 'stdout'),
        part('1', 'P:x', 'stderr'),
        part('b', 'F', 'stdout'),
        part('2', 'F:x', 'stderr'),
        part('alone', 'F', 'stdout'),
        { message: 'unmarked', stream: 'stdout' },
      ]).left,
    ).toEqual([
      { message: 'ab' },
      { message: '12' },
      { message: 'alone' },
      { message: 'unmarked', stream: 'stdout' },
    ])
  })
})

describe('a record that is incomplete at the end of a chunk', () => {
  test('waits for the next chunk, and no chunk settles before it', () => {
    const run = new Run({ n_lines: '3' })
    const chunks = ['a', 'b'].map((message) => run.send([{ message }]))
    expect(chunks.flatMap(({ left }) => left)).toEqual([])
    const end = run.send([{ message: 'c' }])
    expect(end.left).toEqual([{ message: 'a\nb\nc' }])
    expect(chunks.flatMap(({ deferral }) => deferral.kept)).toEqual([undefined, undefined])
    end.deferral.settle('delivered')
    expect(chunks.flatMap(({ deferral }) => deferral.kept)).toEqual(['delivered', 'delivered'])
    expect(run.buffers.out.size).toBe(0)
  })

  test('continues after the filter when it has not grown for Flush_Interval', () => {
    const run = new Run({ ...START, flush_interval: '2s' })
    const first = run.send([{ message: 'start' }])
    run.clock.advance(1500)
    const second = run.send([{ message: 'x' }])
    run.clock.advance(1999)
    expect(run.emitted).toEqual([])
    run.clock.advance(1)
    expect(run.emitted).toMatchObject([
      { records: [{ message: 'start\nx' }], tag: 'app', label: undefined, sec: 1000 },
    ])
    run.emitted[0]?.ack('aborted')
    expect([...first.deferral.kept, ...second.deferral.kept]).toEqual(['aborted', 'aborted'])
    expect(run.counted).toEqual(['concat_timeout'])
    expect(run.buffers.out.size).toBe(0)
    expect(run.clock.waiting).toBe(0)
  })

  test('goes to Timeout_Label, or to @ERROR with a warning when there is one', () => {
    const timeout = new Run({ ...START, timeout_label: '@NORMAL' }, { labels: ['@NORMAL', '@ERROR'] })
    timeout.send([{ message: 'start' }])
    timeout.clock.advance(60_000)
    expect(timeout.emitted.map(({ label }) => label)).toEqual(['@NORMAL'])
    expect(timeout.logged).toEqual([])
    const error = new Run(START, { labels: ['@ERROR'] })
    error.send([{ message: 'start' }])
    error.clock.advance(60_000)
    expect(error.emitted.map(({ label }) => label)).toEqual(['@ERROR'])
    expect(error.logged[0]).toContain('it goes to @ERROR')
  })

  test('waits without end when Flush_Interval is 0', () => {
    const run = new Run({ ...START, flush_interval: '0' })
    run.send([{ message: 'start' }])
    expect(run.clock.waiting).toBe(0)
  })

  test('is aborted on close', () => {
    const run = new Run(START)
    const { deferral } = run.send([{ message: 'start' }])
    void run.filter.close?.()
    expect(deferral.kept).toEqual(['aborted'])
    expect(run.buffers.out.size).toBe(0)
    expect(run.clock.waiting).toBe(0)
  })
})

test('a record larger than the limit becomes several, and is counted', () => {
  const run = new Run(START, { limit: 12 })
  expect(run.texts(['start', 'aaa', 'bbbb', 'c', 'start'])).toEqual(['start\naaa', 'bbbb\nc'])
  expect(run.counted).toEqual(['concat_truncated'])
  const own = new Run({ ...START, buffer_limit_size: '10', buffer_overflow_method: 'new' })
  expect(own.texts(['start', 'aaaa', 'b', 'start'])).toEqual(['start\naaaa', 'b'])
  const ignored = new Run({ ...START, buffer_limit_size: '10' })
  expect(ignored.texts(['start', 'aaaaaaaaa', 'b', 'start'])).toEqual(['start\naaaaaaaaa\nb'])
  const dropping = new Run({ ...START, buffer_overflow_method: 'drop' })
  expect(dropping.logged).toEqual([
    'buffer_overflow_method drop would drop parts: the rest becomes another record instead',
  ])
})

test('takes its buffers from the input of the chunk, and gives them back there', () => {
  const run = new Run(START)
  const inputs = [new LooseBuffers(), new LooseBuffers()]
  for (const buffers of [...inputs, ...inputs]) {
    const chunk = chunkOf([{ message: 'start' }, { message: 'b' }, { message: 'start' }], 'app', buffers)
    run.filter.apply(chunk, new LaterList(buffers))
    chunk.release()
    expect(run.buffers.out.size).toBe(0)
  }
  run.clock.advance(60000)
  expect(run.emitted).toHaveLength(1)
  expect([run.buffers, ...inputs].map(({ out }) => out.size)).toEqual([0, 0, 0])
})

test('at most 1,000 records are open: the oldest are sent incomplete', () => {
  const run = new Run({ ...START, stream_identity_key: 'id' })
  const records = Array.from({ length: 1500 }, (_, id) => ({ id, message: 'start' }))
  const { left, deferral } = run.send(records)
  expect(left).toEqual(records.slice(0, 500))
  expect(deferral.kept).toHaveLength(1000)
  expect(run.counted).toHaveLength(500)
  // A record of another tag has no older one of its tag to make room.
  expect(run.send([{ id: 1, message: 'start' }], 'other').left).toEqual([])
  expect(run.emitted.map(({ records: [one], label }) => [one?.id, label])).toEqual([[500, undefined]])
})

test('the joined record has the metadata of its first part, and its chunk says that it may have some', () => {
  const run = new Run({ n_lines: '3', stream_identity_key: 'id' })
  const sent = (n: number, records: object[]) => {
    const chunk = withMetadata(records, { n }, 'app', run.buffers)
    run.filter.apply(chunk, new LaterList(run.buffers))
    chunk.release()
  }
  sent(1, [
    { message: 'a', id: 'x' },
    { message: 'b', id: 'y', long: 'z'.repeat(300) },
  ])
  sent(2, [{ message: 'c', id: 'x' }])
  const chunk = chunkOf([{ other: 1 }, { message: 'd', id: 'x', more: 5 }], 'app', run.buffers)
  run.filter.apply(chunk, new LaterList(run.buffers))
  expect(chunk.hasMetadata).toBe(true)
  expect(metadataOf(chunk)).toEqual([undefined, { n: 1 }])
  expect(recordsOf(chunk)).toEqual([{ other: 1 }, { message: 'a\nc\nd', id: 'x', more: 5 }])
  // `[[EventTime, {n: 1}], map]` with the time of the last part.
  const joined = skip(chunk.buf, chunk.start, chunk.end)
  expect(chunk.buf.toString('hex', joined, joined + 16)).toBe('9292d700000003e91dcd650081a16e01')
  chunk.release()
  run.clock.advance(60_000)
  expect(run.emitted).toMatchObject([{ records: [{ message: 'b', id: 'y' }], hasMetadata: true }])
  expect(run.buffers.out.size).toBe(0)
})

test('events of fluentd itself pass', () => {
  const run = new Run({ n_lines: '2' })
  expect(run.send([{ message: 'a' }, { message: 'b' }], 'fluent.warn').left).toEqual([
    { message: 'a' },
    { message: 'b' },
  ])
})

test('refuses options that exclude each other or are missing', () => {
  expect(() => new Run({})).toThrow('nothing says which records belong together')
  expect(() => new Run({ n_lines: '2', ...START })).toThrow('exclude each other')
  expect(() => new Run({ partial_key: 'p' })).toThrow('"partial_key" needs "partial_value"')
  expect(() => new Run({ use_partial_cri_logtag: 'on' })).toThrow('needs "partial_cri_logtag_key"')
  expect(() => new Run({ multiline_start_regexp: '/(/' })).toThrow('must be a regular expression')
  expect(() => new Run({ ...START, timeout_label: '@NONE' })).toThrow('there is no label @NONE')
})

test('property: no text is lost, doubled or reordered within a stream, and every chunk settles', () => {
  const message = fc.constantFrom('start', 'start end', ' a', ' b', 'end', 'other', '')
  const record = fc.record({ message, id: fc.constantFrom('x', 'y', 5) }, { requiredKeys: ['message'] })
  const options = fc.constantFrom<Texts>(
    { n_lines: '3' },
    START,
    { ...START, multiline_end_regexp: '/end$/' },
    { multiline_end_regexp: '/end$/' },
    { ...START, continuous_line_regexp: '/^ /' },
  )
  fc.assert(
    fc.property(
      options,
      fc.array(fc.array(record, { maxLength: 8 }), { maxLength: 6 }),
      fc.boolean(),
      (texts, chunks, small) => {
        const run = new Run(
          { ...texts, stream_identity_key: 'id', separator: '|' },
          { limit: small ? 20 : 1000 },
        )
        const sent = chunks.filter((chunk) => chunk.length > 0).map((chunk) => run.send(chunk))
        run.clock.advance(60_000)
        for (const { ack } of run.emitted) ack('delivered')
        for (const { deferral } of sent) deferral.settle('delivered')
        const made = [...sent.flatMap(({ left }) => left), ...run.emitted.flatMap(({ records }) => records)]
        for (const id of ['x', 'y', 5, undefined]) {
          const texts = chunks
            .flat()
            .filter((each) => each.id === id)
            .map((each) => each.message)
          expect(
            made
              .filter((each) => each.id === id)
              .map((each) => each.message)
              .join('|'),
          ).toBe(texts.join('|'))
        }
        expect(
          sent.flatMap(({ deferral }) => deferral.kept).every((outcome) => outcome === 'delivered'),
        ).toBe(true)
        expect(run.buffers.out.size).toBe(0)
      },
    ),
    { numRuns: 300 },
  )
})

filterContract({
  name: 'concat, one line',
  create: (ctx) => {
    const more = {
      clock: new ManualClock(),
      multilineBytes: 100_000,
      log: { warn() {} },
      counters: { add() {} },
    }
    const options = parseOptions(spec.options, { key: 'log', n_lines: '1' } as never)
    return spec.create(options, { ...ctx, ...more } as unknown as FilterContext)
  },
  expected: (record) => record,
})
