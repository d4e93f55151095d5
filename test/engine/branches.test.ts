import { describe, expect, test } from 'bun:test'
import type { Chunk } from '../../src/core/chunk.ts'
import type { Deferral, Outcome } from '../../src/core/plugin.ts'
import { BorrowedBuffers } from '../../src/engine/borrowed-buffers.ts'
import { type InputRouting, MatchRouter } from '../../src/engine/match-router.ts'
import type { FilterStage } from '../../src/engine/path.ts'
import { Pipeline } from '../../src/engine/pipeline.ts'
import { listLog, turn } from '../support/engine/chunks.ts'
import { permanent, QueueBench, rejected } from '../support/engine/queue-bench.ts'
import {
  account,
  DeferLast,
  keep,
  type Numbered,
  numbered,
  numbersOf,
  range,
  twice,
  when,
} from '../support/engine/routed.ts'
import { filterStage, outputStage } from '../support/engine/stages.ts'

const isOdd = ({ n }: Numbered): boolean => n % 2 === 1

function line(
  outputProcessors: FilterStage[][],
  options: { filters?: FilterStage[]; own?: InputRouting } = {},
) {
  const benches = outputProcessors.map(() => new QueueBench())
  const logged = listLog()
  const outputs = benches.map(({ queue }, i) => outputStage(queue, '*', `out.${i}`, outputProcessors[i]))
  const own = new Map(options.own === undefined ? [] : [['in.0', options.own]])
  const router = new MatchRouter(options.filters ?? [], outputs, own)
  const pipeline = new Pipeline(router, new BorrowedBuffers(), logged.log)
  const buffers = account()
  const send = (records: Numbered[], id = 'c'): { outcomes: Outcome[]; chunk: Chunk } => {
    const outcomes: Outcome[] = []
    const chunk = numbered(records, id, buffers)
    pipeline.accept(chunk, { buffers, routable: true }, (outcome) => outcomes.push(outcome))
    return { outcomes, chunk }
  }
  /** Numbers that each output has in flight, with `-` for none. */
  const seen = (): (number[] | '-')[] =>
    benches.map(({ calls }) => (calls.length === 0 ? '-' : calls.flatMap(({ chunk }) => numbersOf(chunk))))
  return { benches, outputs, logged, pipeline, buffers, send, seen }
}

async function answer(bench: QueueBench | undefined, error?: unknown): Promise<void> {
  for (const call of bench?.calls.splice(0) ?? []) {
    if (error === undefined) call.resolve()
    else call.reject(error)
  }
  await turn()
}

