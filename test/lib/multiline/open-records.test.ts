import { describe, expect, test } from 'bun:test'
import type { BufferSource } from '../../../src/core/buffer-source.ts'
import { Chunk, type ChunkInit, headRoom, TAIL_ROOM } from '../../../src/core/chunk.ts'
import type { Ack, Deferral, Outcome } from '../../../src/core/plugin.ts'
import { findText, JoinedRecord } from '../../../src/lib/multiline/joined-record.ts'
import type { Joining } from '../../../src/lib/multiline/joining.ts'
import { OpenRecords, type OpenRecordsOptions } from '../../../src/lib/multiline/open-records.ts'
import { chunkOf, LooseBuffers, recordsOf } from '../../support/engine/chunk-of.ts'
import { ManualClock } from '../../support/engine/manual-clock.ts'
import { fc } from '../../support/property.ts'

const LOG = Buffer.from('log')
const LIMIT = 1000

/** Buffers that take back only their own ones, each once. */
class StrictBuffers extends LooseBuffers {
  override give(buf: Buffer): void {
    if (buf.length > 0) expect(this.out.has(buf)).toBe(true)
    super.give(buf)
  }
}

/** Counts how often acks are called, and with what. */
class Acks implements Deferral {
  readonly buffers: BufferSource
  readonly outcomes: Outcome[][] = []
  readonly #listeners: Ack[] = []

  constructor(buffers: BufferSource) {
    this.buffers = buffers
  }

  defer(): Ack {
    const outcomes: Outcome[] = []
    this.outcomes.push(outcomes)
    return (outcome) => void outcomes.push(outcome)
  }

  onSettled(ack: Ack): void {
    this.#listeners.push(ack)
  }

  settle(outcome: Outcome): void {
    for (const ack of this.#listeners) ack(outcome)
  }

  get isAborted(): boolean {
    return this.outcomes.flat().includes('aborted')
  }
}

/** What a record does: `join` and `last` begin a record where none is open, `hold` passes there. */
type Role = 'pass' | 'join' | 'last' | 'hold' | 'throw'

interface Part {
  role: Role
  stream: string
  log: string
}

/** Records of one tag from one of two inputs, whose roles are in the records. */
class Run {
  readonly clock = new ManualClock()
  readonly sources = [new StrictBuffers(), new StrictBuffers()] as const
  readonly counted: string[] = []
  readonly emitted: { logs: string[]; label: string | undefined; init: ChunkInit; ack: Ack }[] = []
  readonly open: OpenRecords<JoinedRecord>
  /** Called with what is sent alone. */
  onEmit: (logs: string[], label: string | undefined) => void = () => {}

  constructor(options: Partial<OpenRecordsOptions> = {}) {
    this.open = new OpenRecords(
      { flushMs: 100, overheadBytes: 8, evictedCounter: 'evicted', ...options },
      {
        clock: this.clock,
        counters: { add: (name, ..._count) => void this.counted.push(name), get: () => 0 },
        emit: (init, buffers, ack, label) => {
          const chunk = new Chunk(init, buffers)
          expect(chunk.start).toBeGreaterThanOrEqual(headRoom(chunk.tag))
          expect(chunk.buf.length - chunk.end).toBeGreaterThanOrEqual(TAIL_ROOM)
          const logs = logsOf(chunk)
          this.emitted.push({ logs, label, init, ack })
          chunk.release()
          this.onEmit(logs, label)
        },
      },
    )
  }

  send(parts: Part[], { tag = 'app', input = 0, hasMetadata = false } = {}) {
    const buffers = this.sources[input] as StrictBuffers
    const chunk = chunkOf(parts, tag, buffers)
    chunk.hasMetadata = hasMetadata
    const acks = new Acks(buffers)
    let failed = false
    try {
      this.open.apply(chunk, acks, add)
      expect(chunk.buf.length - chunk.end >= TAIL_ROOM || chunk.count === 0).toBe(true)
    } catch {
      failed = true
    }
    const made = { logs: failed ? [] : logsOf(chunk), hasMetadata: chunk.hasMetadata, acks, failed }
    chunk.release()
    return made
  }

