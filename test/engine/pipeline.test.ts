import { describe, expect, test } from 'bun:test'
import type { Chunk } from '../../src/core/chunk.ts'
import { Places } from '../../src/core/places.ts'
import type { Ack, Outcome } from '../../src/core/plugin.ts'
import { BorrowedBuffers } from '../../src/engine/borrowed-buffers.ts'
import type { FilterStage } from '../../src/engine/path.ts'
import type { Pipeline } from '../../src/engine/pipeline.ts'
import { listLog, makeChunk, turn, unlimitedAccount } from '../support/engine/chunks.ts'
import { permanent, QueueBench } from '../support/engine/queue-bench.ts'
import { filterStage, outputStage, pipelineOf } from '../support/engine/stages.ts'

function stage(match: string, apply: (chunk: Chunk) => void): FilterStage {
  return filterStage(apply, match)
}

interface Line {
  outputs: QueueBench[]
  logged: ReturnType<typeof listLog>
  pipeline: Pipeline
  borrowed: BorrowedBuffers
  account: ReturnType<typeof unlimitedAccount>
  /** Sends a chunk and returns the list of its outcomes. */
  send(text: string, tag?: string, routable?: boolean): Outcome[]
}

function line(filters: FilterStage[], matches: string[], borrowed = new BorrowedBuffers()): Line {
  const outputs = matches.map(() => new QueueBench())
  const logged = listLog()
  const stages = outputs.map(({ queue }, i) => outputStage(queue, matches[i]))
  const pipeline = pipelineOf(filters, stages, logged.log, borrowed)
  const account = unlimitedAccount()
  const send = (text: string, tag = 't', routable = true): Outcome[] => {
    const outcomes: Outcome[] = []
    const chunk = makeChunk(text, { tag, count: text.length, account })
    pipeline.accept(chunk, { buffers: account, routable }, (o) => outcomes.push(o))
    return outcomes
  }
  return { outputs, logged, pipeline, borrowed, account, send }
}

const cut = (n: number) => (chunk: Chunk) => {
  chunk.end -= n
  chunk.count -= n
}

const add = (text: string, borrowed: BorrowedBuffers) => (chunk: Chunk) => {
  const buf = borrowed.force(chunk.end + text.length)
  chunk.buf.copy(buf, chunk.start, chunk.start, chunk.end)
  const end = chunk.end + buf.write(text, chunk.end, 'latin1')
  chunk.replace(buf, chunk.start, end, chunk.count + text.length)
}

describe('filters', () => {
  test('that match are applied in order and counted', () => {
    const borrowed = new BorrowedBuffers()
    const seen: string[] = []
    const look = (chunk: Chunk): void => void seen.push(chunk.entries().toString())
    const filters = [
      stage('*', look),
      stage('t', cut(2)),
      stage('*', look),
      stage('other', cut(1)),
      stage('*', add('xyz', borrowed)),
      stage('*', look),
    ]
    const { outputs, send, account } = line(filters, ['*'], borrowed)
    send('abcde')
    expect(seen).toEqual(['abcde', 'abc', 'abcxyz'])
    expect(outputs[0]?.calls[0]?.chunk.entries().toString()).toBe('abcxyz')
    expect(filters[1]?.stats).toEqual({ records: 5, bytes: 5, addRecords: 0, dropRecords: 2, dropBytes: 2 })
    expect(filters[3]?.stats.records).toBe(0)
    expect(filters[4]?.stats).toEqual({ records: 3, bytes: 3, addRecords: 3, dropRecords: 0, dropBytes: 0 })
    // What the filter added counts for the input; the replaced buffer was given back.
    expect(account.used).toBe(1024)
  })

  test('that only shorten records do not count dropped records', () => {
    const shorten = stage('*', (chunk) => {
      chunk.end -= 2
    })
    line([shorten], ['*']).send('abcd')
    expect(shorten.stats).toEqual({ records: 4, bytes: 4, addRecords: 0, dropRecords: 0, dropBytes: 0 })
  })

  test('that drop all records settle the chunk as filtered; later filters and outputs do not see it', () => {
    let called = false
    const last = stage('*', () => {
      called = true
    })
    const { outputs, send, account, logged } = line([stage('*', cut(3)), last], ['*'])
    expect(send('abc')).toEqual(['filtered'])
    expect([called, outputs[0]?.calls.length, account.used, logged.lines.length]).toEqual([false, 0, 0, 0])
  })

  test('that throw abort the chunk and log an error; the next chunk is filtered again', () => {
    const filters = [
      stage('*', (chunk) => {
        if (chunk.entries().toString() === 'bad') throw new TypeError('no such key')
      }),
    ]
    const { outputs, send, account, logged, borrowed } = line(filters, ['*'])
    expect(send('bad')).toEqual(['aborted'])
    expect([outputs[0]?.calls.length, account.used]).toEqual([0, 0])
    expect(logged.lines).toEqual(['error a filter failed on 3 records: no such key'])
    expect(() => borrowed.force(1)).toThrow('lent only while')
    expect(send('good')).toEqual([])
    expect(outputs[0]?.inFlight).toBe('good')
  })

  test('can use the buffers of the chunk’s input until they return', () => {
    const borrowed = new BorrowedBuffers()
    const { send, account } = line([stage('*', add('x', borrowed))], [], borrowed)
    send('a')
    expect(account.used).toBe(0)
    expect(() => borrowed.take(1)).toThrow('lent only while')
    expect(borrowed.current).toBeUndefined()
  })
})