describe('an output with processors', () => {
  test('gets a copy of its own; the others see the records as they were', async () => {
    const made = line([[], [filterStage(keep(isOdd))], [filterStage(twice())]])
    const { outcomes } = made.send(range(1, 4))
    expect(made.seen()).toEqual([
      [1, 2, 3, 4],
      [1, 3],
      [1, 1, 2, 2, 3, 3, 4, 4],
    ])
    const copy = made.benches[1]?.calls[0]?.chunk
    expect([copy?.tag, copy?.input, copy?.inputBytes, copy?.origins]).toEqual([
      't',
      'in.0',
      0,
      [{ file: '/log', offset: 0, end: 9 }],
    ])
    for (const bench of made.benches) {
      expect(outcomes).toEqual([])
      await answer(bench)
    }
    expect([outcomes, made.buffers.used]).toEqual([['delivered'], 0])
  })

  test('never sends other bytes under an id than another output, and the same id for the same chunk', () => {
    const ids = (): string[] => {
      const made = line([[], [filterStage(keep(isOdd))], [filterStage(twice())]])
      made.send(range(1, 4))
      return made.benches.map(({ calls }) => calls[0]?.id as string)
    }
    expect(new Set(ids()).size).toBe(3)
    expect(ids()).toEqual(ids())
    expect(ids()[0]).toBe('c')
  })

  test('that is the only one gets the chunk itself', () => {
    const made = line([[filterStage(keep(isOdd))]])
    const { chunk } = made.send(range(1, 4))
    expect(made.benches[0]?.calls[0]?.chunk).toBe(chunk)
  })

  test('next to none without needs one copy less than there are outputs', async () => {
    const made = line([[filterStage(keep(isOdd))], [filterStage(() => {})]])
    const one = made.buffers.force(100)
    const bytes = made.buffers.used
    made.buffers.give(one)
    const { chunk, outcomes } = made.send(range(1, 4))
    expect(made.buffers.used).toBe(2 * bytes)
    // What the input counts of its chunk is left.
    expect([chunk.count, chunk.size > 0]).toEqual([4, true])
    await answer(made.benches[0])
    expect(made.buffers.used).toBe(bytes)
    await answer(made.benches[1], permanent())
    expect([outcomes, made.buffers.used]).toEqual([['dropped'], 0])
  })

  test('is retried while another one delivers', async () => {
    const made = line([[], [filterStage(keep(isOdd))]])
    const { outcomes } = made.send(range(1, 4))
    const retried = made.benches[1] as QueueBench
    await answer(retried, rejected())
    await answer(made.benches[0])
    expect(outcomes).toEqual([])
    retried.clock.advance(60_000)
    expect(retried.sent).toEqual([retried.sent[0] as string, retried.sent[0] as string])
    expect(made.seen()).toEqual(['-', [1, 3]])
    await answer(retried)
    expect([outcomes, made.buffers.used]).toEqual([['delivered'], 0])
  })

  test('whose processor drops everything, or throws, does not keep the others from delivering', async () => {
    const thrower = filterStage(
      () => {
        throw new Error('no such key')
      },
      '*',
      'bad.0',
    )
    const made = line([[], [filterStage(keep(() => false))], [thrower]])
    const { outcomes } = made.send(range(1, 4))
    expect(made.seen()).toEqual([[1, 2, 3, 4], '-', '-'])
    expect(made.logged.lines).toEqual(['error a filter failed on 4 records: no such key'])
    expect(made.logged.fields[0]).toMatchObject({ filter: 'bad.0', tag: 't' })
    await answer(made.benches[0])
    expect([outcomes, made.buffers.used]).toEqual([['aborted'], 0])
  })

  test('is aborted at a stop, with what waits for it', async () => {
    const made = line([[], [filterStage(keep(isOdd))]])
    const { outcomes } = made.send(range(1, 4))
    await answer(made.benches[0])
    made.benches[1]?.queue.stop()
    await answer(made.benches[1], rejected())
    expect([outcomes, made.buffers.used]).toEqual([['aborted'], 0])
    expect(made.send(range(1, 4), 'd').outcomes).toEqual([])
    await answer(made.benches[0])
    expect(made.buffers.used).toBe(0)
  })

  test('counts for the failing outputs of the tag', async () => {
    const made = line([[], [filterStage(keep(isOdd))]])
    made.send(range(1, 4))
    expect(made.pipeline.isFailing('in.0', 't')).toBe(false)
    await answer(made.benches[1], rejected())
    expect(made.pipeline.isFailing('in.0', 't')).toBe(true)
    expect(made.pipeline.outputsOf('in.0', 't').map(({ name }) => name)).toEqual(['out.0', 'out.1'])
  })
})

