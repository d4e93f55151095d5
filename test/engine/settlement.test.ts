import { expect, test } from 'bun:test'
import { decodeMulti } from '@msgpack/msgpack'
import type { Chunk } from '../../src/core/chunk.ts'
import { ShipperError } from '../../src/core/error.ts'
import type { Filter, Outcome } from '../../src/core/plugin.ts'
import { BorrowedBuffers } from '../../src/engine/borrowed-buffers.ts'
import { Budget } from '../../src/engine/budget.ts'
import { DiskBuffer } from '../../src/engine/buffer/disk-buffer.ts'
import { ConditionalFilter } from '../../src/engine/conditional-filter.ts'
import { CounterMap } from '../../src/engine/counters.ts'
import { FILTER_LETTER_COUNTERS } from '../../src/engine/dead-letters/dead-letters.ts'
import { FilterLetters } from '../../src/engine/dead-letters/filter-letters.ts'
import { MatchRouter } from '../../src/engine/match-router.ts'
import { OrderedRouter, type StepStage } from '../../src/engine/ordered-router.ts'
import type { FilterStage, OutputStage } from '../../src/engine/path.ts'
import { Pipeline } from '../../src/engine/pipeline.ts'
import type { Router } from '../../src/engine/router.ts'
import { listLog, turn } from '../support/engine/chunks.ts'
import { ManualClock } from '../support/engine/manual-clock.ts'
import { MemoryDisk, MemorySegments } from '../support/engine/memory-segments.ts'
import { permanent, QueueBench, rejected } from '../support/engine/queue-bench.ts'
import {
  account,
  DeferLast,
  keep,
  type Numbered,
  numbered,
  numbersOf,
  range,
  when,
} from '../support/engine/routed.ts'
import { filterStage, outputStage } from '../support/engine/stages.ts'
import { fc } from '../support/property.ts'

/** A filter: keeps what `n % mod` is not 0 of, gives up the rest, defers the last record, or throws; `only`: for every other record. */
type FilterKind = { kind: 'keep' | 'reject' | 'defer' | 'throw'; mod: number; only: boolean }
type RouteKind = { mod: number | 'default' | undefined; outputs: number[] }
type Target = number | 'label'

interface Case {
  outputs: FilterKind[][]
  filters: FilterKind[]
  own: FilterKind[]
  routes: RouteKind[]
  /** fluentd's routing: targets before the label, and those of the label; undefined: fluent-bit's. */
  ordered: { root: Target[]; label: number[] } | undefined
  /** What happens: a chunk of so many records, an answer of an output, deferred records are emitted. */
  steps: ({ send: number } | { answer: number; how: 'ok' | 'drop' | 'retry' } | 'emit')[]
  stops: boolean
  /** Chunks are kept in a buffer on disk, of which an output has one in memory, or as many as there are; undefined: no buffer. */
  buffer: { maxChunks: number; promptMs: number } | undefined
}

const filterKind: fc.Arbitrary<FilterKind> = fc.record({
  kind: fc.constantFrom('keep', 'keep', 'reject', 'defer', 'throw'),
  mod: fc.integer({ min: 2, max: 5 }),
  only: fc.boolean(),
})
const output = fc.nat(3)
const filterKinds = fc.array(filterKind, { maxLength: 2 })
const route: fc.Arbitrary<RouteKind> = fc.record({
  mod: fc.constantFrom<RouteKind['mod']>(undefined, 'default', 2, 3),
  outputs: fc.array(output, { maxLength: 3 }),
})
const theCase: fc.Arbitrary<Case> = fc.record({
  outputs: fc.tuple(filterKinds, filterKinds, filterKinds, fc.constant([])),
  filters: filterKinds,
  own: filterKinds,
  routes: fc.array(route, { maxLength: 3 }),
  ordered: fc.option(
    fc.record({
      root: fc.array(fc.oneof(output, fc.constant('label' as const)), { maxLength: 4 }),
      label: fc.array(output, { maxLength: 3 }),
    }),
    { nil: undefined },
  ),
  steps: fc.array(
    fc.oneof(
      fc.record({ send: fc.integer({ min: 1, max: 6 }) }),
      fc.record({ answer: output, how: fc.constantFrom('ok', 'ok', 'ok', 'drop', 'retry') }),
      fc.constant('emit' as const),
    ),
    { maxLength: 25 },
  ),
  stops: fc.boolean(),
  buffer: fc.option(fc.record({ maxChunks: fc.constantFrom(1, 128), promptMs: fc.constantFrom(0, 50) }), {
    nil: undefined,
  }),
})