describe('a chunk for several outputs', () => {
  test('settles with the worst outcome when the last output has answered', async () => {
    const { outputs, send, account } = line([], ['*', 't', 'none', 't*'])
    const outcomes = send('ab')
    const [one, two, other, three] = outputs as [QueueBench, QueueBench, QueueBench, QueueBench]
    expect(outputs.map((o) => o.calls.length)).toEqual([1, 1, 0, 1])
    await three.ok('ab')
    await one.fail('ab', permanent())
    expect([outcomes.length, account.used > 0, other.queue.empty]).toEqual([0, true, true])
    // The chunk is unchanged while another output still has it.
    expect(two.calls[0]?.chunk.entries().toString()).toBe('ab')
    await two.ok('ab')
    expect([outcomes, account.used]).toEqual([['dropped'], 0])
  })

  test('settles as aborted when one output stops, even if others deliver', async () => {
    const { outputs, send, account } = line([], ['*', '*'])
    const [one, two] = outputs as [QueueBench, QueueBench]
    two.queue.stop()
    const outcomes = send('ab')
    await one.ok('ab')
    expect([outcomes, account.used]).toEqual([['aborted'], 0])
  })

  test('settles once even if an output throws before the next one gets it', async () => {
    const { outputs, pipeline, account } = line([], ['*'])
    const thrower = new QueueBench({
      output: {
        flush: () => {
          throw permanent()
        },
        close: async () => {},
      },
    })
    const stages = [thrower, ...outputs].map(({ queue }) => outputStage(queue))
    const both = pipelineOf([], stages, thrower.logged.log)
    expect(pipeline.unroutedRecords).toBe(0)
    const outcomes: Outcome[] = []
    both.accept(makeChunk('ab', { account }), { buffers: account, routable: true }, (o) => outcomes.push(o))
    await turn()
    expect(outcomes).toEqual([])
    await outputs[0]?.ok('ab')
    expect([outcomes, account.used]).toEqual([['dropped'], 0])
  })
})

describe('a chunk that matches no output', () => {
  test('is settled as filtered, counted, and logged once per tag', () => {
    const { send, account, logged, pipeline } = line([], ['kube.*'])
    expect([send('abc', 'x'), send('de', 'x'), send('f', 'y')]).toEqual([
      ['filtered'],
      ['filtered'],
      ['filtered'],
    ])
    expect([pipeline.unroutedRecords, account.used]).toEqual([6, 0])
    expect(logged.lines).toEqual([
      'warn no output matches tag "x": its records are discarded',
      'warn no output matches tag "y": its records are discarded',
    ])
  })

  test('because its input is not routable is settled as filtered without a log line', () => {
    const filter = stage('*', cut(1))
    const { send, account, logged, outputs } = line([filter], ['*'])
    expect(send('abc', 't', false)).toEqual(['filtered'])
    expect([outputs[0]?.calls.length, account.used, logged.lines.length]).toEqual([0, 0, 0])
    expect(filter.stats.records).toBe(3)
  })
})

describe('ready', () => {
  test('asks the filters of the tag in order, up to the first that is not ready', async () => {
    const calls: string[] = []
    const wait = Promise.resolve()
    const filter = (match: string, name: string, answer: Promise<void> | undefined): FilterStage => {
      const made = stage(match, () => {})
      made.filter.ready = (tag, path) => {
        calls.push(`${name} ${tag} ${path}`)
        return answer
      }
      return made
    }
    const filters = [
      stage('*', () => {}),
      filter('t', 'first', undefined),
      filter('other', 'other', wait),
      filter('*', 'last', wait),
    ]
    const { pipeline } = line(filters, ['*'])
    expect(pipeline.ready('in.0', 't', '/a')).toBe(wait)
    expect(calls).toEqual(['first t /a', 'last t /a'])
    expect(line(filters.slice(0, 2), ['*']).pipeline.ready('in.0', 't', '/a')).toBeUndefined()
  })
})

async function answerAll(output: QueueBench | undefined): Promise<void> {
  for (const { resolve } of output?.calls.splice(0) ?? []) resolve()
  await turn()
}