  get buffersOut(): number {
    return this.sources[0].out.size + this.sources[1].out.size
  }
}

function add(joining: Joining<JoinedRecord>, at: number, end: number): void {
  const { buf } = joining.chunk
  const textOf = (key: Buffer): string => {
    const { textAt, textEnd } = findText(buf, at, end, key) as { textAt: number; textEnd: number }
    return buf.toString('utf8', textAt, textEnd)
  }
  const role = textOf(Buffer.from('role')) as Role
  const stream = textOf(Buffer.from('stream'))
  const text = findText(buf, at, end, LOG) as { valueAt: number; textAt: number; textEnd: number }
  const open = joining.get(stream)
  if (role === 'throw') throw new Error('a defect')
  if (role === 'pass' || (role === 'hold' && open === undefined)) joining.copy(at, end)
  else if (open === undefined)
    joining.begin(stream, new JoinedRecord(buf, at, end, text, joining.buffers), at)
  else if (role === 'hold') {
    if (open.record.hold(buf, at, end, text)) joining.attach(open)
    else joining.copy(at, end)
  } else {
    open.record.append(buf, text.textAt, text.textEnd)
    joining.grow(open)
    if (role === 'last') joining.emit(open)
  }
}

function logsOf(chunk: Chunk): string[] {
  const logs = chunk.count === 0 ? [] : recordsOf(chunk).map(({ log }) => log as string)
  expect(chunk.count).toBe(logs.length)
  return logs
}

const part = (log: string, role: Role = 'join', stream = 's'): Part => ({ role, stream, log })
const streams = (from: number, to: number): Part[] =>
  Array.from({ length: to - from }, (_, i) => part(`${from + i}`, 'join', `${from + i}`))

describe('at most 1,000 records are open', () => {
  test('the oldest of the tag is written into the chunk of the next one', () => {
    const run = new Run()
    const before = run.send(streams(0, LIMIT))
    expect(run.send([part('more', 'join', 'other')]).logs).toEqual(['0'])
    // One that was continued is not younger.
    expect(run.send([part('1+', 'join', '1'), part('x', 'join', 'x')]).logs).toEqual(['1\n1+'])
    expect(run.counted).toEqual(['evicted', 'evicted'])
    expect([run.emitted.length, before.acks.outcomes.length]).toEqual([0, LIMIT])
  })

  test('the oldest of all is sent alone at once when the tag has none', () => {
    const run = new Run({ onTimeout: () => '@LABEL' })
    const one = run.send(streams(0, LIMIT / 2), { tag: 'one' })
    run.send(streams(0, LIMIT / 2), { tag: 'two' })
    run.send([part('end', 'last', '0'), part('new', 'join', 'new')], { tag: 'one' })
    expect(run.send([part('a')], { tag: 'three' }).logs).toEqual([])
    expect(run.emitted.map(({ logs, label, init: { tag } }) => [logs, label, tag])).toEqual([
      [['1'], undefined, 'one'],
    ])
    run.emitted[0]?.ack('dropped')
    expect(one.acks.outcomes[1]).toEqual(['dropped'])
    expect(run.counted).toEqual(['evicted'])
  })
})

describe('a record that does not grow', () => {
  test('is sent when flushMs have passed since it grew, each by its own time', () => {
    const run = new Run({ onTimeout: (tag) => `@${tag}` })
    run.send([part('a', 'join', 'a'), part('b', 'join', 'b')])
    run.clock.advance(60)
    run.send([part('a2', 'join', 'a'), part('held', 'hold', 'b')])
    run.clock.advance(40)
    expect(run.emitted.map(({ logs, label }) => [logs, label])).toEqual([[['b', 'held'], '@app']])
    run.clock.advance(59)
    expect(run.emitted).toHaveLength(1)
    run.clock.advance(1)
    expect(run.emitted[1]?.logs).toEqual(['a\na2'])
    expect([run.clock.waiting, run.buffersOut]).toEqual([0, 0])
  })

  test('waits no longer than flushMs more when the clock is set back', () => {
    const run = new Run()
    run.send([part('a')])
    run.clock.set(run.clock.nowMs() - 3_600_000)
    run.clock.advance(100)
    expect(run.emitted).toEqual([])
    run.clock.advance(100)
    expect(run.emitted).toHaveLength(1)
  })

  test('is not waited for by chunks that have no part of it', () => {
    const run = new Run()
    const deferred = [
      [part('a')],
      [part('b', 'pass'), part('x', 'join', 'x')],
      [part('held', 'hold')],
      [part('c', 'pass')],
    ].map((parts) => run.send(parts).acks.outcomes.length)
    expect(deferred).toEqual([1, 1, 1, 0])
  })

  test('is sent at its time when another one comes back before', () => {
    const run = new Run({ onTimeout: () => '@AGAIN' })
    run.onEmit = ([log]) => {
      if (log === 'a') run.send([part('a.', 'join', 'other')])
    }
    run.send([part('a')])
    run.clock.advance(60)
    run.send([part('b', 'join', 'b')])
    run.clock.advance(100)
    expect(run.emitted.map(({ logs }) => logs)).toEqual([['a'], ['b']])
    run.clock.advance(40)
    expect(run.emitted.map(({ logs }) => logs)).toEqual([['a'], ['b'], ['a.']])
    expect(run.clock.waiting).toBe(0)
  })

  test('may come back from the label that gets it, and is sent once each time', () => {
    const run = new Run({ onTimeout: () => '@AGAIN' })
    let left = 2
    run.onEmit = ([log = '']) => {
      if (left-- > 0) run.send([part(`${log}.`)])
    }
    run.send([part('a'), part('b', 'join', 'b')])
    run.clock.advance(1000)
    expect(run.emitted.map(({ logs }) => logs)).toEqual([['a'], ['b'], ['a.\nb.']])
    expect([run.clock.waiting, run.buffersOut]).toEqual([0, 0])
  })
})

test('endsWithChunk: nothing is deferred', () => {
  const run = new Run({ endsWithChunk: true })
  const { logs, acks } = run.send([part('a'), part('b', 'pass'), part('c')])
  expect(logs).toEqual(['b', 'a\nc'])
  expect([acks.outcomes, run.clock.waiting, run.buffersOut]).toEqual([[], 0, 0])
})

describe('metadata', () => {
  test('a record from a chunk that may have some says so, alone and in another chunk', () => {
    const run = new Run()
    run.send([part('a'), part('b', 'join', 'b')], { hasMetadata: true })
    expect(run.send([part('end', 'last')]).hasMetadata).toBe(true)
    run.clock.advance(100)
    expect(run.emitted.map(({ logs, init }) => [logs, init.hasMetadata])).toEqual([[['b'], true]])
  })

  test('a held entry that may have some counts as well', () => {
    const run = new Run()
    run.send([part('a')])
    run.send([part('held', 'hold')], { hasMetadata: true })
    run.clock.advance(100)
    expect(run.emitted[0]?.init.hasMetadata).toBe(true)
  })

  test('records without any do not claim it', () => {
    const run = new Run()
    run.send([part('a'), part('b', 'join', 'b')])
    expect(run.send([part('end', 'last')]).hasMetadata).toBe(false)
    run.clock.advance(100)
    expect(run.emitted[0]?.init.hasMetadata).toBe(false)
  })
})

test('a chunk on which the filter fails aborts the chunks whose records were written into it', () => {
  const run = new Run()
  const before = run.send([part('a'), part('b', 'join', 'b')])
  const failed = run.send([part('end', 'last'), part('b2', 'join', 'b'), part('', 'throw')])
  expect(failed.failed).toBe(true)
  expect([before.acks.outcomes, failed.acks.outcomes]).toEqual([[['aborted'], []], []])
  run.clock.advance(100)
  run.emitted[0]?.ack('delivered')
  expect(before.acks.outcomes).toEqual([['aborted'], ['delivered']])
  expect(run.buffersOut).toBe(0)
})

type Step =
  | { chunk: { role: Role; stream: number }[]; tag: string; input: number }
  | { fill: number; tag: string; input: number }
  | { ms: number }
  | { backMs: number }

const place = { tag: fc.constantFrom('a', 'b', 'c'), input: fc.constantFrom(0, 1) }
const chunkStep = (roles: Role[]) =>
  fc.record({
    chunk: fc.array(fc.record({ role: fc.constantFrom(...roles), stream: fc.nat(3) }), {
      minLength: 1,
      maxLength: 12,
    }),
    ...place,
  })
const steps = (roles: Role[]): fc.Arbitrary<Step[]> =>
  fc.array(
    fc.oneof(
      { weight: 12, arbitrary: chunkStep(roles) as fc.Arbitrary<Step> },
      { weight: 6, arbitrary: fc.record({ ms: fc.nat(150) }) },
      { weight: 1, arbitrary: fc.record({ fill: fc.integer({ min: LIMIT - 5, max: LIMIT + 5 }), ...place }) },
      { weight: 1, arbitrary: fc.record({ backMs: fc.nat(1000) }) },
    ),
    { maxLength: 25 },
  )

interface Case {
  steps: Step[]
  flushMs: number
  endsWithChunk: boolean
  /** Number of chunks after which what was sent is acknowledged. */
  ackAfter: number
}

interface Tried {
  /** Texts that came out, and how often. */
  out: Map<string, number>
  sent: { texts: string[]; acks: Acks; failed: boolean }[]
}

/** Sends each text once, and settles all that was sent with `delivered`, failed chunks with `aborted`. */
function tried({ steps, flushMs, endsWithChunk, ackAfter }: Case): Tried {
  const run = new Run({ flushMs, endsWithChunk })
  const out = new Map<string, number>()
  const sent: (Tried['sent'][number] & { isSettled: boolean })[] = []
  let texts = 0
  const take = (logs: string[]): void => {
    for (const log of logs) {
      const lines = log.split('\n')
      const [first = ''] = lines
      for (const [i, line] of lines.entries()) {
        out.set(line, (out.get(line) ?? 0) + 1)
        expect(line.split('/', 2)).toEqual(first.split('/', 2))
        if (i > 0) expect(numberOf(line)).toBeGreaterThan(numberOf(lines[i - 1] as string))
      }
    }
  }
  const settle = (count: number): void => {
    for (const one of sent.slice(0, count)) {
      if (!one.isSettled) one.acks.settle(one.failed ? 'aborted' : 'delivered')
      one.isSettled = true
    }
    for (const { ack } of run.emitted.splice(0)) ack('delivered')
  }
  run.onEmit = take
  for (const step of steps) {
    if ('ms' in step) run.clock.advance(step.ms)
    else if ('backMs' in step) run.clock.set(run.clock.nowMs() - step.backMs)
    else {
      const { tag, input } = step
      const made: { role: Role; stream: number }[] =
        'chunk' in step
          ? step.chunk
          : Array.from({ length: step.fill }, (_, i) => ({ role: 'join', stream: 10 + i }))
      const parts = made.map(({ role, stream }) => part(`${tag}/${stream}/${texts++}`, role, `${stream}`))
      const { logs, acks, failed } = run.send(parts, { tag, input })
      take(logs)
      sent.push({ texts: parts.map(({ log }) => log), acks, failed, isSettled: false })
      settle(sent.length - ackAfter)
    }
  }
  run.clock.advance(100_000)
  settle(sent.length)
  run.open.close()
  run.open.close()
  expect([run.clock.waiting, run.buffersOut]).toEqual([0, 0])
  return { out, sent }
}

const numberOf = (text: string): number => Number(text.split('/')[2])

const casesOf = (roles: Role[], flushMs: fc.Arbitrary<number>): fc.Arbitrary<Case> =>
  fc.record({
    steps: steps(roles),
    flushMs,
    endsWithChunk: fc.constantFrom(false, false, false, true),
    ackAfter: fc.nat(4),
  })

test('property: every text comes out once, and every ack is called once, with the outcome of its record', () => {
  const cases = casesOf(['pass', 'join', 'join', 'last', 'hold'], fc.constantFrom(1, 50, 100))
  fc.assert(
    fc.property(cases, (one) => {
      const { out, sent } = tried(one)
      const texts = sent.flatMap((chunk) => chunk.texts)
      expect(out.size).toBe(texts.length)
      expect([...out.values()].every((times) => times === 1)).toBe(true)
      const outcomes = sent.flatMap(({ acks }) => acks.outcomes)
      expect(outcomes.every((all) => all.length === 1 && all[0] === 'delivered')).toBe(true)
    }),
    { numRuns: 200 },
  )
})

test('property: with defects and stops no text comes out twice, and the chunk of one that does not is aborted', () => {
  const roles: Role[] = ['pass', 'join', 'join', 'join', 'join', 'last', 'hold', 'hold', 'throw']
  fc.assert(
    fc.property(casesOf(roles, fc.constantFrom(0, 0, 100)), (one) => {
      const { out, sent } = tried(one)
      expect([...out.values()].every((times) => times === 1)).toBe(true)
      expect(sent.flatMap(({ acks }) => acks.outcomes).every((all) => all.length === 1)).toBe(true)
      const missing = sent.filter(({ texts }) => texts.some((text) => !out.has(text)))
      expect(missing.every(({ failed, acks }) => failed || acks.isAborted)).toBe(true)
    }),
    { numRuns: 200 },
  )
})