/** The case, running. */
class Run {
  readonly benches = [0, 1, 2, 3].map(() => new QueueBench())
  readonly buffers = account()
  readonly outcomes: Outcome[][] = []
  readonly deferring: DeferLast[] = []
  /** Text of the bytes that were sent under an id, by any output. */
  readonly bytes = new Map<string, string>()
  /** Numbers that each output has delivered, each as often as it was. */
  readonly delivered: number[][] = [[], [], [], []]
  readonly letters: FilterLetters[] = []
  readonly clock = new ManualClock()
  /** Numbers of records that filters have given up, and of rows in their dead letters. */
  readonly rejected: number[] = []
  readonly rows: number[] = []
  /** True when what is delivered cannot be predicted: something threw, was given up or aborted. */
  isDisturbed = false
  readonly #borrowed = new BorrowedBuffers()
  readonly buffer: DiskBuffer | undefined
  readonly #pipeline: Pipeline
  readonly #case: Case
  #sent = 0

  constructor(theCase: Case) {
    this.#case = theCase
    const outputs = this.benches.map(({ queue }, i) =>
      outputStage(queue, '*', `out.${i}`, this.#stages(theCase.outputs[i] ?? [])),
    )
    this.buffer = this.#makeBuffer()
    this.#pipeline = new Pipeline(
      this.#router(outputs),
      this.#borrowed,
      listLog().log,
      undefined,
      this.buffer,
    )
  }