describe('a filter that defers records', () => {
  test('delays the chunk until the deferred records have settled, and learns the outcome of the chunk that contains them', async () => {
    const kept: Ack[] = []
    const first: FilterStage['filter'] = {
      apply: (chunk, later) => {
        if (chunk.entries().toString() === 'keep') kept.push(later.defer())
        else for (const ack of kept) later.onSettled(ack)
      },
    }
    const made = line([{ ...stage('*', () => {}), filter: first }], ['*'])
    const outcomes = made.send('keep')
    await answerAll(made.outputs[0])
    expect(outcomes).toEqual([])
    const second = made.send('rest')
    await answerAll(made.outputs[0])
    expect([outcomes, second]).toEqual([['delivered'], ['delivered']])
    kept[0]?.('aborted')
    expect(outcomes).toEqual(['delivered'])
    expect(made.account.used).toBe(0)
  })

  /** Ends each chunk with an open record, which the next one completes. */
  const joining = (): { filter: FilterStage['filter']; open: Ack[] } => {
    const open: Ack[] = []
    const apply: FilterStage['filter']['apply'] = (_chunk, deferral) => {
      for (const ack of open.splice(0)) deferral.onSettled(ack)
      open.push(deferral.defer())
    }
    return { filter: { apply }, open }
  }

  test('settles a chunk with the one that completes its last record, although that ends with an open record, too', async () => {
    const made = line([{ ...stage('*', () => {}), filter: joining().filter }], ['*'])
    const outcomes = ['a', 'b', 'c'].map((text) => made.send(text))
    await answerAll(made.outputs[0])
    expect(outcomes).toEqual([['delivered'], ['delivered'], []])
    expect(made.account.used).toBe(0)
  })

  test('waits for what a later filter defers of the records that it passes on', async () => {
    const later: Ack[] = []
    const deferAll: FilterStage['filter'] = { apply: (_chunk, deferral) => void later.push(deferral.defer()) }
    const stages = [joining().filter, deferAll].map((filter) => ({ ...stage('*', () => {}), filter }))
    const made = line(stages, ['*'])
    const outcomes = ['a', 'b'].map((text) => made.send(text))
    await answerAll(made.outputs[0])
    later[0]?.('delivered')
    expect(outcomes).toEqual([[], []])
    later[1]?.('dead_letter')
    expect(outcomes).toEqual([['dead_letter'], []])
  })

  test('learns of every chunk once when acks settle each other', async () => {
    const first = joining()
    const made = line([{ ...stage('*', () => {}), filter: first.filter }], ['*'])
    const outcomes = ['a', 'b', 'c'].map((text) => made.send(text))
    for (const ack of first.open) ack('aborted')
    await answerAll(made.outputs[0])
    for (const ack of first.open) ack('delivered')
    expect(outcomes).toEqual([['delivered'], ['delivered'], ['aborted']])
  })

  test('may use its buffers after it has emitted records in the middle of its work', async () => {
    const borrowed = new BorrowedBuffers()
    const kept: Buffer[] = []
    const stage: FilterStage = filterStage((chunk) => {
      made.pipeline.emit(stage, makeChunk('late', { account: made.account }), made.account, () => {})
      kept.push(borrowed.force(10))
      borrowed.give(kept[0] as Buffer)
      chunk.count = 1
    })
    const made = line([stage, filterStage(() => {})], ['*'], borrowed)
    const outcomes = made.send('whole')
    await answerAll(made.outputs[0])
    expect([kept.length, outcomes, made.account.used]).toEqual([1, ['delivered'], 0])
  })

  test('emits deferred records to later filters and outputs only', async () => {
    const seen: string[] = []
    const stages = [
      stage('*', () => seen.push('before')),
      stage('*', () => {}),
      stage('*', () => seen.push('after')),
    ]
    const { pipeline, outputs, account } = line(stages, ['*'])
    const outcomes: Outcome[] = []
    const chunk = makeChunk('late', { tag: 't', count: 4, account })
    pipeline.emit(stages[1] as FilterStage, chunk, account, (outcome) => outcomes.push(outcome))
    await answerAll(outputs[0])
    expect(seen).toEqual(['after'])
    expect(outcomes).toEqual(['delivered'])
  })
})

/** Returns the reports of two chunks of 'abc' that have `rows` places. */
function reportsOf(rows: number, filters: FilterStage[]): string[] {
  const queue = new QueueBench()
  const { log, lines } = listLog()
  const pipeline = pipelineOf(filters, [{ ...outputStage(queue.queue), wantsPlaces: true }], log)
  const account = unlimitedAccount()
  for (let i = 0; i < 2; i++) {
    const chunk = makeChunk('abc', { tag: 't', count: 3, account })
    chunk.places = new Places()
    for (let row = 0; row < rows; row++) chunk.places.add(chunk.places.sourceIndex('s'), row)
    pipeline.accept(chunk, { buffers: account, routable: true }, () => {})
    expect(chunk.places).toBeUndefined()
  }
  return lines.filter((line) => line.includes('places of records'))
}

test('a filter that keeps places and miscounts them is reported once, and its records have ids of their chunk', () => {
  expect(reportsOf(3, [{ ...stage('*', cut(1)), keepsPlaces: true }])).toHaveLength(1)
})

test('so is an input', () => {
  expect(reportsOf(4, [])).toHaveLength(1)
})