describe('routes by condition', () => {
  /** Each output is named by a route with its condition; without one it gets all records by its match. */
  const routed = (...conditions: (((record: Numbered) => boolean) | 'default' | undefined)[]) => {
    const made = line(conditions.map(() => []))
    const routes = conditions.flatMap((condition, i) =>
      condition === undefined
        ? []
        : {
            name: `r${i}`,
            condition: condition === 'default' ? condition : when(condition),
            outputs: [made.outputs[i] as (typeof made.outputs)[number]],
          },
    )
    const router = new MatchRouter([], made.outputs, new Map([['in.0', { processors: [], routes }]]))
    const pipeline = new Pipeline(router, new BorrowedBuffers(), made.logged.log)
    const send = (records: Numbered[], id = 'c') => {
      const outcomes: Outcome[] = []
      const chunk = numbered(records, id, made.buffers)
      pipeline.accept(chunk, { buffers: made.buffers, routable: true }, (outcome) => outcomes.push(outcome))
      return { outcomes, chunk }
    }
    return { ...made, pipeline, send }
  }

  test('decide for each record; it goes to every route that takes it, and to default if none does', async () => {
    const made = routed(isOdd, ({ n }) => n > 5, 'default')
    const one = made.buffers.force(100)
    const sizeOfOne = made.buffers.used
    made.buffers.give(one)
    const { outcomes } = made.send(range(1, 8))
    expect(made.seen()).toEqual([
      [1, 3, 5, 7],
      [6, 7, 8],
      [2, 4],
    ])
    // The chunk itself is needed by none.
    expect(made.buffers.used).toBe(3 * sizeOfOne)
    for (const bench of made.benches) await answer(bench)
    expect([outcomes, made.buffers.used]).toEqual([['delivered'], 0])
    expect(new Set(made.benches.map(({ sent }) => sent[0])).size).toBe(3)
  })

  test('send a chunk without a copy when one of them takes all of it', () => {
    const made = routed(isOdd, 'default')
    const { chunk } = made.send([{ n: 2 }, { n: 4 }])
    expect([made.seen(), made.benches[1]?.calls[0]?.chunk === chunk]).toEqual([['-', [2, 4]], true])
  })

  test('that take none of the records end the chunk as filtered', () => {
    const made = routed(isOdd)
    expect([made.send([{ n: 2 }]).outcomes, made.seen(), made.buffers.used]).toEqual([['filtered'], ['-'], 0])
  })

  test('count the records that none takes as unrouted, and log each tag once', () => {
    const made = routed(isOdd, ({ n }) => n > 6)
    made.send([{ n: 2 }, { n: 4 }], 'none')
    made.send(range(1, 8), 'some')
    made.send([{ n: 1 }], 'all')
    expect(made.pipeline.unroutedRecords).toBe(5)
    expect(made.logged.lines).toEqual(['warn records with tag "t" that no route of in.0 takes are discarded'])
  })

  test('count nothing as unrouted when another output gets every record, or a route is the default', () => {
    const all = routed(isOdd, undefined)
    const rest = routed(isOdd, 'default')
    for (const made of [all, rest]) made.send(range(1, 4))
    expect([all, rest].map(({ pipeline, logged }) => [pipeline.unroutedRecords, logged.lines])).toEqual([
      [0, []],
      [0, []],
    ])
  })

  test('whose condition throws abort the chunk', () => {
    const made = routed(() => {
      throw new Error('no such field')
    })
    expect(made.send(range(1, 2)).outcomes).toEqual(['aborted'])
    expect([made.logged.lines, made.buffers.used]).toEqual([
      ['error a condition of a route failed on 2 records: no such field'],
      0,
    ])
  })
})

describe('a processor that defers records', () => {
  test('emits them in its branch only, and the chunk waits for them', async () => {
    const deferring = new DeferLast()
    const made = line([[], [filterStage(deferring), filterStage(keep(isOdd))]])
    const stage = made.outputs[1]?.processors?.[0] as FilterStage
    deferring.emit = (chunk, { buffers }, ack) => made.pipeline.emit(stage, chunk, buffers, ack)
    const { outcomes } = made.send(range(1, 3))
    for (const bench of made.benches) await answer(bench)
    expect(outcomes).toEqual([])
    deferring.flush()
    expect(made.seen()).toEqual(['-', [3]])
    await answer(made.benches[1])
    expect([outcomes, made.buffers.used]).toEqual([['delivered'], 0])
  })

  test('may emit while it is applied: an ack that comes at once is not lost', async () => {
    const deferring = new DeferLast()
    const stage = filterStage({
      apply: (chunk: Chunk, deferral: Deferral) => {
        deferring.apply(chunk, deferral)
        deferring.flush()
      },
    })
    // What is emitted is dropped, so its ack comes within apply.
    const made = line([[stage, filterStage(keep(isOdd))], []])
    deferring.emit = (chunk, { buffers }, ack) => made.pipeline.emit(stage, chunk, buffers, ack)
    const { outcomes } = made.send(range(2, 4))
    for (const bench of made.benches) await answer(bench)
    expect([outcomes, made.buffers.used]).toEqual([['delivered'], 0])
  })

  test('and then throws aborts the chunk at once, though it has lost the ack', () => {
    const stage = filterStage({
      apply: (_: Chunk, deferral: Deferral) => {
        deferral.defer()
        throw new Error('no')
      },
    })
    const made = line([[stage]])
    expect([made.send(range(1, 2)).outcomes, made.buffers.used]).toEqual([['aborted'], 0])
  })
})