  #makeBuffer(): DiskBuffer | undefined {
    const { buffer } = this.#case
    if (buffer === undefined) return undefined
    const made = new DiskBuffer({
      plan: {
        folder: '/buffer',
        inputs: ['in.0'],
        memoryBytes: 1_000_000,
        maxChunks: buffer.maxChunks,
        deletesDamaged: false,
        flushesAtStop: false,
        limits: new Map(),
      },
      outputs: this.benches.map(({ queue }, i) => ({ name: `out.${i}`, queue })),
      budget: new Budget(100_000_000, 65_536),
      retry: { baseMs: 1000, capMs: 1000, limit: Number.POSITIVE_INFINITY },
      clock: this.clock,
      log: listLog().log,
      promptMs: buffer.promptMs,
      open: async (_, names) => new MemorySegments(new MemoryDisk(), names),
      onDropped: () => {},
    })
    return made
  }

  async begin(): Promise<void> {
    await this.buffer?.open()
    this.buffer?.run()
  }

  #router(outputs: OutputStage[]): Router {
    const { filters, own, routes, ordered } = this.#case
    const outputsOf = (numbers: number[]) => [...new Set(numbers)].map((i) => outputs[i] as OutputStage)
    if (ordered === undefined) {
      const stages = routes.map(({ mod, outputs: to }, i) => ({
        name: `r${i}`,
        condition: typeof mod === 'number' ? when(({ n }) => n % mod === 0) : mod,
        outputs: outputsOf(to),
      }))
      const inputs = new Map([['in.0', { processors: this.#stages(own), routes: stages }]])
      return new MatchRouter(this.#stages(filters), outputs, inputs)
    }
    const step = (more: Partial<StepStage>): StepStage => ({
      tags: { test: () => true },
      location: { file: 'f' },
      ...more,
    })
    const to = (targets: Target[]) =>
      targets.map((t) => (t === 'label' ? { label: '@L' } : { output: outputs[t] as OutputStage }))
    const steps = (stages: FilterStage[], targets: Target[]): StepStage[] => [
      ...stages.map((filter) => step({ filter })),
      step({ targets: to(targets) }),
    ]
    return new OrderedRouter(
      new Map([
        ['', steps(this.#stages(filters), ordered.root)],
        ['@L', steps(this.#stages(own), ordered.label)],
      ]),
      new Map(),
    )
  }

  #stages(kinds: FilterKind[]): FilterStage[] {
    return kinds.map(({ kind, mod, only }) => {
      const filter = this.#filter(kind, mod)
      const stage = filterStage(only ? new ConditionalFilter(filter, when(isOdd)) : filter)
      if (filter instanceof DeferLast)
        filter.emit = (chunk, { buffers }, ack) => this.#pipeline.emit(stage, chunk, buffers, ack)
      return stage
    })
  }

  #filter(kind: FilterKind['kind'], mod: number): Filter {
    if (kind === 'keep') return keep(({ n }) => n % mod !== 0)
    if (kind === 'reject') return this.#rejecting(mod)
    if (kind === 'throw')
      return {
        apply: (chunk) => {
          if (!numbersOf(chunk).some((n) => n % (mod * 10) === 0)) return
          this.isDisturbed = true
          throw new Error('no')
        },
      }
    const filter = new DeferLast()
    this.deferring.push(filter)
    return filter
  }

  /** Gives up records; every third time they cannot be kept. */
  #rejecting(mod: number): Filter {
    let attempts = 0
    const letters = new FilterLetters({
      letters: {
        isOff: false,
        hasFile: true,
        fate: 'kept',
        keep: (chunk, start, end) => {
          if (attempts++ % 3 === 1) throw new ShipperError('E_DEAD_LETTERS', 'full', { retryable: true })
          this.rows.push(...numbersIn(chunk, start, end))
        },
        sync: async () => {},
      },
      retry: { baseMs: 1000, capMs: 1000, limit: Number.POSITIVE_INFINITY },
      borrowed: this.#borrowed,
      clock: this.clock,
      log: listLog().log,
      counters: new CounterMap(FILTER_LETTER_COUNTERS),
    })
    this.letters.push(letters)
    return keep(
      ({ n }) => n % mod !== 0,
      (chunk, start, end) => {
        this.rejected.push(...numbersIn(chunk, start, end))
        letters.reject(chunk, start, end, permanent())
      },
    )
  }

  send(records: number): void {
    const outcomes: Outcome[] = []
    this.outcomes.push(outcomes)
    const chunk = numbered(range(this.#sent + 1, this.#sent + records), `c${this.#sent}`, this.buffers)
    this.#sent += records
    this.#pipeline.accept(chunk, { buffers: this.buffers, routable: true }, (o) => outcomes.push(o))
  }

  answer(i: number, how: 'ok' | 'drop' | 'retry'): void {
    const bench = this.benches[i] as QueueBench
    const call = bench.calls.shift()
    if (call === undefined) return
    this.#look(call.chunk)
    if (how === 'ok') this.delivered[i]?.push(...numbersOf(call.chunk))
    else if (how === 'drop') this.isDisturbed = true
    if (how === 'ok') call.resolve()
    else call.reject(how === 'drop' ? permanent() : rejected())
  }

  /** Checks that an id stands for one sequence of bytes, at every output and at every attempt. */
  #look(chunk: Chunk): void {
    const text = chunk.entries().toString('latin1')
    expect(this.bytes.get(chunk.id) ?? text).toBe(text)
    this.bytes.set(chunk.id, text)
  }

  async end(): Promise<void> {
    if (this.#case.stops) {
      this.isDisturbed = true
      for (const { queue } of this.benches) queue.stop()
      this.buffer?.stop()
      for (const letters of this.letters) letters.stop()
      for (const { calls } of this.benches) for (const call of calls.splice(0)) call.reject(rejected())
      for (let i = 0; i < 4; i++) await turn()
      for (const filter of this.deferring) filter.close()
      for (let i = 0; i < 4; i++) await turn()
      return
    }
    for (let round = 0; round < 200; round++) {
      for (const filter of this.deferring) filter.flush()
      this.clock.advance(1000)
      for (const [i, bench] of this.benches.entries()) {
        while (bench.calls.length > 0) this.answer(i, 'ok')
        await turn()
        bench.clock.advance(100_000)
      }
      // What was deferred from a chunk that was aborted is on its way without it.
      const isIdle = this.benches.every(({ queue }) => queue.waiting + queue.inFlight + queue.retrying === 0)
      const isSent = isIdle && this.buffer?.isDrained !== false
      if (isSent && this.outcomes.every((o) => o.length > 0)) break
    }
  }

  /** Numbers that each output has to get, as fluent-bit and fluentd describe their routing. */
  expected(): number[][] {
    const { filters, own, routes, ordered, outputs } = this.#case
    const all = range(1, this.#sent)
    const pass = (kinds: FilterKind[], records: Numbered[]) =>
      records.filter((r) =>
        kinds.every(
          ({ kind, mod, only }) =>
            (kind !== 'keep' && kind !== 'reject') || (only && !isOdd(r)) || r.n % mod !== 0,
        ),
      )
    if (ordered !== undefined) {
      const counts = (targets: Target[], i: number) => targets.filter((t) => t === i).length
      const labels = ordered.root.filter((t) => t === 'label').length
      const root = pass(filters, all)
      return outputs.map((processors, i) => {
        const direct = times(root, counts(ordered.root, i))
        const by = times(pass(own, root), counts(ordered.label, i) * labels)
        return pass(processors, [...direct, ...by]).map(({ n }) => n)
      })
    }
    const records = pass(filters, pass(own, all))
    const hasAlways = routes.some(({ mod }) => mod === undefined)
    const meets = ({ n }: Numbered, mod: RouteKind['mod']): boolean =>
      mod === undefined ||
      (mod === 'default'
        ? !hasAlways && !routes.some((r) => typeof r.mod === 'number' && n % r.mod === 0)
        : n % mod === 0)
    return outputs.map((processors, i) => {
      const naming = routes.filter((r) => r.outputs.includes(i))
      const taken =
        naming.length === 0 ? records : records.filter((r) => naming.some(({ mod }) => meets(r, mod)))
      return pass(processors, taken).map(({ n }) => n)
    })
  }
}

function numbersIn(chunk: Chunk, start: number, end: number): number[] {
  return [...decodeMulti(chunk.buf.subarray(start, end))].map((entry) => (entry as [unknown, Numbered])[1].n)
}

const isOdd = ({ n }: Numbered): boolean => n % 2 === 1

function times(records: Numbered[], count: number): Numbered[] {
  return Array.from({ length: count }, () => records).flat()
}

const byNumber = (a: number, b: number): number => a - b

test('every chunk settles once, every output gets what is meant for it, and all memory comes back', async () => {
  await fc.assert(
    fc.asyncProperty(theCase, async (one) => {
      const run = new Run(one)
      await run.begin()
      for (const step of one.steps) {
        if (step === 'emit') for (const filter of run.deferring) filter.flush()
        else if ('send' in step) run.send(step.send)
        else run.answer(step.answer, step.how)
        await turn()
      }
      await run.end()
      expect(run.outcomes.map((o) => o.length)).toEqual(run.outcomes.map(() => 1))
      expect(run.buffers.used).toBe(0)
      if (run.isDisturbed) return
      expect(run.rows.sort(byNumber)).toEqual(run.rejected.sort(byNumber))
      expect(run.delivered.map((numbers) => numbers.sort(byNumber))).toEqual(
        run.expected().map((numbers) => numbers.sort(byNumber)),
      )
    }),
    { numRuns: 1000 },
  )
})
