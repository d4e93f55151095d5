import { describe, expect, test } from 'bun:test'
import type { Chunk, ChunkInit } from '../../src/core/chunk.ts'
import { type Deferral, type Filter, MAX_REROUTES, type Outcome } from '../../src/core/plugin.ts'
import { BorrowedBuffers } from '../../src/engine/borrowed-buffers.ts'
import { type InputRouting, MatchRouter } from '../../src/engine/match-router.ts'
import { OrderedRouter, type StepStage } from '../../src/engine/ordered-router.ts'
import type { FilterStage } from '../../src/engine/path.ts'
import { Pipeline } from '../../src/engine/pipeline.ts'
import type { Router } from '../../src/engine/router.ts'
import { compileTagPatterns } from '../../src/lib/tags/tag-pattern.ts'
import { listLog, turn } from '../support/engine/chunks.ts'
import { permanent, QueueBench, rejected } from '../support/engine/queue-bench.ts'
import { account, keep, type Numbered, numbered, numbersOf, range, twice } from '../support/engine/routed.ts'
import { filterStage, outputStage } from '../support/engine/stages.ts'

const location = { file: 'a.conf' }

/** Sends all records of a chunk on under another tag, and lets them go on as well if `keeps`. */
class Renamer {
  pipeline: Pipeline | undefined
  readonly stage: FilterStage
  readonly #tagOf: (tag: string) => string | undefined
  readonly #keeps: boolean
  readonly #label: string | undefined

  constructor(
    name: string,
    match: string,
    tagOf: (tag: string) => string | undefined,
    {
      keeps = false,
      label,
      isProcessor = false,
    }: { keeps?: boolean; label?: string; isProcessor?: boolean } = {},
  ) {
    this.#tagOf = tagOf
    this.#keeps = keeps
    this.#label = label
    this.stage = {
      ...filterStage({ apply: (c: Chunk, d: Deferral) => this.#apply(c, d) }, match, name),
      reroutesFirst: isProcessor,
    }
  }

  #apply(chunk: Chunk, deferral: Deferral): void {
    if (chunk.rewrites.includes(this.stage.name)) return
    const tag = this.#tagOf(chunk.tag)
    if (tag === undefined) return
    for (let i = 0; i < chunk.count; i++) if (this.pipeline?.mayReroute() === false) return
    const { buf, start, end, count, input, origins, id, rewrites } = chunk
    const copy = deferral.buffers.force(end + 200)
    buf.copy(copy, 0, 0, end)
    const records: ChunkInit = {
      tag,
      input,
      buf: copy,
      start,
      end,
      count,
      id,
      inputBytes: 0,
      origins,
      rewrites,
    }
    this.pipeline?.reroute(this.stage, records, deferral.buffers, deferral.defer(), this.#label)
    if (this.#keeps) return
    chunk.end = start
    chunk.count = 0
  }
}

function line(router: Router, benches: QueueBench[], renamers: Renamer[]) {
  const logged = listLog()
  const pipeline = new Pipeline(router, new BorrowedBuffers(), logged.log)
  for (const renamer of renamers) renamer.pipeline = pipeline
  const buffers = account()
  const send = (records: Numbered[], id = 'c', tag = 'app.a'): Outcome[] => {
    const outcomes: Outcome[] = []
    const chunk = numbered(records, id, buffers, { tag })
    pipeline.accept(chunk, { buffers, routable: true }, (outcome) => outcomes.push(outcome))
    return outcomes
  }
  /** What each output has in flight: `tag 1 2`. */
  const seen = (): string[][] =>
    benches.map(({ calls }) => calls.map(({ chunk }) => [chunk.tag, ...numbersOf(chunk)].join(' ')))
  return { pipeline, buffers, send, seen, logged, benches }
}

function byMatch(
  filters: (FilterStage | Renamer)[],
  matches: string[],
  own: InputRouting | undefined = undefined,
) {
  const benches = matches.map(() => new QueueBench())
  const outputs = benches.map(({ queue }, i) => outputStage(queue, matches[i], `out.${i}`))
  const stages = filters.map((one) => (one instanceof Renamer ? one.stage : one))
  const router = new MatchRouter(stages, outputs, new Map(own === undefined ? [] : [['in.0', own]]))
  return line(
    router,
    benches,
    filters.filter((one) => one instanceof Renamer),
  )
}

async function answer(bench: QueueBench | undefined, error?: unknown): Promise<void> {
  for (const call of bench?.calls.splice(0) ?? []) {
    if (error === undefined) call.resolve()
    else call.reject(error)
  }
  await turn()
}

describe('records under another tag', () => {
  test('begin at the first filter, and go to the outputs that match the new tag', () => {
    const renamer = new Renamer('re', 'app.*', () => 'new.a')
    const first = filterStage(twice(), 'new.*')
    const made = byMatch([first, renamer, filterStage(keep(({ n }) => n > 1))], ['app.*', 'new.*', '*'])
    made.send(range(1, 2))
    expect(made.seen()).toEqual([[], ['new.a 2 2'], ['new.a 2 2']])
    expect([first.stats.records, renamer.stage.stats.records]).toEqual([2, 2])
  })

  test('come after what goes on under its own tag', () => {
    const made = byMatch([new Renamer('re', 'app.*', () => 'new.a', { keeps: true })], ['*'])
    made.send(range(1, 2))
    expect(made.seen()).toEqual([['app.a 1 2', 'new.a 1 2']])
  })

  test('come before it when a processor of the input reroutes them, as in fluent-bit', () => {
    const renamer = new Renamer('re', '', () => 'new.a', { keeps: true, isProcessor: true })
    const own = { processors: [renamer.stage], routes: [] }
    const bench = new QueueBench()
    const router = new MatchRouter([], [outputStage(bench.queue)], new Map([['in.0', own]]))
    const made = line(router, [bench], [renamer])
    made.send(range(1, 2))
    expect(made.seen()).toEqual([['new.a 1 2', 'app.a 1 2']])
  })

  test('keep their order over several chunks', () => {
    const made = byMatch([new Renamer('re', 'app.*', () => 'new.a')], ['*'])
    for (const [i, tag] of ['app.a', 'app.b', 'app.a'].entries()) made.send(range(i, i), `c${i}`, tag)
    expect(made.seen()).toEqual([['new.a 0', 'new.a 1', 'new.a 2']])
  })

  test.each([
    ['delivered', undefined],
    ['dropped', permanent()],
  ] as const)('delay the outcome of their chunk, which is %s with them', async (outcome, error) => {
    const made = byMatch([new Renamer('re', 'app.*', () => 'new.a', { keeps: true })], ['app.*', 'new.*'])
    const outcomes = made.send(range(1, 3))
    await answer(made.benches[0])
    expect(outcomes).toEqual([])
    await answer(made.benches[1], error)
    expect(outcomes).toEqual([outcome])
    expect(made.buffers.used).toBe(0)
  })

  test('are settled with their chunk when they came first, and when no output matches them', async () => {
    const made = byMatch([new Renamer('re', 'app.*', () => 'new.a', { keeps: true })], ['app.*', 'new.*'])
    const outcomes = made.send(range(1, 3))
    await answer(made.benches[1])
    expect(outcomes).toEqual([])
    await answer(made.benches[0])
    expect(outcomes).toEqual(['delivered'])
    const lost = byMatch([new Renamer('re', 'app.*', () => 'new.a')], ['app.*'])
    expect(lost.send(range(1, 3))).toEqual(['filtered'])
    expect([lost.pipeline.unroutedRecords, lost.buffers.used]).toEqual([3, 0])
    expect(lost.logged.lines).toEqual(['warn no output matches tag "new.a": its records are discarded'])
  })

  test('count against the memory of their input until they have settled', async () => {
    const made = byMatch([new Renamer('re', 'app.*', () => 'new.a')], ['*'])
    made.send(range(1, 100))
    expect(made.buffers.used).toBeGreaterThan(0)
    await answer(made.benches[0])
    expect(made.buffers.used).toBe(0)
  })

  test('have an id of their own, the same for the same chunk, and are retried under it', async () => {
    const idsOf = (): string[] => {
      const renamers = ['one', 'two'].map(
        (name) => new Renamer(name, 'app.*', () => 'new.a', { keeps: true }),
      )
      const made = byMatch(renamers, ['*'])
      made.send(range(1, 2))
      return made.benches.flatMap(({ calls }) => calls.map(({ id }) => id))
    }
    const ids = idsOf()
    expect(new Set(ids).size).toBe(3)
    expect(idsOf()).toEqual(ids)
    const made = byMatch([new Renamer('re', 'app.*', () => 'new.a')], ['*'])
    made.send(range(1, 2))
    const bench = made.benches[0] as QueueBench
    await answer(bench, rejected())
    bench.clock.advance(60_000)
    expect(new Set(bench.sent).size).toBe(1)
  })

  test('of two filters come out once each, though each matches the tag of the other', () => {
    const a = new Renamer('a', 'app.*', () => 'log.a')
    const b = new Renamer('b', 'log.*', () => 'app.b')
    const made = byMatch([a, b], ['*'])
    made.send(range(1, 2))
    expect(made.seen()).toEqual([['app.b 1 2']])
  })

  test('pass neither the processors nor the routes of their input, and go to outputs that a route names by their Match', () => {
    const processor = filterStage(twice())
    const renamer = new Renamer('re', 'app.*', () => 'new.a')
    const benches = [new QueueBench(), new QueueBench()]
    const outputs = benches.map(({ queue }, i) => outputStage(queue, i === 0 ? 'new.*' : 'x', `out.${i}`))
    const routes = [{ name: 'all', condition: undefined, outputs: [outputs[1] as never] }]
    const own = { processors: [processor], routes }
    const router = new MatchRouter([renamer.stage], outputs, new Map([['in.0', own]]))
    const made = line(router, benches, [renamer])
    made.send(range(1, 1))
    expect(made.seen()).toEqual([['new.a 1 1'], []])
    expect(processor.stats.records).toBe(1)
  })

  test('make their outputs ones that the input waits for', () => {
    const made = byMatch([new Renamer('re', 'app.*', () => 'new.a')], ['new.*', 'other'])
    const names = (): string[] => made.pipeline.outputsOf('in.0', 'app.a').map(({ name }) => name)
    expect(names()).toEqual([])
    made.send(range(1, 1))
    expect(names()).toEqual(['out.0'])
    expect(made.pipeline.outputsOf('in.0', 'other').map(({ name }) => name)).toEqual(['out.1'])
    expect(made.pipeline.outputsOf('in.1', 'app.a')).toEqual([])
  })

  test('are limited to a number of times those of their chunk, however many filters keep and copy them', async () => {
    const names = Array.from({ length: 12 }, (_, i) => `re.${i}`)
    const made = byMatch(
      names.map((name) => new Renamer(name, '*', (tag) => `${name}.${tag}`, { keeps: true })),
      ['*'],
    )
    const outcomes = [made.send(range(1, 1), 'c0'), made.send(range(1, 3), 'c1')]
    const counts = made.benches[0]?.calls.length ?? 0
    expect(counts).toBeLessThanOrEqual(MAX_REROUTES * 2 + 2)
    while (outcomes.some(({ length }) => length === 0)) await answer(made.benches[0])
    expect(outcomes).toEqual([['delivered'], ['delivered']])
    expect(made.buffers.used).toBe(0)
  })

  test('count for the chunk that they come from when a filter has held them', () => {
    const held: Chunk[] = []
    const hold: Filter = {
      apply: (chunk) => {
        if (chunk.rewrites.length === 0) return
        held.push(chunk.copy('held'))
        chunk.end = chunk.start
        chunk.count = 0
      },
    }
    const names = Array.from({ length: 12 }, (_, i) => `re.${i}`)
    const renamers = names.map((name) => new Renamer(name, '*', (tag) => `${name}.${tag}`, { keeps: true }))
    const holder = filterStage(hold, '*')
    const made = byMatch([holder, ...renamers], ['*'])
    made.send(range(1, 1))
    let released = 0
    for (let chunk = held.shift(); chunk !== undefined; chunk = held.shift(), released++)
      made.pipeline.emit(holder, chunk, made.buffers, () => {})
    expect(released).toBe(MAX_REROUTES)
  })

  test('make the chunk that they come from count as larger, also those that come from rerouted ones', () => {
    const sizes = ['one', 'two'].map((_, i) => {
      const renamers = ['one', 'two']
        .slice(0, i + 1)
        .map((name, n) => new Renamer(name, n === 0 ? 'app.*' : 'one.*', (tag) => `${name}.${tag}`))
      const made = byMatch(renamers, ['*'])
      const chunk = numbered(range(1, 2), 'c', made.buffers, { tag: 'app.a' })
      made.pipeline.accept(chunk, { buffers: made.buffers, routable: true }, () => {})
      return chunk.reroutedBytes
    })
    expect(sizes[0]).toBeGreaterThan(0)
    expect(sizes[1]).toBe((sizes[0] as number) * 2)
  })

  test('count besides what another filter has sent on in parts', () => {
    const bytesWith = (parts: number): number => {
      const sender = filterStage((chunk: Chunk) => {
        chunk.reroutedBytes += parts
      }, 'app.*')
      const made = byMatch([sender, new Renamer('re', 'app.*', (tag) => `re.${tag}`)], ['*'])
      const chunk = numbered(range(1, 2), 'c', made.buffers, { tag: 'app.a' })
      made.pipeline.accept(chunk, { buffers: made.buffers, routable: true }, () => {})
      return chunk.reroutedBytes
    }
    expect(bytesWith(1000)).toBe(bytesWith(0) + 1000)
  })

  test('are aborted, with all others, when a filter before an output throws', () => {
    const broken = filterStage(() => {
      throw new TypeError('broken')
    }, 'new.*')
    const made = byMatch([broken, new Renamer('re', 'app.*', () => 'new.a')], ['*'])
    expect(made.send(range(1, 2))).toEqual(['aborted'])
    expect(made.buffers.used).toBe(0)
  })
})

describe('where labels route', () => {
  const step = (patterns: string, what: Partial<StepStage>): StepStage => ({
    tags: compileTagPatterns([patterns]),
    location,
    ...what,
  })

  function byLabels(renamer: Renamer) {
    const benches = [new QueueBench(), new QueueBench(), new QueueBench()]
    const [root, app, other] = benches.map(({ queue }, i) => ({
      output: outputStage(queue, '*', `out.${i}`),
    }))
    const labels = new Map<string, StepStage[]>([
      ['', [step('**', { targets: [root as never] })]],
      [
        '@APP',
        [
          step('new.**', { filter: filterStage(twice()) }),
          step('app.**', { filter: renamer.stage }),
          step('**', { targets: [app as never] }),
        ],
      ],
      ['@OTHER', [step('**', { targets: [other as never] })]],
    ])
    return line(new OrderedRouter(labels, new Map([['in.0', '@APP']])), benches, [renamer])
  }

  test('records begin at the first step of the label that the filter is in', () => {
    const made = byLabels(new Renamer('re', '*', () => 'new.a'))
    made.send(range(1, 1))
    expect(made.seen()).toEqual([[], ['new.a 1 1'], []])
  })

  test('records begin at the label that the filter names', () => {
    const made = byLabels(new Renamer('re', '*', () => 'new.a', { label: '@OTHER', keeps: true }))
    made.send(range(1, 1))
    expect(made.seen()).toEqual([[], ['app.a 1'], ['new.a 1']])
  })

  test('a label that does not exist is a defect: the records stay unacknowledged', () => {
    const made = byLabels(new Renamer('re', '*', () => 'new.a', { label: '@NO' }))
    expect(made.send(range(1, 1))).toEqual(['aborted'])
    expect(made.logged.lines).toEqual(['error re sends 1 record to label @NO, which does not exist'])
    expect(made.buffers.used).toBe(0)
  })
})
